/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <jansson.h>

#include "base/error.h"
#include "method/report.h"
#include "target/target.h"
#include "kube/pod.h"

#define COLUMNS 100

static const struct method_report three[] = {
    {.name = "upload",
     .verdict = PREFLIGHT_IMPOSSIBLE,
     .obstacles = {{"container \"app\" runs as user 1000, who cannot have NET_RAW",
                    "whoever deploys the pod: its securityContext"},
                   {"needs: create pods/exec in namespace \"shop\"", ""}},
     .count = 2},
    {.name = "node", .verdict = PREFLIGHT_POSSIBLE},
    {.name = "ephemeral", .verdict = PREFLIGHT_MAYBE},
};

/* What a table looks like. Owned by the caller. */
static char *table_of(const struct method_report *reports, size_t count)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    assert_non_null(file);
    report_print(file, reports, count);
    fclose(file);
    return text;
}

static json_t *json_of(const struct target *target, const struct method_report *reports,
                       size_t count)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    assert_non_null(file);
    json_t *report = report_json(target, reports, count);
    report_print_json(file, report);
    json_decref(report);
    fclose(file);
    assert_true(size > 0 && text[size - 1] == '\n');
    json_t *json = json_loads(text, 0, NULL);
    if (!json)
        fail_msg("not JSON: %s", text);
    free(text);
    return json;
}

static void test_table(void **state)
{
    char *text = table_of(three, 3);

    (void)state;
    assert_string_equal(text,
                        "upload     impossible  container \"app\" runs as user 1000, who cannot "
                        "have NET_RAW\n"
                        "                       -> whoever deploys the pod: its securityContext\n"
                        "                       needs: create pods/exec in namespace \"shop\"\n"
                        "node       possible\n"
                        "ephemeral  maybe       not all is known: the attempt decides\n");
    free(text);
}

/* Those who could change several things in a row are named once. */
static void test_same_people(void **state)
{
    const struct method_report report = {
        .name = "node",
        .verdict = PREFLIGHT_IMPOSSIBLE,
        .obstacles = {{"one", "a"}, {"two", "a"}, {"three", "b"}, {"four", ""}, {"five", ""}},
        .count = 5,
    };
    char *text = table_of(&report, 1);

    (void)state;
    assert_string_equal(text, "node       impossible  one\n"
                              "                       two\n"
                              "                       -> a\n"
                              "                       three\n"
                              "                       -> b\n"
                              "                       four\n"
                              "                       five\n");
    free(text);
}

/* No line is longer than a terminal is wide, and none ends in blanks. */
static void check_lines(const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");

        if (length > COLUMNS)
            fail_msg("%zu columns: %.*s", length, (int)length, text);
        assert_true(length > 0 && text[length - 1] != ' ');
        assert_int_equal(text[length], '\n');
        text += length + 1;
    }
}

static void test_long_texts(void **state)
{
    struct method_report report = {.name = "node", .verdict = PREFLIGHT_IMPOSSIBLE};
    struct error err = {0};
    char words[900] = "";

    (void)state;
    for (size_t i = 0; i < 100; i++)
        snprintf(words + 8 * i, sizeof(words) - 8 * i, "word%03zu ", i);
    error_set(&err, ERROR_FORBIDDEN, "%s", words);
    error_remedy(&err, "%s", words);
    report_add_failure(&report, &err);
    char *text = table_of(&report, 1);
    assert_non_null(strstr(text, "node       failed      word000 word001 "));
    assert_non_null(strstr(text, "                       -> word000 word001 "));
    check_lines(text);
    free(text);
}

/* Columns are of characters, not of bytes. */
static void test_other_scripts(void **state)
{
    struct method_report report = {.name = "node", .verdict = PREFLIGHT_IMPOSSIBLE, .count = 1};
    char *what = report.obstacles[0].what;
    char *text;

    (void)state;
    for (size_t i = 0; i < 10; i++)
        strcat(what, i ? " \xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
                       : "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4");
    text = table_of(&report, 1);
    size_t length = strcspn(text, "\n");
    assert_int_equal(length, 23 + 9 * 14 + 8); /* nine words, and the blanks between them */
    assert_string_equal(text + length + 1,
                        "                       "
                        "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\n");
    free(text);
}

static void test_long_words(void **state)
{
    struct method_report report = {.name = "node", .verdict = PREFLIGHT_IMPOSSIBLE, .count = 1};
    char *text;

    (void)state;
    memset(report.obstacles[0].what, 'x', 200);
    memcpy(report.obstacles[0].what + 20, " ", 1);
    text = table_of(&report, 1);
    /* A word that fits nowhere has a line of its own, whole. */
    assert_non_null(strstr(text, "impossible  xxxxxxxxxxxxxxxxxxxx\n                       xxxx"));
    free(text);
}

static void test_failures(void **state)
{
    struct method_report report = {.name = "upload", .verdict = PREFLIGHT_MAYBE};
    struct error err = {0};

    (void)state;
    error_set(&err, ERROR_TARGET, "container \"app\" has neither a shell nor tar");
    error_remedy(&err, "capture from the node instead with -p");
    report_add_failure(&report, &err);
    assert_int_equal(report.verdict, PREFLIGHT_IMPOSSIBLE);
    assert_int_equal(report.count, 1);
    assert_string_equal(report.obstacles[0].what, "container \"app\" has neither a shell nor tar");
    assert_string_equal(report.obstacles[0].who, "capture from the node instead with -p");
    char *text = table_of(&report, 1);
    assert_string_equal(text, "upload     failed      container \"app\" has neither a shell nor "
                              "tar\n"
                              "                       -> capture from the node instead with -p\n");
    free(text);
    for (size_t i = 0; i < 2 * REPORT_OBSTACLES_MAX; i++) {
        error_set(&err, ERROR_TARGET, "%zu", i + 2);
        report_add_failure(&report, &err);
    }
    assert_int_equal(report.count, REPORT_OBSTACLES_MAX);
    assert_string_equal(report.obstacles[REPORT_OBSTACLES_MAX - 1].what, "10");
}

/* Texts that are cut are cut at a whole character: they would be no JSON otherwise. */
static void test_cut_characters(void **state)
{
    const struct target target = {.namespace = "", .name = "node1", .node_name = "node1"};

    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        struct method_report report = {.name = "upload", .verdict = PREFLIGHT_POSSIBLE};
        struct error err = {0};
        char text[1000];

        memset(text, 'x', shift);
        for (size_t i = shift; i + 4 < sizeof(text); i += 4)
            memcpy(text + i, "\xf0\x9f\x8c\x8d", 5);
        error_set(&err, ERROR_TARGET, "%s", text);
        error_remedy(&err, "%s", text);
        report_add_failure(&report, &err);
        json_t *json = json_of(&target, &report, 1);
        const json_t *methods = json_object_get(json, "methods");
        assert_int_equal(json_array_size(json_object_get(json_array_get(methods, 0), "obstacles")),
                         1);
        json_decref(json);
    }
}

/* What a server or a container says reaches no terminal as it is. */
static void test_hostile_text(void **state)
{
    const struct target target = {.namespace = "", .name = "node1", .node_name = "node1"};
    struct method_report report = {.name = "upload", .verdict = PREFLIGHT_POSSIBLE};
    struct error err = {0};
    char *text = NULL;
    size_t size;

    (void)state;
    error_set(&err, ERROR_TARGET, "\x1b[2J\"\n%s", "\xc3\xa4 \xff%s\"}");
    error_remedy(&err, "%s", "\r\x07");
    report_add_failure(&report, &err);
    text = table_of(&report, 1);
    assert_string_equal(text, "upload     failed      \\x1b[2J\"\\n\xc3\xa4 \\xff%s\"}\n"
                              "                       -> \\r\\x07\n");
    free(text);

    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    json_t *json = report_json(&target, &report, 1);
    report_print_json(file, json);
    json_decref(json);
    fclose(file);
    for (size_t i = 0; i < size; i++)
        assert_true((text[i] >= ' ' && text[i] < '\x7f') || text[i] == '\n');
    assert_non_null(strstr(text, "\"\\\\x1b[2J\\\"\\\\n\\u00E4 \\\\xff%s\\\"}\""));
    free(text);
}

static void test_works(void **state)
{
    (void)state;
    assert_true(report_works(three, 3));
    assert_false(report_works(three, 1));
    assert_true(report_works(three + 2, 1));
    assert_false(report_works(three, 0));
}

static void test_json(void **state)
{
    json_t *pod_json = json_loads("{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\"},"
                                  "\"spec\":{\"nodeName\":\"node1\",\"containers\":[{\"name\":"
                                  "\"app\"}]}}",
                                  0, NULL);
    struct target target = {.namespace = "shop", .name = "web", .node_name = "node1"};
    struct error err;

    (void)state;
    assert_int_equal(kube_pod_read(pod_json, &target.pod, &err), 0);
    json_decref(pod_json);
    target.container = &target.pod->containers[0];
    json_t *json = json_of(&target, three, 3);
    json_t *wanted = json_loads(
        "{\"namespace\":\"shop\",\"pod\":\"web\",\"container\":\"app\",\"node\":\"node1\","
        "\"works\":true,\"methods\":["
        "{\"name\":\"upload\",\"verdict\":\"impossible\",\"obstacles\":["
        "{\"what\":\"container \\\"app\\\" runs as user 1000, who cannot have NET_RAW\","
        "\"who\":\"whoever deploys the pod: its securityContext\"},"
        "{\"what\":\"needs: create pods/exec in namespace \\\"shop\\\"\",\"who\":\"\"}]},"
        "{\"name\":\"node\",\"verdict\":\"possible\",\"obstacles\":[]},"
        "{\"name\":\"ephemeral\",\"verdict\":\"maybe\",\"obstacles\":[]}]}",
        0, NULL);
    assert_non_null(wanted);
    assert_true(json_equal(json, wanted));
    json_decref(json);
    json_decref(wanted);
    target_free(&target);
}

static void test_json_of_a_node(void **state)
{
    const struct target target = {.namespace = "", .name = "node1", .node_name = "node1"};
    json_t *json = json_of(&target, three, 1);

    (void)state;
    assert_true(json_is_null(json_object_get(json, "namespace")));
    assert_true(json_is_null(json_object_get(json, "pod")));
    assert_true(json_is_null(json_object_get(json, "container")));
    assert_string_equal(json_string_value(json_object_get(json, "node")), "node1");
    assert_true(json_is_false(json_object_get(json, "works")));
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),          cmocka_unit_test(test_same_people),
        cmocka_unit_test(test_long_texts),     cmocka_unit_test(test_long_words),
        cmocka_unit_test(test_failures),       cmocka_unit_test(test_cut_characters),
        cmocka_unit_test(test_hostile_text),   cmocka_unit_test(test_other_scripts),
        cmocka_unit_test(test_works),          cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_of_a_node),
    };

    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
