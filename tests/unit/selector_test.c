/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "target/selector.h"

static void test_well_formed(void **state)
{
    static const char *const texts[] = {
        "app",
        "!app",
        "! app",
        "app=web",
        "app==web",
        "app = web",
        "app!=web",
        "app=",
        "app=web,tier!=db",
        " app=web , tier ",
        "app in (web)",
        "app in (web, api ,)",
        "app notin (web),x",
        "app in(web)",
        "app.kubernetes.io/name=web",
        "bin/tcpdump",
        "in=1",
        "level>3",
        "level < 10",
        "a_b.c-D=E_f.9",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size_t length;
        const char *fault = selector_fault(texts[i], &length);

        if (fault)
            fail_msg("\"%s\": \"%.*s\"", texts[i], (int)length, fault);
    }
}

static void test_faults(void **state)
{
    static const struct {
        const char *text, *fault;
    } faults[] = {
        {"", ""},
        {"app=web,", ""},
        {",app", ""},
        {"./missing", "./missing"},
        {"/usr/sbin/tcpdump", "/usr/sbin/tcpdump"},
        {"../tcpdump", "../tcpdump"},
        {"a/b/c", "a/b/c"},
        {"app=web, ti er", "ti er"},
        {"app=we b", "app=we b"},
        {"app=-web", "app=-web"},
        {"-app", "-app"},
        {"app=!web", "app=!web"},
        {"app!web", "app!web"},
        {"app in web", "app in web"},
        {"app in (web", "app in (web"},
        {"app in (a b)", "app in (a b)"},
        {"app notin", "app notin"},
        {"level>high", "level>high"},
        {"level>=3", "level>=3"},
        {"a b===", "a b==="},
        {"App_X/y=z", "App_X/y=z"},
        {"=web", "=web"},
        {"!", "!"},
        {"app=web;tier=db", "app=web;tier=db"},
    };
    char large[80];

    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        size_t length;
        const char *fault = selector_fault(faults[i].text, &length);

        if (!fault || strlen(faults[i].fault) != length ||
            strncmp(fault, faults[i].fault, length) != 0)
            fail_msg("\"%s\": \"%.*s\"", faults[i].text, fault ? (int)length : 0, fault);
    }
    memset(large, 'a', 64);
    large[64] = '\0';
    size_t length;
    assert_non_null(selector_fault(large, &length));
    large[63] = '\0';
    assert_null(selector_fault(large, &length));
}

static void test_bare_keys(void **state)
{
    (void)state;
    assert_true(selector_is_bare_key("bin/tcpdump") && selector_is_bare_key("app"));
    assert_false(selector_is_bare_key("app=x") || selector_is_bare_key("!app") ||
                 selector_is_bare_key(""));
}

static void written(const char *json, const char *expected)
{
    json_t *selector = json_loads(json, JSON_DECODE_ANY, NULL);
    char *text = selector_of_object(selector);
    size_t length;

    assert_non_null(selector);
    if (expected) {
        assert_non_null(text);
        assert_string_equal(text, expected);
        assert_null(selector_fault(text, &length));
    } else {
        assert_null(text);
    }
    free(text);
    json_decref(selector);
}

static void test_of_objects(void **state)
{
    (void)state;
    written("{\"matchLabels\":{\"app\":\"shop\",\"pod-template-hash\":\"57f\"}}",
            "app=shop,pod-template-hash=57f");
    written("{\"app\":\"shop\"}", "app=shop"); /* a Service's */
    written("{\"app\":\"\"}", "app=");
    written("{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\",\"values\":[\"x\",\"y\"]},"
            "{\"key\":\"b\",\"operator\":\"NotIn\",\"values\":[\"z\"]},"
            "{\"key\":\"c\",\"operator\":\"Exists\"},"
            "{\"key\":\"d\",\"operator\":\"DoesNotExist\"}],\"matchLabels\":{\"e\":\"f\"}}",
            "e=f,a in (x,y),b notin (z),c,!d");
    /* None of them may become a selector of every pod, or of other ones. */
    written("null", NULL);
    written("{}", NULL);
    written("{\"matchLabels\":{}}", NULL);
    written("{\"matchLabels\":{\"app\":5}}", NULL);
    written("{\"app\":\"a,b\"}", NULL);
    written("{\"app=x,y\":\"b\"}", NULL);
    written("{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Near\",\"values\":[\"x\"]}]}",
            NULL);
    written("{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\",\"values\":[]}]}", NULL);
    written("{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\"}]}", NULL);
    written("{\"matchExpressions\":[5]}", NULL);
    written("[1]", NULL);
}

static void test_labels(void **state)
{
    static const char text[] = "x in (a=b, c), app = web,tier!=db,,z==9";
    const char *key, *value;
    size_t at = 0, key_length, value_length;

    (void)state;
    assert_true(selector_label(text, &at, &key, &key_length, &value, &value_length));
    assert_memory_equal(key, "app", key_length);
    assert_memory_equal(value, "web", value_length);
    assert_true(selector_label(text, &at, &key, &key_length, &value, &value_length));
    assert_memory_equal(key, "z", key_length);
    assert_memory_equal(value, "9", value_length);
    assert_false(selector_label(text, &at, &key, &key_length, &value, &value_length));
}

static void test_noise(void **state)
{
    static const char letters[] = "ab=!<>(), in/.-";

    (void)state;
    srand(6);
    for (int round = 0; round < 20000; round++) {
        char text[40];
        size_t length = (size_t)rand() % sizeof(text), fault_length = 0, at = 0, a, b;
        const char *key, *value;

        for (size_t i = 0; i < length; i++)
            text[i] = rand() % 8 ? letters[(size_t)rand() % (sizeof(letters) - 1)]
                                 : (char)(1 + rand() % 255);
        text[length ? length - 1 : 0] = '\0';
        const char *fault = selector_fault(text, &fault_length);
        if (fault)
            assert_true(fault >= text && fault + fault_length <= text + strlen(text));
        while (selector_label(text, &at, &key, &a, &value, &b))
            assert_true(key + a <= text + strlen(text) && value + b <= text + strlen(text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_well_formed), cmocka_unit_test(test_faults),
        cmocka_unit_test(test_bare_keys),   cmocka_unit_test(test_of_objects),
        cmocka_unit_test(test_labels),      cmocka_unit_test(test_noise),
    };

    return cmocka_run_group_tests_name("selector", tests, NULL, NULL);
}
