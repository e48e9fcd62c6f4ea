/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/error.h"
#include "base/text.h"

static void escapes(const char *in, const char *expected)
{
    char out[128];

    text_escape(out, sizeof(out), in, strlen(in));
    assert_string_equal(out, expected);
}

static void test_escape(void **state)
{
    (void)state;
    escapes("plain text, \"quoted\"", "plain text, \"quoted\"");
    escapes("caf\xc3\xa9 \xe2\x82\xac", "caf\xc3\xa9 \xe2\x82\xac");
    escapes("a\nb\rc\td", "a\\nb\\rc\\td");
    escapes("\x1b[2J\x07", "\\x1b[2J\\x07");
    escapes("\x7f", "\\x7f");
    escapes("\xc2\x9b", "\\u{9b}"); /* C1: another way to write ESC [ */
    escapes("\xe2\x80\xae"
            "x",
            "\\u{202e}x");                               /* right-to-left override */
    escapes("\xc0\xaf\xff", "\\xc0\\xaf\\xff");          /* overlong, never UTF-8 */
    escapes("\xed\xa0\x80", "\\xed\\xa0\\x80");          /* a surrogate */
    escapes("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* above U+10FFFF */
    escapes("\xe2\x82", "\\xe2\\x82");                   /* cut short */
}

static void test_escape_cuts_at_whole_characters(void **state)
{
    char out[6];

    (void)state;
    assert_int_equal(text_escape(out, sizeof(out), "abcd\x1b", 5), 4);
    assert_string_equal(out, "abcd");
    assert_int_equal(text_escape(out, sizeof(out), "abcd\xc3\xa9", 6), 4);
    assert_int_equal(text_escape(out, 1, "abc", 3), 0);
    assert_string_equal(out, "");
}

static void test_base64(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
        {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xfb\xff", "+/8="}};
    size_t length;

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char *text = text_base64_encode(pairs[i][0], strlen(pairs[i][0]), false);
        assert_string_equal(text, pairs[i][1]);
        unsigned char *back = text_base64_decode(text, strlen(text), &length);
        assert_int_equal(length, strlen(pairs[i][0]));
        assert_memory_equal(back, pairs[i][0], length);
        free(back);
        free(text);
    }
    char *url = text_base64_encode("\xfb\xff", 2, true);
    assert_string_equal(url, "-_8");
    free(url);
    unsigned char *wrapped = text_base64_decode("Zm9v\nYg==\n", 10, &length);
    assert_int_equal(length, 4);
    free(wrapped);
    assert_null(text_base64_decode("Zg=v", 4, &length));
    assert_null(text_base64_decode("Z", 1, &length));
    assert_null(text_base64_decode("Zg===", 5, &length));
    assert_null(text_base64_decode("Z!==", 4, &length));
}

static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(text_distance("container", "container"), 0);
    assert_int_equal(text_distance("contaner", "container"), 1);
    assert_int_equal(text_distance("cotnainer", "container"), 1); /* two letters swapped */
    assert_int_equal(text_distance("", "abc"), 3);
    assert_int_equal(text_distance("kitten", "sitting"), 3);
}

static void test_parse_size(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"0", 0},           {"262144", 262144}, {"32Mi", 32u << 20}, {"32MiB", 32u << 20},
                {"10M", 10u << 20}, {"64k", 65536},     {"1.5K", 1536},      {"2GB", 2000000000},
                {"1kB", 1000},      {"7B", 7}};
    static const char *const bad[] = {"",     "-1",  "x",         "1x", "1.5",
                                      "0x10", "1e9", "99999999T", " 1", "1 M"};
    uint64_t bytes;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(text_parse_size(good[i].text, &bytes), 0);
        assert_int_equal(bytes, good[i].bytes);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(text_parse_size(bad[i], &bytes), -1);
}

static void test_parse_duration(void **state)
{
    static const struct {
        const char *text;
        uint64_t milliseconds;
    } good[] = {{"5s", 5000},  {"1m30s", 90000}, {"250ms", 250}, {"1.5h", 5400000},
                {"10", 10000}, {"0", 0},         {"1us", 1},     {"2h0.5s", 7200500}};
    static const char *const bad[] = {"",   "s",    "-5s",  "5x",        "5s3",
                                      "1d", "0x5s", "1e3s", "999999999h"};
    uint64_t milliseconds;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(text_parse_duration(good[i].text, &milliseconds), 0);
        assert_int_equal(milliseconds, good[i].milliseconds);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(text_parse_duration(bad[i], &milliseconds), -1);
}

static void test_format_bytes(void **state)
{
    char out[32];

    (void)state;
    assert_string_equal(text_format_bytes(out, sizeof(out), 999), "999 B");
    assert_string_equal(text_format_bytes(out, sizeof(out), 1000), "1.0 kB");
    assert_string_equal(text_format_bytes(out, sizeof(out), 999960), "1.0 MB");
    assert_string_equal(text_format_bytes(out, sizeof(out), 12345678901), "12.3 GB");
}

static void test_error_is_safe_to_print(void **state)
{
    struct error err;

    (void)state;
    assert_int_equal(error_set(&err, ERROR_TARGET, "no container \"%s\"", "a\x1b[31m\nb"), -1);
    assert_string_equal(err.text, "no container \"a\\x1b[31m\\nb\"");
    assert_string_equal(err.remedy, "");
    error_remedy(&err, "try %s", "\x07");
    assert_string_equal(err.remedy, "try \\x07");
    error_prefix(&err, "pod \"%s\"", "web");
    assert_string_equal(err.text, "pod \"web\": no container \"a\\x1b[31m\\nb\"");
    assert_int_equal(err.kind, ERROR_TARGET);
    char long_text[4000];
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    error_set(&err, ERROR_SERVER, "%s", long_text);
    error_prefix(&err, "%s", long_text);
    assert_true(strlen(err.text) < sizeof(err.text));
    assert_int_equal(error_set(NULL, ERROR_SERVER, "x"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escape),       cmocka_unit_test(test_escape_cuts_at_whole_characters),
        cmocka_unit_test(test_base64),       cmocka_unit_test(test_distance),
        cmocka_unit_test(test_parse_size),   cmocka_unit_test(test_parse_duration),
        cmocka_unit_test(test_format_bytes), cmocka_unit_test(test_error_is_safe_to_print),
    };

    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
