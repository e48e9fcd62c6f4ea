/* SPDX-License-Identifier: Apache-2.0 */
/* Questions for the clock among what else comes on the agent's standard input. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/question.h"

/* The IDs that are to be answered, each with a blank behind it. */
static const char *asked(const char *bytes, size_t length)
{
    static char out[4096];
    struct question question = {0};

    out[0] = '\0';
    for (size_t i = 0; i < length; i++) {
        const char *id = question_byte(&question, bytes[i]);

        if (id)
            strcat(strcat(out, id), " ");
    }
    return out;
}

static void test_questions(void **state)
{
    static const char *const cases[][2] = {
        {"c7\n", "7 "},
        {"c1\nc2\n\nc3\n", "1 2 3 "},
        {"c4294967295\n", "4294967295 "},
        {"c9999999999\n", "9999999999 "},
        {"c0\n", "0 "},
        {"\n\nc12\nq\n", "12 "},
        {"cc5\n", "5 "},
        {"c6c5\n", "5 "}, /* one that was cut short */
        {"c", ""},
        {"c\n", ""},
        {"c12", ""},
        {"c12q\n", ""},
        {"c12 \n", ""},
        {"c-1\n", ""},
        {"7\n", ""},
        {"c99999999999\n", ""},
        {"c99999999999\nc1\n", "1 "},
        {"c1\r\nc2\n", "2 "},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(asked(cases[i][0], strlen(cases[i][0])), cases[i][1]);
    assert_string_equal(asked("c5\0\nc6\n", 7), "6 ");
}

/* Any bytes: what is answered is digits, and not too many. */
static void test_any_bytes(void **state)
{
    static const char some[] = "c0123456789\nq\n\0\xff";
    struct question question = {0};
    unsigned answered = 0;

    (void)state;
    srand(1);
    for (int i = 0; i < 1000000; i++) {
        const char *id = question_byte(&question, some[(size_t)rand() % sizeof(some)]);

        if (!id)
            continue;
        answered++;
        assert_in_range(strlen(id), 1, AGENT_CLOCK_DIGITS);
        assert_int_equal(strspn(id, "0123456789"), strlen(id));
    }
    assert_in_range(answered, 1000, 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_questions),
        cmocka_unit_test(test_any_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
