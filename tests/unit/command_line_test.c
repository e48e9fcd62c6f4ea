/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/command_line.h"
#include "base/error.h"

/* The words, with ";" behind each. */
static void cut(const char *text, const char *expected)
{
    char joined[512] = "";
    struct error err = {0};
    char **words;

    if (command_line_split(text, &words, &err) < 0)
        fail_msg("\"%s\": %s", text, err.text);
    for (size_t i = 0; words[i]; i++)
        snprintf(joined + strlen(joined), sizeof(joined) - strlen(joined), "%s;", words[i]);
    assert_string_equal(joined, expected);
    free(words);
}

static void refused(const char *text, const char *expected)
{
    struct error err = {0};
    char **words = NULL;

    if (command_line_split(text, &words, &err) == 0)
        fail_msg("\"%s\" is taken", text);
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_string_equal(err.text, expected);
}

static void test_words(void **state)
{
    (void)state;
    cut("tcpdump", "tcpdump;");
    cut("  tcpdump  -n\t-r - ", "tcpdump;-n;-r;-;");
    cut("a b c d e f", "a;b;c;d;e;f;");
    cut("tshark -Y 'tcp.port == 80 || dns' -r {}", "tshark;-Y;tcp.port == 80 || dns;-r;{};");
    cut("x \"it's\" 'say \"no\"'", "x;it's;say \"no\";");
    cut("x \"a \\\"b\\\" \\\\ \\n\"", "x;a \"b\" \\ \\n;");
    cut("x '' \"\" a'b'\"c\"d", "x;;;abcd;");
    cut("x a\\ b \\| '\\'", "x;a b;|;\\;");
    cut("x $HOME * ~ `a` # b", "x;$HOME;*;~;`a`;#;b;");
    cut("x \\", "x;\\;");
}

static void test_refused(void **state)
{
    (void)state;
    refused("", "\"\" is no command");
    refused(" \t ", "\" \\t \" is no command");
    refused("a 'b", "there is one ' too few, or too many, in \"a 'b\"");
    refused("a \"b\\\"", "there is one \" too few, or too many, in \"a \"b\\\"\"");
    refused("tcpdump -r - | less",
            "\"|\" in \"tcpdump -r - | less\" means something to a shell only");
    refused("cat >x", "\">\" in \"cat >x\" means something to a shell only");
    refused("cat & ", "\"&\" in \"cat & \" means something to a shell only");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words),
                                       cmocka_unit_test(test_refused)};

    return cmocka_run_group_tests_name("command_line", tests, NULL, NULL);
}
