/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/error.h"
#include "kube/pod.h"

static json_t *recorded(const char *name)
{
    char path[512];
    static char text[1 << 20];

    snprintf(path, sizeof(path), "%s/kubernetes-api/%s", TEST_DATA, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    const char *body = strstr(text, "<\n{");
    assert_non_null(body);
    json_t *json = json_loads(body + 2, JSON_DISABLE_EOF_CHECK, NULL);
    assert_non_null(json);
    return json;
}

static void test_recorded_pod(void **state)
{
    json_t *json = recorded("pod-get-ephemeral.http");
    struct kube_pod *pod;
    struct error err;

    (void)state;
    assert_int_equal(kube_pod_read(json, &pod, &err), 0);
    json_decref(json);
    assert_string_equal(pod->name, "web");
    assert_string_equal(pod->namespace, "lab");
    assert_string_equal(pod->node, "node1");
    assert_string_equal(pod->phase, "Running");
    assert_string_equal(pod->os, "");
    assert_false(pod->host_network);
    assert_false(pod->terminating);
    assert_null(pod->default_container);
    const struct kube_container *app = kube_pod_container(pod, "app");
    const struct kube_container *ephemeral = kube_pod_container(pod, "ksniff-1");
    assert_true(app->running);
    assert_int_equal(app->kind, KUBE_CONTAINER_REGULAR);
    assert_int_equal(ephemeral->kind, KUBE_CONTAINER_EPHEMERAL);
    assert_null(kube_pod_container(pod, "nope"));
    kube_pod_free(pod);
}

static void test_image_missing(void **state)
{
    json_t *json = recorded("pod-get-image-missing.http");
    struct kube_pod *pod;
    struct error err;

    (void)state;
    assert_int_equal(kube_pod_read(json, &pod, &err), 0);
    json_decref(json);
    assert_string_equal(pod->phase, "Pending");
    assert_false(pod->containers[0].running);
    assert_string_equal(pod->containers[0].waiting_reason, "ContainerCreating");
    kube_pod_free(pod);
}

static void test_mounts_and_limits(void **state)
{
    static const char text[] =
        "{\"metadata\":{\"name\":\"p\",\"annotations\":{\"kubectl.kubernetes.io/"
        "default-container\":"
        "\"b\"}},\"spec\":{\"nodeSelector\":{\"kubernetes.io/os\":\"windows\"},\"volumes\":["
        "{\"name\":\"e\",\"emptyDir\":{}},{\"name\":\"h\",\"hostPath\":{\"path\":\"/x\"}}],"
        "\"containers\":[{\"name\":\"a\"},{\"name\":\"b\",\"resources\":{\"limits\":{\"memory\":"
        "\"64Mi\"}},\"volumeMounts\":[{\"name\":\"h\",\"mountPath\":\"/h\"},{\"name\":\"e\","
        "\"mountPath\":\"/ro\",\"readOnly\":true},{\"name\":\"e\",\"mountPath\":\"/scratch\"}]}]}}";
    json_t *json = json_loads(text, 0, NULL);
    const char *paths[4];
    struct kube_pod *pod;
    struct error err;

    (void)state;
    assert_int_equal(kube_pod_read(json, &pod, &err), 0);
    json_decref(json);
    assert_string_equal(pod->default_container, "b");
    assert_string_equal(pod->os, "windows");
    const struct kube_container *b = kube_pod_container(pod, "b");
    assert_int_equal(b->memory_limit, 64u << 20);
    assert_int_equal(kube_pod_writable_mounts(pod, b, paths, 4), 1);
    assert_string_equal(paths[0], "/scratch");
    assert_int_equal(kube_pod_writable_mounts(pod, b, paths, 0), 0);
    kube_pod_free(pod);
}

/* What is judged by is still there; and what is kept is a fraction of what came. */
static void test_slim(void **state)
{
    json_t *json = recorded("pod-get-ephemeral.http"), *before = json_deep_copy(json);
    struct kube_pod *pod;
    struct error err;

    (void)state;
    json_t *app = json_array_get(json_object_get(json_object_get(json, "spec"), "containers"), 0);
    json_t *volumes = json_object_get(json_object_get(json, "spec"), "volumes");
    json_object_set_new(app, "env", json_pack("[{s:s}]", "name", "SECRET"));
    json_array_append_new(volumes, json_pack("{s:s, s:{}}", "name", "scratch", "emptyDir"));
    json_array_append_new(json_object_get(app, "volumeMounts"),
                          json_pack("{s:s, s:s}", "name", "scratch", "mountPath", "/scratch"));
    kube_pod_slim(json);
    char *text = json_dumps(json, JSON_COMPACT), *whole = json_dumps(before, JSON_COMPACT);
    assert_true(strlen(text) < strlen(whole) / 2);
    assert_null(strstr(text, "managedFields"));
    assert_null(strstr(text, "SECRET"));
    assert_null(strstr(text, "tolerations"));
    free(text);
    free(whole);
    assert_int_equal(kube_pod_read(json, &pod, &err), 0);
    assert_true(kube_pod_container(pod, "app")->running);
    assert_string_equal(pod->node, "node1");
    assert_non_null(json_object_get(app, "image"));
    const char *paths[4];
    assert_int_equal(kube_pod_writable_mounts(pod, kube_pod_container(pod, "app"), paths, 4), 1);
    assert_string_equal(paths[0], "/scratch");
    assert_int_equal(json_array_size(json_object_get(app, "volumeMounts")), 1);
    assert_int_equal(json_array_size(volumes), 1);
    assert_non_null(json_object_get(json_object_get(json, "status"), "podIPs"));
    kube_pod_free(pod);
    json_decref(json);
    json_decref(before);
    /* Odd types are no reason to crash. */
    json = json_loads(
        "{\"metadata\":5,\"spec\":{\"volumes\":[1,{}],\"containers\":{}},\"status\":[]}", 0, NULL);
    kube_pod_slim(json);
    json_decref(json);
}

static void test_what_is_no_pod(void **state)
{
    static const char *const texts[] = {"{}", "{\"metadata\":{\"name\":\"x\"}}",
                                        "{\"metadata\":[],\"spec\":1}",
                                        "{\"metadata\":{\"name\":5},\"spec\":{}}"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        json_t *json = json_loads(texts[i], 0, NULL);
        struct kube_pod *pod = NULL;
        struct error err;

        assert_int_equal(kube_pod_read(json, &pod, &err), -1);
        assert_null(pod);
        json_decref(json);
    }
    /* Odd types where they do not matter are no reason to fail, and none to crash. */
    json_t *odd =
        json_loads("{\"metadata\":{\"name\":\"x\"},\"spec\":{\"containers\":[1,{\"name\":2},"
                   "{\"name\":\"a\",\"resources\":[]}],\"volumes\":{}},\"status\":[]}",
                   0, NULL);
    struct kube_pod *pod;
    struct error err;
    assert_int_equal(kube_pod_read(odd, &pod, &err), 0);
    assert_int_equal(pod->container_count, 3);
    kube_pod_free(pod);
    json_decref(odd);
}

static void test_quantity(void **state)
{
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {{"128Mi", 128u << 20}, {"1G", 1000000000}, {"1500m", 2}, {"0", 0}, {"1e3", 1000}};
    uint64_t value;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(kube_quantity(good[i].text, &value), 0);
        assert_int_equal(value, good[i].value);
    }
    assert_int_equal(kube_quantity("", &value), -1);
    assert_int_equal(kube_quantity("-1", &value), -1);
    assert_int_equal(kube_quantity("1Mib", &value), -1);
    assert_int_equal(kube_quantity("1e300", &value), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded_pod),      cmocka_unit_test(test_image_missing),
        cmocka_unit_test(test_mounts_and_limits), cmocka_unit_test(test_slim),
        cmocka_unit_test(test_what_is_no_pod),    cmocka_unit_test(test_quantity),
    };

    return cmocka_run_group_tests_name("pod", tests, NULL, NULL);
}
