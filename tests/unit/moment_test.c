/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "settings/moment.h"

#define NOW 1790000000123456789ull

static uint64_t moment(const char *text)
{
    uint64_t result = 1;

    if (moment_parse(text, NOW, &result) < 0)
        fail_msg("'%s' is not taken", text);
    return result;
}

static void test_back_from_now(void **state)
{
    (void)state;
    assert_true(moment("10m") == NOW - 600000000000ull);
    assert_true(moment("1h30m") == NOW - 5400000000000ull);
    assert_true(moment("500ms") == NOW - 500000000ull);
    assert_true(moment("7") == NOW - 7000000000ull);
    assert_true(moment("0") == NOW);
}

static void test_times(void **state)
{
    (void)state;
    assert_true(moment("2026-11-29T03:15:00Z") == 1795922100000000000ull);
    assert_true(moment("2026-11-29T03:15:00.5Z") == 1795922100500000000ull);
    assert_true(moment("2026-11-29T04:15:00.000000001+01:00") == 1795922100000000001ull);
    assert_true(moment("2026-11-29T03:15:00.1234567899Z") == 1795922100123456789ull);
    assert_true(moment("1970-01-01T00:00:00Z") == 0);
}

static void test_neither(void **state)
{
    static const char *const texts[] = {"",
                                        "yesterday",
                                        "10 m",
                                        "-5m",
                                        "2026-11-29",
                                        "2026-11-29T03:15:00",
                                        "1969-12-31T23:59:59Z",
                                        "9999-01-01T00:00:00Z",
                                        "999999999h",
                                        "2026-13-29T03:15:00Z"};
    uint64_t result;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (moment_parse(texts[i], NOW, &result) == 0)
            fail_msg("'%s' is taken", texts[i]);
}

static void test_which_kind_it_is(void **state)
{
    (void)state;
    assert_true(moment_is_back("10m") && moment_is_back("0"));
    assert_false(moment_is_back("2026-11-29T03:15:00Z") || moment_is_back("yesterday"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_back_from_now),
        cmocka_unit_test(test_which_kind_it_is),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_neither),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
