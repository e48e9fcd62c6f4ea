/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked and how the answers are read. */
#include "tests/unit/unit.h"

#include <stdbool.h>

#include "kube/access.h"

/* The JSON of a recording: of the request (what >  stands before), or of its answer. Owned by the
 * caller. */
static json_t *recorded(const char *name, bool request)
{
    static char text[1 << 16], body[1 << 16];
    char path[512], *save = NULL;
    size_t used = 0;

    snprintf(path, sizeof(path), "%s/kubernetes-api/%s", TEST_DATA, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    if (!request)
        return json_loads(strstr(text, "<\n{") + 2, JSON_DISABLE_EOF_CHECK, NULL);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (used > 0 || strcmp(line, "> {") == 0)
            used += (size_t)snprintf(body + used, sizeof(body) - used, "%s\n", line + 2);
        if (strcmp(line, "> }") == 0)
            break;
    }
    return json_loads(body, 0, NULL);
}

static void test_review(void **state)
{
    static const struct kube_right exec = {"create", "pods", "exec", NULL};
    static const struct kube_right pods = {"get", "pods", NULL, "web"};
    json_t *review = kube_access_review("lab", &exec), *wanted = recorded("can-i.http", true);

    (void)state;
    assert_non_null(wanted);
    assert_true(json_equal(review, wanted));
    json_decref(review);
    json_decref(wanted);
    review = kube_access_review("lab", &pods);
    assert_null(json_object_get(
        json_object_get(json_object_get(review, "spec"), "resourceAttributes"), "subresource"));
    assert_string_equal(
        json_string_value(json_object_get(
            json_object_get(json_object_get(review, "spec"), "resourceAttributes"), "name")),
        "web");
    json_decref(review);
}

static void test_recorded_answers(void **state)
{
    json_t *yes = recorded("can-i.http", false), *no = recorded("can-i-not.http", false);

    (void)state;
    assert_int_equal(kube_access_read(yes), KUBE_ACCESS_ALLOWED);
    assert_int_equal(kube_access_read(no), KUBE_ACCESS_DENIED);
    json_decref(yes);
    json_decref(no);
}

static void test_answers_that_are_none(void **state)
{
    static const char *const texts[] = {"{}",
                                        "[]",
                                        "{\"status\":{}}",
                                        "{\"status\":true}",
                                        "{\"status\":{\"allowed\":\"true\"}}",
                                        "{\"status\":{\"allowed\":1}}",
                                        "{\"status\":{\"allowed\":null}}"};

    (void)state;
    assert_int_equal(kube_access_read(NULL), KUBE_ACCESS_UNKNOWN);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        json_t *json = json_loads(texts[i], 0, NULL);

        assert_int_equal(kube_access_read(json), KUBE_ACCESS_UNKNOWN);
        json_decref(json);
    }
}

static void test_text(void **state)
{
    char text[40];

    (void)state;
    assert_string_equal(
        kube_right_text(text, sizeof(text), &(struct kube_right){"create", "pods", "exec", NULL}),
        "create pods/exec");
    assert_string_equal(kube_right_text(text, sizeof(text),
                                        &(struct kube_right){"patch", "configmaps", NULL, NULL}),
                        "patch configmaps");
    assert_string_equal(kube_right_text(text, 5, &(struct kube_right){"get", "pods", NULL, NULL}),
                        "get ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_review),
        cmocka_unit_test(test_recorded_answers),
        cmocka_unit_test(test_answers_that_are_none),
        cmocka_unit_test(test_text),
    };

    return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
