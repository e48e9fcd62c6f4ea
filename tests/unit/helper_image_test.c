/* SPDX-License-Identifier: Apache-2.0 */
/* Which images a helper pod is made of, and in which order. */
#include "tests/unit/unit.h"

#include "base/error.h"
#include "method/helper_image.h"
#include "target/target.h"
#include "kube/node.h"
#include "kube/pod.h"

/* JSON with ' for ". Owned by the caller. */
static json_t *json_of(const char *text)
{
    char *copy = strdup(text);

    for (char *c = copy; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    json_t *json = json_loads(copy, 0, NULL);
    if (!json)
        fail_msg("not JSON: %s", text);
    free(copy);
    return json;
}

/* A target: its pod and its node; "" for none. Released with target_free(). */
static struct target target_of(const char *pod, const char *node)
{
    struct target target = {.node_name = "node1"};
    struct error err;

    if (*pod) {
        json_t *json = json_of(pod);
        assert_int_equal(kube_pod_read(json, &target.pod, &err), 0);
        json_decref(json);
        target.container = &target.pod->containers[0];
    }
    if (*node) {
        json_t *json = json_of(node);
        assert_int_equal(kube_node_read(json, &target.node, &err), 0);
        json_decref(json);
    }
    return target;
}

#define WEB                                                                                        \
    "{'metadata': {'name': 'web', 'namespace': 'shop'}, 'spec': {'containers': [{'name': 'app', "  \
    "'image': 'shop/web:1'}], 'imagePullSecrets': [{'name': 'shop'}]}}"
#define NODE(images, info)                                                                         \
    "{'metadata': {'name': 'node1'}, 'status': {'nodeInfo': {" info "}, 'images': [" images "]}}"
#define IMAGE(name, size) "{'names': ['" name "'], 'sizeBytes': " #size "}"

/* The names, in order, separated by spaces; those that may be pulled with a plus. */
static const char *names_of(const struct helper_images *images)
{
    static char text[2000];

    *text = '\0';
    for (size_t i = 0; i < images->count; i++) {
        strcat(strcat(text, i ? " " : ""), images->list[i].pull ? "+" : "");
        strcat(text, images->list[i].name);
    }
    return text;
}

static const struct {
    const char *pod, *node, *wished, *namespace, *names;
    bool sure;
} choices[] = {
    {WEB,
     NODE(IMAGE("debian:12", 900) "," IMAGE("coredns:1", 800) "," IMAGE("busybox:1", 10) "," IMAGE(
              "pause:3.10", 20),
          ""),
     NULL, "shop",
     "pause:3.10 coredns:1 busybox:1 debian:12 registry.k8s.io/pause:3.10 "
     "registry.k8s.io/pause:3.10.1 registry.k8s.io/pause:3.9 +shop/web:1",
     true},
    /* Four of them are enough. */
    {"",
     NODE(IMAGE("a:1", 5) "," IMAGE("b:1", 4) "," IMAGE("c:1", 3) "," IMAGE("d:1",
                                                                            2) "," IMAGE("e:1", 1),
          ""),
     NULL, "shop",
     "e:1 d:1 c:1 b:1 registry.k8s.io/pause:3.10 registry.k8s.io/pause:3.10.1 "
     "registry.k8s.io/pause:3.9",
     false},
    /* Nobody may look at the node. */
    {WEB, "", NULL, "shop",
     "registry.k8s.io/pause:3.10 registry.k8s.io/pause:3.10.1 registry.k8s.io/pause:3.9 "
     "+shop/web:1",
     false},
    /* Another namespace has other secrets; but the image is there. */
    {WEB, "", NULL, "tools",
     "registry.k8s.io/pause:3.10 registry.k8s.io/pause:3.10.1 registry.k8s.io/pause:3.9 shop/web:1",
     false},
    {WEB, NODE("", "'containerRuntimeVersion': 'containerd://1.7.13'"), NULL, "tools",
     "registry.k8s.io/pause:3.8 registry.k8s.io/pause:3.10 registry.k8s.io/pause:3.10.1 shop/web:1",
     false},
    {"",
     NODE("",
          "'containerRuntimeVersion': 'containerd://2.0.2-k3s2', 'kubeletVersion': 'v1.32.1+k3s1'"),
     NULL, "x",
     "docker.io/rancher/mirrored-pause:3.6 registry.k8s.io/pause:3.10 registry.k8s.io/pause:3.10.1",
     false},
    {"", NODE("", "'kubeletVersion': 'v1.32.1-eks-5d632ec'"), NULL, "x",
     "localhost/kubernetes/pause:latest registry.k8s.io/pause:3.10 registry.k8s.io/pause:3.10.1",
     false},
    {"", NODE("", "'kubeletVersion': 'v1.32.1-gke.1200000'"), NULL, "x",
     "gke.gcr.io/pause:3.8 registry.k8s.io/pause:3.10 registry.k8s.io/pause:3.10.1", false},
    {"", NODE("", "'kernelVersion': '5.15.0-1064-azure'"), NULL, "x",
     "mcr.microsoft.com/oss/kubernetes/pause:3.6 registry.k8s.io/pause:3.10 "
     "registry.k8s.io/pause:3.10.1",
     false},
    /* What the user wishes is all. */
    {WEB, NODE(IMAGE("pause:3.10", 20), ""), "netshoot", "shop", "+netshoot", true},
    /* None twice. */
    {WEB, NODE(IMAGE("shop/web:1", 5) "," IMAGE("registry.k8s.io/pause:3.10", 4), ""), NULL, "shop",
     "registry.k8s.io/pause:3.10 +shop/web:1 registry.k8s.io/pause:3.10.1 "
     "registry.k8s.io/pause:3.9",
     true},
};

static void test_choices(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
        struct target target = target_of(choices[i].pod, choices[i].node);
        struct helper_images images = {.count = 0};

        helper_images_choose(&images, &target, choices[i].wished, choices[i].namespace);
        assert_string_equal(names_of(&images), choices[i].names);
        assert_int_equal(images.sure, choices[i].sure);
        for (size_t k = 0; k < images.count; k++)
            assert_true(!images.list[k].pull_secrets || images.list[k].pull);
        helper_images_free(&images);
        target_free(&target);
    }
}

#define POD(owner, phase, secrets, image, state)                                                   \
    "{'metadata': {'ownerReferences': [{'kind': '" owner                                           \
    "'}]}, 'spec': {'imagePullSecrets': [" secrets                                                 \
    "], 'containers': [{'name': 'a', 'image': '" image "'}]}, 'status': {'phase': '" phase         \
    "', 'containerStatuses': [{'name': 'a', 'state': {'" state "': {}}}]}}"

/* Of a DaemonSet, running, and everybody's; and what is known to have a shell does not count. */
#define DAEMON(image) POD("DaemonSet", "Running", "", image, "running")

static const char pods[] = "{'items': [" DAEMON("proxy:1")    /* the first that counts */
    "," POD("ReplicaSet", "Running", "", "dns:1", "running")  /* elsewhere tomorrow */
    "," POD("DaemonSet", "Pending", "", "late:1", "waiting")  /* perhaps not there yet */
    "," POD("DaemonSet", "Running", "", "crash:1", "waiting") /* the same */
    "," POD("DaemonSet", "Running", "{'name': 's'}", "private:1", "running") /* not ours to use */
    "," DAEMON("x/alpine:3") "," DAEMON("csi:1") "," DAEMON("proxy:1") ", 5]}";

static void test_running(void **state)
{
    json_t *list = json_of(pods);
    struct target target = target_of("", NODE(IMAGE("big:1", 5), ""));
    struct helper_images images = {.count = 0};

    (void)state;
    /* Before what is not sure, */
    helper_images_choose(&images, &target, NULL, "x");
    helper_images_add_running(&images, list);
    assert_non_null(strstr(names_of(&images), "proxy:1 csi:1 big:1 registry.k8s.io/pause:3.10 "));
    helper_images_free(&images);
    target_free(&target);

    /* behind what was tried. */
    target = target_of("", NODE(IMAGE("pause:3", 5) "," IMAGE("big:1", 5), ""));
    helper_images_choose(&images, &target, NULL, "x");
    helper_images_add_running(&images, list);
    assert_non_null(strstr(names_of(&images), "pause:3 proxy:1 csi:1 big:1 "));
    /* What has been passed over is not moved by more of them. */
    assert_true(helper_images_next(&images));
    helper_images_add_running(&images, list);
    assert_non_null(strstr(names_of(&images), "pause:3 proxy:1 csi:1 big:1 "));
    helper_images_free(&images);
    target_free(&target);
    json_decref(list);
}

/* What a server says is not what it should: nothing of it is taken. */
static void test_no_list(void **state)
{
    static const char *const texts[] = {"{}", "[]", "{'items': 5}", "{'items': [{'spec': 5}]}",
                                        "{'items': [{'metadata': {'ownerReferences': [5, {}]}}]}"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct helper_images images = {.count = 0};
        json_t *json = json_of(texts[i]);

        helper_images_add_running(&images, json);
        assert_int_equal(images.count, 0);
        json_decref(json);
    }
}

/* First all, then those that were seen to have a shell, then none. */
static void test_rounds(void **state)
{
    struct target target = target_of(WEB, NODE(IMAGE("a:1", 1) "," IMAGE("b:1", 2), ""));
    struct helper_images images = {.count = 0};

    (void)state;
    helper_images_choose(&images, &target, NULL, "shop");
    assert_int_equal(images.count, 6);
    images.list[1].shell = images.list[5].shell = true;
    for (size_t i = 1; i < 6; i++) {
        assert_true(helper_images_next(&images));
        assert_int_equal(images.at, i);
        assert_false(images.second_round);
    }
    assert_true(helper_images_next(&images));
    assert_true(images.second_round);
    assert_int_equal(images.at, 1);
    assert_true(helper_images_next(&images));
    assert_int_equal(images.at, 5);
    assert_false(helper_images_next(&images));
    helper_images_free(&images);

    helper_images_choose(&images, &target, "only", "shop");
    assert_false(helper_images_next(&images));
    helper_images_free(&images);
    target_free(&target);
}

/* A node may list any number, and any name. */
static void test_full(void **state)
{
    json_t *items = json_array();
    json_t *list = json_pack("{s:o}", "items", items);
    struct target target = target_of(WEB, NODE(IMAGE("a:1", 1), ""));
    struct helper_images images = {.count = 0};

    (void)state;
    for (int i = 0; i < 60; i++) {
        char text[400];

        snprintf(text, sizeof(text), POD("DaemonSet", "Running", "", "daemon:%d", "running"), i);
        json_array_append_new(items, json_of(text));
    }
    helper_images_choose(&images, &target, NULL, "shop");
    for (int i = 0; i < 10; i++)
        helper_images_add_running(&images, list);
    assert_true(images.count <= HELPER_IMAGES_MAX);
    helper_images_free(&images);
    target_free(&target);
    json_decref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choices), cmocka_unit_test(test_running),
        cmocka_unit_test(test_no_list), cmocka_unit_test(test_rounds),
        cmocka_unit_test(test_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
