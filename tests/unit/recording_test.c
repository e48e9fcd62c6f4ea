/* SPDX-License-Identifier: Apache-2.0 */
/* From targets to what their recorders are told, and what is written at their pods. */
#include "recording/recordings.h"

#include "tests/unit/unit.h"

#include "kube/pod.h"
#include "recording/annotation.h"
#include "recording/arguments.h"
#include "recording/groups.h"
#include "recording/rivals.h"
#include "settings/filter.h"
#include "settings/settings.h"
#include "target/target.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct target target_of(const char *namespace, const char *name, const char *node,
                               bool host_network)
{
    char uid[100];
    struct kube_pod *pod;
    struct target target;

    snprintf(uid, sizeof(uid), "uid-of-%s", name);
    json_t *json = json_pack("{s:{s:s, s:s, s:s, s:{s:s}}, s:{s:s, s:b, s:[{s:s}, {s:s}]},"
                             " s:{s:s, s:[{s:s}], s:[{s:s, s:s, s:{s:{}}}, {s:s, s:s, s:{s:{}}}]}}",
                             "metadata", "namespace", namespace, "name", name, "uid", uid, "labels",
                             "app", name, "spec", "nodeName", node, "hostNetwork", host_network,
                             "containers", "name", "app", "name", "side", "status", "phase",
                             "Running", "podIPs", "ip", "10.244.0.7", "containerStatuses", "name",
                             "app", "containerID", "containerd://" ID_A, "state", "running", "name",
                             "side", "containerID", "containerd://" ID_B, "state", "running");
    assert_int_equal(kube_pod_read(json, &pod, NULL), 0);
    json_decref(json);
    assert_int_equal(target_of_pod(pod, NULL, &target, NULL), 0);
    return target;
}

static void test_groups(void **state)
{
    struct target a = target_of("shop", "a", "node1", false),
                  b = target_of("shop", "b", "node2", false);
    struct target c = target_of("shop", "c", "node1", false),
                  d = target_of("data", "d", "node1", false);
    struct target e = target_of("shop", "e", "node1", true);
    const struct target *all[] = {&a, &b, &c, &d, &e};
    struct settings settings = {.namespace = "shop"};
    struct recording_groups groups;

    (void)state;
    assert_int_equal(groups_make(&settings, all, 5, &groups), 0);
    assert_int_equal(groups.count, 4);
    assert_int_equal(groups.list[0].count, 2);
    assert_ptr_equal(groups.list[0].targets[0], &a);
    assert_ptr_equal(groups.list[0].targets[1], &c);
    assert_ptr_equal(groups.list[1].targets[0], &b);
    assert_ptr_equal(groups.list[2].targets[0], &d);
    assert_ptr_equal(groups.list[3].targets[0], &e);
    groups_free(&groups);
    /* Where the pods are made in one namespace, those of others may share one. */
    settings.node_namespace = "tools";
    assert_int_equal(groups_make(&settings, all, 5, &groups), 0);
    assert_int_equal(groups.count, 3);
    assert_int_equal(groups.list[0].count, 3);
    groups_free(&groups);
    for (size_t i = 0; i < 5; i++)
        target_free((struct target *)all[i]);
}

/* A recorder has room for so many; who has more has several. */
static void test_groups_are_not_too_large(void **state)
{
    struct target target = target_of("shop", "a", "node1", false);
    const struct target *all[RECORDING_TARGETS_MAX + 3];
    struct settings settings = {.namespace = "shop"};
    struct recording_groups groups;

    (void)state;
    for (size_t i = 0; i < RECORDING_TARGETS_MAX + 3; i++)
        all[i] = &target;
    assert_int_equal(groups_make(&settings, all, RECORDING_TARGETS_MAX + 3, &groups), 0);
    assert_int_equal(groups.count, 2);
    assert_int_equal(groups.list[0].count, RECORDING_TARGETS_MAX);
    assert_int_equal(groups.list[1].count, 3);
    groups_free(&groups);
    target_free(&target);
}

static char *words(const struct settings *settings, const struct recording_group *group, bool shell)
{
    json_t *list = arguments_make(settings, group, 16u << 20, shell, NULL), *word;
    char *text = calloc(1, 4000);
    size_t i;

    assert_non_null(list);
    json_array_foreach(list, i, word)
    {
        snprintf(text + strlen(text), 4000 - strlen(text), "%s%s", i ? " " : "",
                 json_string_value(word));
    }
    json_decref(list);
    return text;
}

static void test_arguments(void **state)
{
    struct target a = target_of("shop", "a", "node1", false),
                  b = target_of("shop", "b", "node1", false);
    const struct target *both[] = {&a, &b};
    struct recording_group group = {both, 2};
    struct settings settings = {.snaplen = 262144, .recording = {.keep_bytes = 1 << 30}};
    char *text = words(&settings, &group, false);

    (void)state;
    assert_string_equal(text, "record -d /ring -k 1073741824 -N -s 262144 -b 16777216"
                              " -t -C " ID_A " -C " ID_B " -P uid-of-a"
                              " -t -C " ID_A " -C " ID_B " -P uid-of-b");
    free(text);
    settings.headers_only = true;
    settings.buffer_size = 2 << 20;
    settings.recording.keep_seconds = 3600;
    settings.recording.after = 30000;
    assert_int_equal(filter_compile("vlan 7 and tcp", 262144, &settings.recording.stop_when, NULL),
                     0);
    settings.filter.program = NULL;
    group.count = 1;
    text = words(&settings, &group, true);
    assert_non_null(
        strstr(text, "record -d /ring -k 1073741824 -K 3600 -s 262144 -b 2097152 -H -T "));
    assert_non_null(strstr(text, " -X V"));
    assert_non_null(strstr(text, " -A 30000 -t -C "));
    free(text);
    filter_free(&settings.recording.stop_when);
    target_free(&a);
    target_free(&b);
}

/* The network is the pod's own then. */
static void test_arguments_of_a_node(void **state)
{
    struct target node = target_of("kube-system", "proxy", "node1", true);
    const struct target *only[] = {&node};
    struct recording_group group = {only, 1};
    struct settings settings = {.snaplen = 100, .recording = {.keep_bytes = 8 << 20}};
    char *text = words(&settings, &group, false);

    (void)state;
    assert_string_equal(text, "record -d /ring -k 8388608 -N -s 100 -b 16777216 -t");
    free(text);
    target_free(&node);
}

static void named(const char *word, const char *selector, const char *name)
{
    const char *list[] = {word, "other"};
    struct settings settings = {.words = list, .word_count = word ? 2 : 0, .selector = selector};
    const struct tm when = {
        .tm_year = 126, .tm_mon = 10, .tm_mday = 29, .tm_hour = 3, .tm_min = 5, .tm_sec = 9};
    char made[RECORDING_NAME_SIZE];

    recording_name_make(&settings, &when, made);
    assert_string_equal(made, name);
}

static void test_names(void **state)
{
    (void)state;
    named("web", NULL, "web-20261129-030509");
    named("data/deploy/shop", "app=x", "shop-20261129-030509");
    named("api-*", NULL, "api-20261129-030509");
    named(NULL, "app=web,tier in (a)", "app-web-tier-in-a-20261129-030509");
    named("*", NULL, "recording-20261129-030509");
    named(NULL, NULL, "recording-20261129-030509");
    named("a-very-long-name-of-a-workload-that-goes-on-and-on-and-does-not-end", NULL,
          "a-very-long-name-of-a-workload-that-goes-20261129-030509");
}

/* What is written at a pod is a target again for who fetches. */
static void test_annotation(void **state)
{
    struct target a = target_of("shop", "a", "node1", false), made;
    const struct target *only[] = {&a};
    struct settings settings = {.filter_text = "tcp",
                                .snaplen = 262144,
                                .recording = {.keep_bytes = 1 << 30, .in_memory = true}};
    char *text = annotation_text(&settings, only, 1, "jane", "2026-11-29T03:35:00Z", "9f86d081");
    json_t *json = json_loads(text, 0, NULL);
    json_t *entry = json_array_get(json_object_get(json, "targets"), 0);
    struct recorded_target recorded = {"shop", "a", "uid-of-a", "app", entry};
    struct recording_pod pod = {.name = "ksniff-1"};

    (void)state;
    assert_non_null(
        strstr(text, "{\"by\":\"jane\",\"started\":\"2026-11-29T03:35:00Z\","
                     "\"run\":\"9f86d081\","
                     "\"keep\":{\"bytes\":1073741824,\"seconds\":0,\"in\":\"memory\"},"
                     "\"filter\":\"tcp\",\"asked\":null,\"snaplen\":262144,\"headersOnly\":false,"
                     "\"interfaces\":[],\"stopWhen\":null,\"after\":0,\"targets\":["));
    assert_int_equal(recorded_target_make(&pod, &recorded, &made, NULL), 0);
    assert_string_equal(made.pod->uid, "uid-of-a");
    assert_string_equal(made.container->name, "app");
    assert_string_equal(made.node_name, "node1");
    assert_string_equal(
        json_string_value(json_object_get(
            json_object_get(json_object_get(made.pod->json, "metadata"), "labels"), "app")),
        "a");
    assert_string_equal(
        json_string_value(json_object_get(
            json_array_get(json_object_get(json_object_get(made.pod->json, "status"), "podIPs"), 0),
            "ip")),
        "10.244.0.7");
    target_free(&made);
    json_decref(json);
    free(text);
    target_free(&a);
}

/* A pod may have any number of labels, and an object only so many bytes of annotations. */
static void test_annotation_of_many_labels(void **state)
{
    struct target a = target_of("shop", "a", "node1", false);
    const struct target *only[RECORDING_TARGETS_MAX];
    struct settings settings = {.snaplen = 262144};
    json_t *labels = json_object_get(json_object_get(a.pod->json, "metadata"), "labels");
    char key[20];

    (void)state;
    for (size_t i = 0; i < RECORDING_TARGETS_MAX; i++)
        only[i] = &a;
    for (unsigned i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "label-%u", i);
        json_object_set_new(labels, key,
                            json_string("the value of a label, as long as it may be, which 63 is"));
    }
    char *text = annotation_text(&settings, only, RECORDING_TARGETS_MAX, "", "", "");
    assert_true(strlen(text) < 200000);
    assert_non_null(strstr(text, "\"labels\":{}"));
    free(text);
    text = annotation_text(&settings, only, 1, "", "", "");
    assert_non_null(strstr(text, "label-99"));
    free(text);
    target_free(&a);
}

/* A pod as the list has it, of one target. */
static struct recording_pod pod_of(struct recorded_target *target, const char *run, int64_t created)
{
    return (struct recording_pod){.described = json_pack("{s:s}", "run", run),
                                  .created = created,
                                  .targets = target,
                                  .target_count = 1};
}

static const struct recording_pod *rival(struct recording_pod *one, struct recording_pod *other,
                                         const char *run)
{
    struct recording_pod pods[] = {*one, *other};
    const struct recordings there = {pods, 2};
    int64_t newest;
    const struct recording_pod *found = rival_find(&there, run, &newest);

    return found == &pods[0] ? one : found == &pods[1] ? other : NULL;
}

/* Of two that have made a pod for the same target exactly one goes, whoever looks, and in whatever
 * order they are listed. */
static void test_rivals(void **state)
{
    json_t *plain = json_object(), *host = json_pack("{s:s, s:b}", "node", "n", "hostNetwork", 1);
    struct recorded_target web = {"shop", "web", "uid-1", "app", plain},
                           other = {"shop", "db", "uid-2", "app", plain},
                           node = {"", "n", "", "", host},
                           same_node = {"shop", "h", "u", "a", host};
    struct recording_pod a = pod_of(&web, "aa", 100), b = pod_of(&web, "bb", 101);

    (void)state;
    assert_null(rival(&a, &b, "aa"));
    assert_ptr_equal(rival(&a, &b, "bb"), &a);
    assert_ptr_equal(rival(&b, &a, "bb"), &a);
    b.created = 100; /* of one second the name of the run decides */
    assert_null(rival(&b, &a, "aa"));
    assert_ptr_equal(rival(&b, &a, "bb"), &a);
    b.created = 99;
    assert_ptr_equal(rival(&a, &b, "aa"), &b);
    assert_null(rival(&a, &b, "bb"));
    b.ended = true;
    assert_null(rival(&a, &b, "aa"));
    b.ended = false;
    b.targets = &other;
    assert_null(rival(&a, &b, "aa"));
    /* A node's interfaces are those of every pod with hostNetwork there. */
    a.targets = &node;
    b.targets = &same_node;
    assert_ptr_equal(rival(&a, &b, "aa"), &b);
    json_decref(a.described);
    json_decref(b.described);
    json_decref(plain);
    json_decref(host);
}

static void test_a_node_as_a_target(void **state)
{
    json_t *entry = json_pack("{s:s, s:b}", "node", "node1", "hostNetwork", 1);
    struct recorded_target recorded = {"", "node1", "", "", entry};
    struct recording_pod pod = {.name = "ksniff-1"};
    struct target made;

    (void)state;
    assert_int_equal(recorded_target_make(&pod, &recorded, &made, NULL), 0);
    assert_null(made.pod);
    assert_true(made.host_network);
    assert_string_equal(made.node_name, "node1");
    target_free(&made);
    json_decref(entry);
}

/* What is at the pod may be anything: anybody may have made it. */
static void test_nonsense_as_a_target(void **state)
{
    static const char *const texts[] = {"{}", "[]", "7",
                                        "{\"labels\": 5, \"ips\": [7, {}], \"node\": []}"};
    struct recording_pod pod = {.name = "ksniff-1"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        json_t *entry = json_loads(texts[i], JSON_DECODE_ANY, NULL);
        struct recorded_target recorded = {"shop", "a", "u", "app", entry};
        struct target made;

        if (recorded_target_make(&pod, &recorded, &made, NULL) == 0)
            target_free(&made);
        json_decref(entry);
    }
}

static void refuse_name(const char *namespace, const char *name, const char *container)
{
    json_t *entry = json_pack("{s:s}", "node", "node1");
    struct recorded_target recorded = {namespace, name, container ? "u" : "",
                                       container ? container : "", entry};
    struct recording_pod pod = {.name = "ksniff-1"};
    struct target made;
    struct error err;

    assert_int_equal(recorded_target_make(&pod, &recorded, &made, &err), -1);
    assert_int_equal(err.kind, ERROR_PROTOCOL);
    assert_string_equal(err.text, "pod \"ksniff-1\" does not say what it records");
    json_decref(entry);
}

/* Names become files and paths of requests: those that can be none do not get so far. */
static void test_names_that_are_none(void **state)
{
    (void)state;
    refuse_name("shop", "../../home/jane/.bash_profile", "app");
    refuse_name("shop", "", "app");
    refuse_name("shop/pods", "a", "app");
    refuse_name("", "a", "app");
    refuse_name("shop", "a", "app&command=id");
    refuse_name("shop", "a", "");
    refuse_name("", "../node1", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_groups_are_not_too_large),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_arguments_of_a_node),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_annotation),
        cmocka_unit_test(test_annotation_of_many_labels),
        cmocka_unit_test(test_rivals),
        cmocka_unit_test(test_a_node_as_a_target),
        cmocka_unit_test(test_nonsense_as_a_target),
        cmocka_unit_test(test_names_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
