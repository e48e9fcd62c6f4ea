/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a ring as text, and what a recorder that is started again takes of it. */
#include "tests/unit/unit.h"

#include "agent/state.h"

static char text[STATE_TEXT + 1];

static const char *written(const struct ring_state *state)
{
    text[state_write(state, text)] = '\0';
    return text;
}

static struct ring_state read_back(const char *from)
{
    struct ring_state state = {0};

    state_read(from, strlen(from), &state);
    return state;
}

static void test_text(void **data)
{
    static struct ring_state state = {
        .state = STATE_TRIGGERED,
        .since = 5,
        .trigger = 7,
        .trigger_target = 1,
        .count = 2,
        .targets = {{STATE_RECORDING, 11, 12, 13, 14, 15, 16}, {.state = STATE_WAITING}},
        .complaint = "no room",
    };

    (void)data;
    assert_string_equal(written(&state), "recording 1\nstate triggered\nsince 5\ntrigger 7 1\n"
                                         "target 0 recording 11 12 13 14 15 16\n"
                                         "target 1 waiting 0 0 0 0 0 0\ncomplaint no room\n");
    const struct ring_state again = read_back(text);
    assert_int_equal(again.state, STATE_TRIGGERED);
    assert_int_equal(again.since, 5);
    assert_int_equal(again.trigger, 7);
    assert_int_equal(again.trigger_target, 1);
    assert_int_equal(again.targets[0].newest, 12);
    assert_int_equal(again.targets[0].dropped, 16);
}

static void test_the_longest_fits(void **data)
{
    static struct ring_state state;

    (void)data;
    state = (struct ring_state){.state = STATE_FROZEN,
                                .since = UINT64_MAX,
                                .trigger = UINT64_MAX,
                                .trigger_target = UINT64_MAX,
                                .count = RECORDING_TARGETS_MAX};
    for (size_t i = 0; i < state.count; i++)
        state.targets[i] =
            (struct state_target){STATE_RECORDING, UINT64_MAX, UINT64_MAX, UINT64_MAX,
                                  UINT64_MAX,      UINT64_MAX, UINT64_MAX};
    memset(state.complaint, 'x', sizeof(state.complaint) - 1);
    assert_true(state_write(&state, text) < STATE_TEXT);
    assert_int_equal(read_back(written(&state)).targets[63].dropped, UINT64_MAX);
}

/* Half of it, nonsense, words of later versions: what is understood is taken. */
static void test_other_texts(void **data)
{
    (void)data;
    assert_int_equal(read_back("state frozen\n").state, STATE_FROZEN);
    assert_int_equal(read_back("state frozen").state, STATE_RECORDING); /* not whole */
    assert_int_equal(read_back("state frozenly\n").state, STATE_RECORDING);
    assert_int_equal(read_back("state frozen deep\nnew line\nsince 9 more\n").since, 9);
    assert_int_equal(read_back("target 64 recording 1 2 3 4 5 6\n").targets[0].newest, 0);
    assert_int_equal(read_back("target 1 recording 1 2\n").targets[1].newest, 2);
    assert_int_equal(read_back("\n\ntarget\nsince\nsince x\n").since, 0);
    assert_int_equal(read_back("").since, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_the_longest_fits),
        cmocka_unit_test(test_other_texts),
    };

    return cmocka_run_group_tests_name("agent_state", tests, NULL, NULL);
}
