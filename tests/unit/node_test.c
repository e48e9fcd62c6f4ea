/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/error.h"
#include "kube/node.h"

/* A node that was recorded. Owned by the caller. */
static struct kube_node *recorded(const char *name)
{
    static char text[1 << 20];
    char path[512];
    struct kube_node *node;
    struct error err;

    snprintf(path, sizeof(path), "%s/kubernetes-api/%s", TEST_DATA, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    const char *body = strstr(text, "<\n{");
    assert_non_null(body);
    json_t *json = json_loads(body + 2, JSON_DISABLE_EOF_CHECK, NULL);
    assert_non_null(json);
    assert_int_equal(kube_node_read(json, &node, &err), 0);
    json_decref(json);
    return node;
}

/* A node of this JSON text. Owned by the caller. */
static struct kube_node *node_of(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    struct kube_node *node;
    struct error err;

    if (!json)
        fail_msg("not JSON: %s", text);
    assert_int_equal(kube_node_read(json, &node, &err), 0);
    json_decref(json);
    return node;
}

static void test_recorded_node(void **state)
{
    struct kube_node *node = recorded("node-get.http");
    const char *names[8];

    (void)state;
    assert_string_equal(node->name, "node1");
    assert_string_equal(node->os, "linux");
    assert_string_equal(node->architecture, "amd64");
    assert_false(node->virtual);
    assert_int_equal(node->kubelet_port, 10250);
    assert_int_equal(kube_node_images(node, names, 8), 3);
    assert_string_equal(names[0], "registry.local/pause:3.10");
    assert_string_equal(names[1], "registry.local/scratch-http:1");
    assert_string_equal(names[2], "registry.local/busybox:1");
    assert_int_equal(kube_node_images(node, names, 1), 1);
    assert_int_equal(kube_node_images(node, names, 0), 0);
    kube_node_free(node);
    kube_node_free(NULL);
}

static void test_what_a_node_is(void **state)
{
    static const struct {
        const char *text, *os, *architecture;
        bool virtual;
        unsigned port;
    } cases[] = {
        {"{\"metadata\":{\"name\":\"n\"},\"status\":{}}", "", "", false, 10250},
        {"{\"metadata\":{\"name\":\"n\",\"labels\":{\"kubernetes.io/os\":\"windows\","
         "\"kubernetes.io/arch\":\"arm64\"}},\"status\":{}}",
         "windows", "arm64", false, 10250},
        {"{\"metadata\":{\"name\":\"n\",\"labels\":{\"kubernetes.io/os\":\"linux\"}},\"status\":{"
         "\"nodeInfo\":{\"operatingSystem\":\"windows\",\"architecture\":\"amd64\"}}}",
         "windows", "amd64", false, 10250},
        {"{\"metadata\":{\"name\":\"n\",\"labels\":{\"type\":\"virtual-kubelet\"}},\"status\":{}}",
         "", "", true, 10250},
        {"{\"metadata\":{\"name\":\"n\"},\"spec\":{\"taints\":[{\"key\":\"a\"},{\"key\":"
         "\"virtual-kubelet.io/provider\",\"value\":\"azure\"}]},\"status\":{}}",
         "", "", true, 10250},
        {"{\"metadata\":{\"name\":\"n\"},\"status\":{\"nodeInfo\":{\"kubeletVersion\":"
         "\"v1.25.0-vk-azure-aci-1.6.2\"}}}",
         "", "", true, 10250},
        /* The node of which such a kubelet is a guest is none. */
        {"{\"metadata\":{\"name\":\"n\",\"labels\":{\"type\":\"worker\"}},\"spec\":{\"taints\":[{"
         "\"key\":\"node.kubernetes.io/not-ready\"},5]},\"status\":{\"nodeInfo\":{"
         "\"kubeletVersion\":\"v1.36.2\"}}}",
         "", "", false, 10250},
        {"{\"metadata\":{\"name\":\"n\"},\"status\":{\"daemonEndpoints\":{\"kubeletEndpoint\":{"
         "\"Port\":10255}}}}",
         "", "", false, 10255},
        {"{\"metadata\":{\"name\":\"n\"},\"status\":{\"daemonEndpoints\":{\"kubeletEndpoint\":{"
         "\"Port\":70000}}}}",
         "", "", false, 10250},
        {"{\"metadata\":{\"name\":\"n\"},\"status\":{\"daemonEndpoints\":{\"kubeletEndpoint\":{"
         "\"Port\":\"1\"}}}}",
         "", "", false, 10250},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct kube_node *node = node_of(cases[i].text);

        assert_string_equal(node->os, cases[i].os);
        assert_string_equal(node->architecture, cases[i].architecture);
        if (node->virtual != cases[i].virtual)
            fail_msg("virtual: %s", cases[i].text);
        assert_int_equal(node->kubelet_port, cases[i].port);
        kube_node_free(node);
    }
}

static void test_what_is_no_node(void **state)
{
    static const char *const texts[] = {"{}", "[]", "{\"metadata\":{\"name\":\"n\"}}",
                                        "{\"metadata\":{\"name\":5},\"status\":{}}",
                                        "{\"metadata\":[],\"status\":1}"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        json_t *json = json_loads(texts[i], 0, NULL);
        struct kube_node *node = NULL;
        struct error err;

        assert_int_equal(kube_node_read(json, &node, &err), -1);
        assert_int_equal(err.kind, ERROR_PROTOCOL);
        assert_null(node);
        json_decref(json);
    }
}

/* The first image of a node whose status.images is @images; "" when it has none. */
static const char *first_of(const char *images)
{
    static char first[300];
    char text[4096];
    const char *names[4];

    snprintf(text, sizeof(text), "{\"metadata\":{\"name\":\"n\"},\"status\":{\"images\":%s}}",
             images);
    struct kube_node *node = node_of(text);
    snprintf(first, sizeof(first), "%s", kube_node_images(node, names, 4) ? names[0] : "");
    kube_node_free(node);
    return first;
}

static void test_pause_images(void **state)
{
    static const char *const pauses[] = {
        "registry.k8s.io/pause:3.10",
        "registry.k8s.io/pause@sha256:0123456789abcdef",
        "rancher/mirrored-pause:3.6",
        "602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/pause:3.5",
        "k8s.gcr.io/pause-amd64:3.1",
        "localhost:5000/pause",
        "pause",
    };
    static const char *const others[] = {
        "example.com/pauses:1",       "example.com/pause/app:1", "example.com/unpause:1",
        "example.com/pauser/image:1", "example.com/app:pause",   "pause:5000/app",
        "example.com/menopause:1",    "example.com/app:1-pause",
    };
    char images[1024];

    (void)state;
    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        snprintf(images, sizeof(images),
                 "[{\"names\":[\"tiny:1\"],\"sizeBytes\":5},{\"names\":[\"%s\"],"
                 "\"sizeBytes\":700000}]",
                 pauses[i]);
        assert_string_equal(first_of(images), pauses[i]);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        snprintf(images, sizeof(images),
                 "[{\"names\":[\"%s\"],\"sizeBytes\":700000},{\"names\":[\"tiny:1\"],"
                 "\"sizeBytes\":5}]",
                 others[i]);
        assert_string_equal(first_of(images), "tiny:1");
    }
    assert_string_equal(first_of("[{\"names\":[\"a/pause:2\"],\"sizeBytes\":9},{\"names\":[\"b/"
                                 "pause:1\"],\"sizeBytes\":8}]"),
                        "b/pause:1");
}

static void test_names_of_images(void **state)
{
    static const struct {
        const char *images, *first;
    } cases[] = {
        {"[]", ""},
        {"{}", ""},
        {"[1,{},{\"names\":[]},{\"names\":[7]},{\"names\":[\"\"]}]", ""},
        {"[{\"names\":[\"<none>@<none>\",\"<none>:<none>\"],\"sizeBytes\":1}]", ""},
        {"[{\"names\":[\"<none>@<none>\",\"a:1\"],\"sizeBytes\":1}]", "a:1"},
        {"[{\"names\":[\"\",\"a:1\"],\"sizeBytes\":1}]", "a:1"},
        {"[{\"names\":[\"a@sha256:00\",\"a:1\"],\"sizeBytes\":1}]", "a:1"},
        {"[{\"names\":[\"a:1\",\"a@sha256:00\"],\"sizeBytes\":1}]", "a:1"},
        {"[{\"names\":[\"a@sha256:00\"],\"sizeBytes\":1}]", "a@sha256:00"},
        {"[{\"names\":[\"a b:1\",\"a\\u001b[2J:1\",\"a\\n:1\",\"\\u00e4:1\",\"$(x)\"]}]", ""},
        {"[{\"names\":[\"big:1\"],\"sizeBytes\":3000000000},{\"names\":[\"small:1\"],"
         "\"sizeBytes\":2}]",
         "small:1"},
    };
    char longest[255 + 1], images[400];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(first_of(cases[i].images), cases[i].first);
    memset(longest, 'a', 255);
    longest[255] = '\0';
    snprintf(images, sizeof(images), "[{\"names\":[\"%s\"]}]", longest);
    assert_string_equal(first_of(images), longest);
    snprintf(images, sizeof(images), "[{\"names\":[\"%sb\"]}]", longest);
    assert_string_equal(first_of(images), "");
}

static void test_what_it_has_for_pods(void **state)
{
    static const char counts[] = "{\"metadata\":{\"name\":\"n\"},\"status\":{\"allocatable\":{"
                                 "\"memory\":\"1Gi\",\"ephemeral-storage\":\"5\"}}}";
    static const char silent[] = "{\"metadata\":{\"name\":\"n\"},\"status\":{\"allocatable\":{"
                                 "\"memory\":\"nonsense\"}}}";
    static const char empty[] = "{\"metadata\":{\"name\":\"n\"},\"status\":{}}";
    struct kube_node *node = recorded("node-get.http");
    uint64_t value = 7;

    (void)state;
    assert_true(kube_node_allocatable(node, "ephemeral-storage", &value));
    assert_int_equal(value, 267847642337);
    assert_true(kube_node_counts_disk(node));
    kube_node_free(node);
    node = node_of(counts);
    assert_true(kube_node_allocatable(node, "memory", &value));
    assert_int_equal(value, 1 << 30);
    assert_true(kube_node_counts_disk(node));
    kube_node_free(node);
    node = node_of(silent);
    assert_false(kube_node_allocatable(node, "memory", &value));
    assert_false(kube_node_allocatable(node, "ephemeral-storage", &value));
    assert_int_equal(value, 1 << 30);
    assert_false(kube_node_counts_disk(node));
    kube_node_free(node);
    node = node_of(empty);
    assert_true(kube_node_counts_disk(node));
    kube_node_free(node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded_node),   cmocka_unit_test(test_what_a_node_is),
        cmocka_unit_test(test_what_is_no_node), cmocka_unit_test(test_pause_images),
        cmocka_unit_test(test_names_of_images), cmocka_unit_test(test_what_it_has_for_pods),
    };

    return cmocka_run_group_tests_name("node", tests, NULL, NULL);
}
