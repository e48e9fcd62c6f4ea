/* SPDX-License-Identifier: Apache-2.0 */
#include "recording/state.h"

#include "tests/unit/unit.h"

static int read_text(const char *text, struct recording_state *ret_state)
{
    return recording_state_read(text, strlen(text), ret_state);
}

static void test_all_of_it(void **state)
{
    struct recording_state read;

    (void)state;
    assert_int_equal(read_text("recording 1\n"
                               "state triggered\n"
                               "since 1000\n"
                               "trigger 5000 1\n"
                               "target 0 recording 1100 4900 3 42 9000 7\n"
                               "target 1 waiting 0 0 0 0 0 0\n"
                               "complaint no space left\n",
                               &read),
                     0);
    assert_int_equal(read.condition, RECORDING_TRIGGERED);
    assert_int_equal(read.since, 1000);
    assert_int_equal(read.trigger, 5000);
    assert_int_equal(read.trigger_target, 1);
    assert_int_equal(read.targets[0].condition, RECORDING_RUNS);
    assert_int_equal(read.targets[0].oldest, 1100);
    assert_int_equal(read.targets[0].newest, 4900);
    assert_int_equal(read.targets[0].segments, 3);
    assert_int_equal(read.targets[0].packets, 42);
    assert_int_equal(read.targets[0].bytes, 9000);
    assert_int_equal(read.targets[0].dropped, 7);
    assert_int_equal(read.targets[1].condition, RECORDING_WAITING);
    assert_int_equal(read.targets[2].condition, RECORDING_UNKNOWN);
    assert_string_equal(read.complaint, "no space left");
}

static void test_unknown_lines_and_words_are_skipped(void **state)
{
    struct recording_state read;

    (void)state;
    assert_int_equal(read_text("recording 1 and more\nweather fine\nstate frozen since noon\n\n"
                               "target 3 frozen 1 2 3 4 5 6 7 8\n",
                               &read),
                     0);
    assert_int_equal(read.condition, RECORDING_FROZEN);
    assert_int_equal(read.targets[3].dropped, 6);
}

static void test_what_is_none(void **state)
{
    static const char *const texts[] = {
        "",
        "\n",
        "recording\n",
        "recording 2\nstate recording\n",
        "record 1\nstate recording\n",
        "recording 1\n",
        "recording 1\nstate asleep\n",
        "recording 1\nstate recording\nsince now\n",
        "recording 1\nstate recording\nsince\n",
        "recording 1\nstate recording\nsince 99999999999999999999999\n",
        "recording 1\nstate recording\ntarget 64 recording 1 2 3 4 5 6\n",
        "recording 1\nstate recording\ntarget 0 recording 1 2 3 4 5\n",
        "recording 1\nstate recording\ntarget -1 recording 1 2 3 4 5 6\n",
        "recording 1\nstate recording\ntrigger 1 64\n",
    };
    struct recording_state read = {.since = 77};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(read_text(texts[i], &read), -1);
        assert_int_equal(read.since, 77);
    }
}

static void test_long_complaint_is_cut(void **state)
{
    struct recording_state read;
    char text[1000] = "recording 1\nstate recording\ncomplaint ";

    (void)state;
    memset(text + strlen(text), 'x', 900);
    assert_int_equal(recording_state_read(text, sizeof(text), &read), 0);
    assert_int_equal(strlen(read.complaint), sizeof(read.complaint) - 1);
}

/* Output that has been cut off may still read well. */
static void test_is_it_whole(void **state)
{
    static const char text[] = "recording 1\nstate recording\nsince 5\n";
    const size_t length = sizeof(text) - 1;

    (void)state;
    assert_true(recording_state_is_whole(text, length));
    for (size_t i = 0; i < length; i++)
        assert_int_equal(recording_state_is_whole(text, i),
                         i == strlen("recording 1\nstate recording\n"));
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(recording_condition_name(RECORDING_UNKNOWN), "unknown");
    assert_string_equal(recording_condition_name(RECORDING_FROZEN), "frozen");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_it),
        cmocka_unit_test(test_unknown_lines_and_words_are_skipped),
        cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_long_complaint_is_cut),
        cmocka_unit_test(test_is_it_whole),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
