/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/keep.h"

#include "tests/unit/unit.h"

static void keeps(const char *text, uint64_t bytes, uint64_t seconds)
{
    uint64_t read_bytes = 1, read_seconds = 2;

    if (keep_parse(text, &read_bytes, &read_seconds) < 0)
        fail_msg("%s is refused", text);
    assert_int_equal(read_bytes, bytes);
    assert_int_equal(read_seconds, seconds);
}

static void test_what_is_kept(void **state)
{
    (void)state;
    keeps("2G,1h", 2ull << 30, 3600);
    keeps("1h,2G", 2ull << 30, 3600);
    keeps("2G", 2ull << 30, 2);
    keeps("512MiB", 512u << 20, 2);
    keeps("1h", 1, 3600);
    keeps("1h30m", 1, 5400);
    keeps("2d", 1, 2 * 86400);
    keeps("30m,100M", 100u << 20, 1800);
}

static void test_what_is_none(void **state)
{
    static const char *const texts[] = {
        "",      ",",     "2G,",     ",1h",     "1000",
        "2G,3G", "1h,2h", "2G,1h,3", "G",       "h",
        "-1G",   "1h 2G", "1x",      "0h",      "500ms",
        "0G",    "2G;1h", "1.5d",    "123456d", "2222222222222222222222222222222222222G"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint64_t bytes = 1, seconds = 2;

        if (keep_parse(texts[i], &bytes, &seconds) == 0)
            fail_msg("\"%s\" is taken", texts[i]);
        assert_int_equal(bytes, 1);
        assert_int_equal(seconds, 2);
    }
}

static void test_times(void **state)
{
    uint64_t seconds = 0;

    (void)state;
    assert_int_equal(keep_parse_time("7d", &seconds), 0);
    assert_int_equal(seconds, RECORD_FOR_MAX);
    assert_int_equal(keep_parse_time("1m30s", &seconds), 0);
    assert_int_equal(seconds, 90);
    assert_int_equal(keep_parse_time("90", &seconds), -1);
    assert_int_equal(keep_parse_time("", &seconds), -1);
    assert_int_equal(keep_parse_time("d", &seconds), -1);
}

static void test_how_it_is_written(void **state)
{
    char text[KEEP_TEXT_SIZE];

    (void)state;
    assert_string_equal(keep_format(text, 2ull << 30), "2G");
    assert_string_equal(keep_format(text, 1104ull << 20), "1104M");
    assert_string_equal(keep_format(text, (8u << 20) + 1), "9M");
    assert_string_equal(keep_format(text, 0), "0M");
    assert_string_equal(keep_format(text, UINT64_MAX), "17592186044416M");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_kept),
        cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_how_it_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
