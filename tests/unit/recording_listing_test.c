/* SPDX-License-Identifier: Apache-2.0 */
#include "recording/listing.h"

#include "tests/unit/unit.h"

#include "recording/recordings.h"

#define NOW    1796000000
#define SECOND 1000000000ull

static struct recorded_target targets[][2] = {
    {{.namespace = "shop", .name = "web-1", .uid = "u1", .container = "app"},
     {.namespace = "shop", .name = "web-2", .uid = "u2", .container = "app"}},
    {{.namespace = "", .name = "node2", .uid = "", .container = ""}}};

/* Two nodes of "shop", and "old", which is over. */
static struct recording_pod pods[] = {
    {.namespace = "shop",
     .name = "ksniff-1",
     .recording = "old",
     .node = "node1",
     .ended = true,
     .why = "Evicted: Usage of EmptyDir\n",
     .started = NOW - 100000},
    {.namespace = "shop",
     .name = "ksniff-2",
     .recording = "shop",
     .node = "node1",
     .runs = true,
     .targets = targets[0],
     .target_count = 2,
     .started = NOW - 7500,
     .ends = NOW + 80000,
     .state = {.condition = RECORDING_RUNS,
               .targets = {{RECORDING_RUNS, (NOW - 600) * SECOND, NOW *SECOND, 3, 40, 9000, 1},
                           {RECORDING_RUNS, (NOW - 900) * SECOND + 5, (NOW - 5) * SECOND, 2, 2,
                            1000, 2}}}},
    {.namespace = "shop",
     .name = "ksniff-3",
     .recording = "shop",
     .node = "node2",
     .runs = true,
     .targets = targets[1],
     .target_count = 1,
     .started = NOW - 60,
     .ends = NOW + 86000,
     .state = {.condition = RECORDING_RUNS,
               .complaint = "no space\x1b[31m",
               .targets = {{RECORDING_RUNS, 0, 0, 0, 0, 0, 0}}}},
};

static const struct recordings all = {pods, 3};

/* Return: owned by the caller. */
static char *table(const struct recordings *recordings, bool namespaces)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    listing_print(file, recordings, NOW, namespaces);
    fclose(file);
    return text;
}

static void test_table(void **state)
{
    char *text = table(&all, false);

    (void)state;
    assert_string_equal(text, "NAME   TARGETS                    NODES          SINCE   OLDEST   "
                              "SIZE      PACKETS   DROPPED   "
                              "STATE       ENDS IN\n"
                              "old    -                          node1          1d3h    -        - "
                              "        -         -         "
                              "ended       -\n"
                              "shop   web-1, web-2, node/node2   node1, node2   2h5m    15m      "
                              "10.0 kB   42        3         "
                              "recording   23h53m\n"
                              "old on node1: ended: Evicted: Usage of EmptyDir\\n\n"
                              "shop on node2: recording: no space\\x1b[31m\n");
    free(text);
    text = table(&all, true);
    assert_memory_equal(text, "NAMESPACE   NAME   TARGETS", 26);
    free(text);
}

static void test_states(void **state)
{
    struct recording_pod pod = pods[1];
    struct recording_pod two[] = {pods[1], pods[2]};
    const struct recordings one = {&pod, 1}, both = {two, 2};

    (void)state;
    static const struct {
        enum recording_condition condition, target;
        bool runs;
        const char *says;
    } cases[] = {{RECORDING_RUNS, RECORDING_WAITING, true, "   waiting   "},
                 {RECORDING_FROZEN, RECORDING_FROZEN, true, "   frozen   "},
                 {RECORDING_TRIGGERED, RECORDING_RUNS, true, "   triggered   "},
                 {RECORDING_UNKNOWN, RECORDING_UNKNOWN, true, "   unknown   "},
                 {RECORDING_UNKNOWN, RECORDING_UNKNOWN, false, "   starting   "}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pod.state.condition = cases[i].condition;
        pod.state.targets[1].condition = cases[i].target;
        pod.runs = cases[i].runs;
        char *text = table(&one, false);
        if (!strstr(text, cases[i].says))
            fail_msg("%s: %s", cases[i].says, text);
        free(text);
    }
    two[1].state.condition = RECORDING_FROZEN;
    char *text = table(&both, false);
    assert_non_null(strstr(text, "   mixed   "));
    free(text);
}

/* What has frozen it, and when. */
static void test_what_has_frozen_it(void **state)
{
    struct recording_pod two[] = {pods[1], pods[2]};
    const struct recordings both = {two, 2};

    (void)state;
    two[0].state.condition = two[1].state.condition = RECORDING_FROZEN;
    two[0].state.trigger = NOW * SECOND + 999;
    two[0].state.trigger_target = 1;
    char *text = table(&both, false);
    assert_non_null(strstr(text, "\nshop on node1: frozen: by a packet of web-2 at "
                                 "2026-11-30T00:53:20Z\nshop on node2: frozen: no space"));
    free(text);
    /* A target that is not described is none. */
    two[0].state.trigger_target = 2;
    text = table(&both, false);
    assert_null(strstr(text, "by a packet"));
    free(text);
}

/* Which pods have no network: it may be that they are gone. */
static void test_who_is_waited_for(void **state)
{
    struct recording_pod pod = pods[1];
    const struct recordings one = {&pod, 1};

    (void)state;
    pod.state.targets[1].condition = RECORDING_WAITING;
    strcpy(pod.state.complaint, "no process of container 9820 or pod d391 among 21 processes");
    char *text = table(&one, false);
    assert_non_null(strstr(text, "\nshop on node1: waiting: no network at the moment, or gone: "
                                 "web-2\nshop on node1: waiting: no process of container "));
    free(text);
    pod.state.targets[1].condition = RECORDING_RUNS;
    text = table(&one, false);
    assert_null(strstr(text, "or gone"));
    free(text);
}

/* Many names are cut, and counted. */
static void test_many_targets(void **state)
{
    struct recorded_target many[20];
    struct recording_pod pod = pods[1];
    const struct recordings one = {&pod, 1};

    (void)state;
    for (size_t i = 0; i < 20; i++)
        many[i] = (struct recorded_target){.name = "a-name-of-a-pod", .uid = "u"};
    pod.targets = many;
    pod.target_count = 20;
    char *text = table(&one, false);
    assert_non_null(strstr(text, "a-name-of-a-pod, a-name-of-a-pod and 18 more   "));
    free(text);
}

static const char *text_at(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_is_null(value) ? "null" : json_string_value(value);
}

static void test_json(void **state)
{
    json_t *list = listing_json(&all);
    const json_t *old = json_array_get(list, 0), *shop = json_array_get(list, 1);
    const json_t *first = json_array_get(json_object_get(shop, "pods"), 0);
    const json_t *target = json_array_get(json_object_get(first, "targets"), 1);

    (void)state;
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(text_at(old, "state"), "ended");
    assert_string_equal(text_at(old, "oldest"), "null");
    assert_true(json_is_null(json_object_get(old, "packets")));
    assert_string_equal(text_at(json_array_get(json_object_get(old, "pods"), 0), "reason"),
                        "Evicted: Usage of EmptyDir\\n");
    assert_string_equal(text_at(shop, "name"), "shop");
    assert_string_equal(text_at(shop, "namespace"), "shop");
    assert_string_equal(text_at(shop, "state"), "recording");
    assert_int_equal(json_integer_value(json_object_get(shop, "packets")), 42);
    assert_int_equal(json_integer_value(json_object_get(shop, "bytes")), 10000);
    assert_int_equal(json_integer_value(json_object_get(shop, "dropped")), 3);
    assert_string_equal(text_at(shop, "oldest"), "2026-11-30T00:38:20.000000005Z");
    assert_string_equal(text_at(shop, "newest"), "2026-11-30T00:53:20.000000000Z");
    assert_string_equal(text_at(shop, "ends"), "2026-12-01T00:46:40Z");
    assert_string_equal(text_at(target, "name"), "web-2");
    assert_int_equal(json_integer_value(json_object_get(target, "segments")), 2);
    assert_true(json_is_null(json_object_get(first, "trigger")));
    json_decref(list);
}

static void test_trigger(void **state)
{
    struct recording_pod pod = pods[1];
    const struct recordings one = {&pod, 1};

    (void)state;
    pod.state.condition = RECORDING_FROZEN;
    pod.state.trigger = NOW * SECOND + 7;
    pod.state.trigger_target = 1;
    json_t *list = listing_json(&one);
    const json_t *said = json_object_get(
        json_array_get(json_object_get(json_array_get(list, 0), "pods"), 0), "trigger");
    assert_string_equal(text_at(said, "name"), "web-2");
    assert_string_equal(text_at(said, "time"), "2026-11-30T00:53:20.000000007Z");
    json_decref(list);
    /* A number that no target has. */
    pod.state.trigger_target = 63;
    list = listing_json(&one);
    json_decref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),        cmocka_unit_test(test_who_is_waited_for),
        cmocka_unit_test(test_states),       cmocka_unit_test(test_what_has_frozen_it),
        cmocka_unit_test(test_many_targets), cmocka_unit_test(test_json),
        cmocka_unit_test(test_trigger),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
