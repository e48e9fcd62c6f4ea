/* SPDX-License-Identifier: Apache-2.0 */
/* Another filter among what else comes on the agent's standard input. */
#include "tests/unit/unit.h"

#include "agent/program.h"

#define TAKE_ALL "BgAAAAAABAA" /* ret #262144 */

static struct refilter refilter; /* too large for a stack */

/* What each byte of @text is: '.' not ours, '-' taken, '!' whole, '?' wrong */
static const char *answers(const char *text)
{
    static const char signs[] = {[REFILTER_NOT_OURS] = '.',
                                 [REFILTER_TAKEN] = '-',
                                 [REFILTER_WHOLE] = '!',
                                 [REFILTER_WRONG] = '?'};
    static char out[400];
    size_t i;

    for (i = 0; text[i]; i++)
        out[i] = signs[refilter_byte(&refilter, text[i])];
    out[i] = '\0';
    return out;
}

static void takes_a_line_and_nothing_else(void **state)
{
    (void)state;
    assert_string_equal(answers("\nc12\n"), ".....");
    assert_string_equal(answers("f:" TAKE_ALL "\n\nq"), "-------------!..");
    assert_int_equal(refilter.program.length, 1);
    assert_int_equal(refilter.program.insns[0].code, 6);
    assert_int_equal(refilter.program.insns[0].k, 262144);
    assert_false(refilter.vlan || refilter.ethernet_only);
}

static void knows_the_flags(void **state)
{
    (void)state;
    assert_string_equal(answers("fVE:" TAKE_ALL "\n"), "---------------!");
    assert_true(refilter.vlan && refilter.ethernet_only);
    assert_string_equal(answers("fE:" TAKE_ALL "\n"), "--------------!");
    assert_true(!refilter.vlan && refilter.ethernet_only);
}

static void no_program_is_no_filter(void **state)
{
    (void)state;
    assert_string_equal(answers("f:\n"), "--!");
    assert_int_equal(refilter.program.length, 0);
}

/* What would be a stop or a question elsewhere is part of the line; the next line is another. */
static void what_is_no_program_ends_with_its_line(void **state)
{
    static const char *const wrong[] = {
        "f\n", "fX:" TAKE_ALL "\n", "f:BgAA\n", "f:qc1q\n", "f:**\n", "f:B\n", "f:" TAKE_ALL ":\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const char *got = answers(wrong[i]);

        assert_int_equal(strspn(got, "-"), strlen(wrong[i]) - 1);
        assert_string_equal(got + strlen(wrong[i]) - 1, "?");
        assert_string_equal(answers("f:" TAKE_ALL "\n"), "-------------!");
    }
}

/* A jump behind the end: the kernel would refuse it, and so does the agent. */
static void a_program_that_may_not_be_run_is_refused(void **state)
{
    (void)state;
    assert_int_equal(strlen(answers("f:FQAJCQAAAAAGAAAAAAAEAA\n")), 25);
    assert_string_equal(answers("f:FQAJCQAAAAAGAAAAAAAEAA\n") + 24, "?");
}

static void more_than_there_is_room_for_is_refused(void **state)
{
    (void)state;
    assert_string_equal(answers("f:"), "--");
    for (size_t i = 0; i < 4 * (AGENT_BPF_INSNS_MAX + 8) * sizeof(struct agent_bpf_insn) / 3; i++)
        assert_int_equal(refilter_byte(&refilter, 'A'), REFILTER_TAKEN);
    assert_string_equal(answers("\n"), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_line_and_nothing_else),
        cmocka_unit_test(knows_the_flags),
        cmocka_unit_test(no_program_is_no_filter),
        cmocka_unit_test(what_is_no_program_ends_with_its_line),
        cmocka_unit_test(a_program_that_may_not_be_run_is_refused),
        cmocka_unit_test(more_than_there_is_room_for_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
