/* SPDX-License-Identifier: Apache-2.0 */
#include "method/secret.h"

#include "tests/unit/unit.h"

#include "base/error.h"
#include "common/agent.h"

static void test_each_is_another(void **state)
{
    struct secret one, other;
    struct error err;

    (void)state;
    assert_int_equal(secret_make(&one, &err), 0);
    assert_int_equal(secret_make(&other, &err), 0);
    assert_string_not_equal(one.line, other.line);
    assert_string_not_equal(one.hash, other.hash);
    assert_int_equal(strlen(one.line), 65);
    assert_true(strlen(one.line) - 1 <= AGENT_SECRET_MAX);
    assert_int_equal(one.line[64], '\n');
    assert_int_equal(strspn(one.hash, "0123456789abcdef"), 64);
}

/* By sha256sum(1): the hash is that of the line without its end. */
static void test_hash(void **state)
{
    struct secret secret;
    struct error err;
    char command[200], said[65] = "";

    (void)state;
    assert_int_equal(secret_make(&secret, &err), 0);
    snprintf(command, sizeof(command), "printf %%s '%.64s' | sha256sum", secret.line);
    FILE *tool = popen(command, "r");
    assert_non_null(tool);
    assert_int_equal(fread(said, 1, 64, tool), 64);
    pclose(tool);
    assert_string_equal(secret.hash, said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_is_another),
                                       cmocka_unit_test(test_hash)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
