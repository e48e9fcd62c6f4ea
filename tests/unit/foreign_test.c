/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "kube/foreign.h"

static void test_words(void **state)
{
    static const struct {
        const char *body, *words;
    } cases[] = {
        {"", ""},
        {"Forbidden\n", "Forbidden"},
        {"\r\n\r\n first \t line\r\nsecond", "first line"},
        /* nginx */
        {"<html>\r\n<head><title>403 Forbidden</title></head>\r\n<body>\r\n<center><h1>403 "
         "Forbidden</h1></center>\r\n<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n",
         "403 Forbidden"},
        {"<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<HTML><HEAD>\n<TITLE lang=en>\n"
         "Access\n denied</TITLE>",
         "Access denied"},
        {"<html><title> </title><style>p { a: b }</style><script>if (1 < 2) {}</script><!-- <p>no "
         "</p> --><p>Blocked by <b>policy</b> 7 &amp; &quot;8&quot;</p>",
         "Blocked by policy 7 & \"8\""},
        {"<p>not ended", "not ended"},
        {"<title>not ended", "not ended"},
        {"<p", ""},
        {"<script>never ended", ""},
        {"<!-- never ended", ""},
        {"{\"message\":\"no Route matched\"}", "no Route matched"},
        {"{\"error\":{\"code\":403,\"message\":\"denied\"}}", "denied"},
        {"{\"error\":\"access_denied\",\"error_description\":\"not you\"}", "not you"},
        {"{\"code\":1}", ""},
        {"[\"a\"]", ""},
        {"{\"message\":\"cut", ""},
        {"a & b &c; <d>", "a & b &c; <d>"},
    };
    char out[200];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(
            kube_foreign_words(out, sizeof(out), cases[i].body, strlen(cases[i].body)),
            cases[i].words);
    assert_string_equal(kube_foreign_words(out, sizeof(out), NULL, 0), "");
    assert_string_equal(kube_foreign_words(out, sizeof(out), "a\0b", 3), "a");
}

/* Whatever the length, no more than there is room for, and no half of a character. */
static void test_words_are_cut(void **state)
{
    static const char text[] = "a\u00e4\u20acbc";
    static const char *const cut[] = {
        "", "a", "a", "a\u00e4", "a\u00e4", "a\u00e4", "a\u00e4\u20ac", "a\u00e4\u20acb"};
    char out[20];

    (void)state;
    for (size_t size = 1; size <= sizeof(cut) / sizeof(cut[0]); size++)
        assert_string_equal(kube_foreign_words(out, size, text, strlen(text)), cut[size - 1]);
}

/* The body of what was given in two parts; @whole: is it all? */
static const char *body_of(const char *head, const char *raw, bool *ret_whole)
{
    static char text[64];
    CLEANUP(buf_free) struct buf body;

    buf_init(&body, sizeof(text) - 1);
    *ret_whole = kube_foreign_body(head, raw, strlen(raw), &body);
    snprintf(text, sizeof(text), "%.*s", (int)body.length,
             body.length ? (const char *)buf_bytes(&body) : "");
    return text;
}

static void test_bodies(void **state)
{
#define HEAD    "HTTP/1.1 403 Forbidden\r\nServer: x\r\n"
#define CHUNKED HEAD "transfer-encoding: chunked\r\n\r\n"
    static const struct {
        const char *head, *raw, *body;
        bool whole;
    } cases[] = {
        {HEAD "Content-Length: 5\r\n\r\n", "abcde", "abcde", true},
        {HEAD "content-length:0\r\n\r\n", "", "", true},
        {HEAD "Content-Length: 5\r\n\r\n", "abc", "abc", false},
        {HEAD "\r\n", "abc", "abc", false},
        {CHUNKED, "5\r\nabcde\r\n0\r\n\r\n", "abcde", true},
        {CHUNKED, "5;x=y\r\nabcde\r\nA\r\n0123456789\r\n0\r\n\r\n", "abcde0123456789", true},
        {CHUNKED, "", "", false},
        {CHUNKED, "5", "", false},
        {CHUNKED, "5\r\nab", "ab", false},
        {CHUNKED, "5\r\nabcde\r", "abcde", false},
        {CHUNKED, "5\r\nabcde\r\n", "abcde", false},
        {CHUNKED, "x\r\nabc", "", true},
        {CHUNKED, "ffffffffffffffffffffffff\r\nabc", "abc", false},
        {CHUNKED, "ffffffffffffffff\r\nabc", "abc", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool whole;

        assert_string_equal(body_of(cases[i].head, cases[i].raw, &whole), cases[i].body);
        assert_int_equal(whole, cases[i].whole);
    }
    /* No more than there is room for. */
    char much[200] = "";
    bool whole;
    memset(much, 'a', sizeof(much) - 1);
    assert_int_equal(strlen(body_of(HEAD "\r\n", much, &whole)), 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_words_are_cut),
        cmocka_unit_test(test_bodies),
    };

    return cmocka_run_group_tests_name("foreign", tests, NULL, NULL);
}
