/* SPDX-License-Identifier: Apache-2.0 */
/* The command lines of the recorder's `fetch` and `status`. */
#include "tests/unit/unit.h"

#include "agent/fetch_options.h"
#include "common/agent.h"

static struct fetch_options options;

#define PARSE(...)  parse(fetch_options_parse, (char *const[]){__VA_ARGS__, NULL})
#define STATUS(...) parse(fetch_options_parse_status, (char *const[]){__VA_ARGS__, NULL})

static int parse(int (*function)(int, char *const[], struct fetch_options *), char *const argv[])
{
    int argc = 0;

    while (argv[argc])
        argc++;
    memset(&options, 0, sizeof(options));
    return function(argc, argv, &options);
}

static void test_defaults_and_values(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-d", "/ring", "-t", "0"), 0);
    assert_string_equal(options.directory, "/ring");
    assert_int_equal(options.target, 0);
    assert_int_equal(options.since, 0);
    assert_true(options.until == UINT64_MAX);
    assert_int_equal(options.silence, AGENT_SILENCE_SECONDS);
    assert_false(options.has_from || options.filtered || options.live ||
                 options.sieve.ethernet_only);

    assert_int_equal(PARSE("-L", "-t", "63", "-a", "9999999999", "-B", "1700000000123456789", "-U",
                           "9999999999999999999", "-S", "7", "-d", "-t", "-E", "-V"),
                     0);
    assert_string_equal(options.directory, "-t"); /* a value is a value */
    assert_int_equal(options.target, 63);
    assert_true(options.has_from && options.live && options.sieve.ethernet_only);
    assert_int_equal(options.from, 9999999999);
    assert_true(options.since == 1700000000123456789ull);
    assert_true(options.until == 9999999999999999999ull);
    assert_int_equal(options.silence, 7);
    assert_false(options.filtered);

    /* ret #1000 */
    assert_int_equal(PARSE("-d", "x", "-t", "0", "-F", "BgAAAOgDAAA"), 0);
    assert_true(options.filtered);
    assert_int_equal(options.sieve.program.length, 1);
    assert_int_equal(options.sieve.program.insns[0].k, 1000);

    assert_int_equal(STATUS("-d", "/ring"), 0);
    assert_string_equal(options.directory, "/ring");
}

static void test_what_is_refused(void **state)
{
    static char *const values[][2] = {
        {"-t", "64"},
        {"-t", "x"},
        {"-t", ""},
        {"-t", "-1"},
        {"-t", "18446744073709551616"},
        {"-a", "10000000000"},
        {"-a", "1x"},
        {"-B", "10000000000000000000"},
        {"-B", "now"},
        {"-S", "0"},
        {"-S", "3601"},
        {"-F", ""},
        {"-F", "BgAAAOgD"},
        {"-F", "!"},
        {"-F", "BQAAAP____8"}, /* a jump out of it */
        {"-i", "eth0"},
        {"-u", "/etc/passwd"},
        {"--", "x"},
        {"-", "x"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        if (PARSE("-d", "x", "-t", "0", values[i][0], values[i][1]) == 0)
            fail_msg("%s %s is taken", values[i][0], values[i][1]);
    assert_int_equal(PARSE("-d", "x"), -1);
    assert_int_equal(PARSE("-t", "0"), -1);
    assert_int_equal(PARSE("-t", "0", "-d"), -1);
    assert_int_equal(STATUS("-d", "x", "-t", "0"), -1);
    assert_int_equal(STATUS("-d", "x", "-L"), -1);
    assert_int_equal(parse(fetch_options_parse_status, (char *const[]){NULL}), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_and_values),
        cmocka_unit_test(test_what_is_refused),
    };

    return cmocka_run_group_tests_name("agent_fetch_options", tests, NULL, NULL);
}
