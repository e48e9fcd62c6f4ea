/* SPDX-License-Identifier: Apache-2.0 */
/* One agent's clock, by the answers to questions. */
#include "tests/unit/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "method/clock.h"

#define MS   1000000
#define S    (INT64_C(1000) * MS)
#define ZERO UINT64_C(1700000000000000000)

static struct clock clock_;

static int begin(void **state)
{
    (void)state;
    clock_ = (struct clock){0};
    return 0;
}

static bool say(uint64_t id, const char *time, uint64_t now)
{
    char line[100];

    snprintf(line, sizeof(line), "clock %" PRIu64 " %s", id, time);
    return clock_answered(&clock_, line, now);
}

/* A question @asked after ZERO, which takes @there and @back; the agent's clock is @ahead. */
static void ask(uint64_t asked, int64_t ahead, uint64_t there, uint64_t back)
{
    uint32_t id = clock_asked(&clock_, ZERO + asked);
    char time[30];

    snprintf(time, sizeof(time), "%" PRIu64, (uint64_t)(ZERO + asked + there + (uint64_t)ahead));
    assert_true(say(id, time, ZERO + asked + there + back));
}

static void is(int64_t offset, int64_t bound)
{
    assert_true(clock_.valid);
    assert_true(llabs(clock_.offset - offset) <= 1);
    assert_true(llabs(clock_.bound - bound) <= 1);
}

static void test_nothing_is_known_before_an_answer(void **state)
{
    (void)state;
    assert_false(clock_.valid);
    clock_asked(&clock_, ZERO);
    assert_false(clock_.valid);
}

/* The true offset is within the bound, however the two ways differ. */
static void test_half_of_the_round_trip(void **state)
{
    const int64_t errors[] = {0, 50 * MS, -50 * MS, -3600ll * S, 3600ll * S};

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        begin(NULL);
        ask(0, errors[i], 4 * MS, 4 * MS);
        is(errors[i], 4 * MS);
        begin(NULL);
        ask(0, errors[i], 8 * MS, 0);
        is(errors[i] + 4 * MS, 4 * MS);
        begin(NULL);
        ask(0, errors[i], 0, 8 * MS);
        is(errors[i] - 4 * MS, 4 * MS);
    }
    assert_int_equal(clock_.answers, 1);
}

static void test_the_fastest_counts(void **state)
{
    (void)state;
    ask(0, 7 * MS, 9 * MS, MS);
    is(7 * MS + 4 * MS, 5 * MS);
    ask(30 * MS, 7 * MS, MS, MS);
    is(7 * MS, MS);
    ask(60 * MS, 7 * MS, MS, 20 * MS);
    is(7 * MS, MS + 4900); /* the drift of 49 ms */
    assert_int_equal(clock_.answers, 3);
}

/* A fast one that is old gives way to slower ones that are new; in the end it is forgotten. */
static void test_ageing(void **state)
{
    (void)state;
    ask(0, 0, MS, MS);
    ask(15 * S, 0, 2 * MS, 4 * MS);
    is(0, MS + 1500400);
    ask(30 * S, 0, 2 * MS, 4 * MS);
    is(-1 * MS, 3 * MS);
    ask(45 * S, 2 * MS, 3 * MS, 3 * MS);
    is(2 * MS, 3 * MS);
    ask(300 * S, 0, 500ull * MS, 500ull * MS);
    is(0, 500 * MS);
    assert_int_equal(clock_.count, 1);
}

/* A clock that was put right, whoever's: what was known is forgotten with the first answer. */
static void test_a_step(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 8; i++)
        ask(i * 30 * MS, 500 * MS, MS, MS);
    is(500 * MS, MS);
    ask(15 * S, 2 * MS, 30 * MS, 30 * MS);
    is(2 * MS, 30 * MS);
    assert_int_equal(clock_.count, 1);
    ask(16 * S, 2 * MS, MS, MS);
    is(2 * MS, MS);
}

/* It drifts by what clocks drift, and by what a time server slews: the estimate follows. */
static void test_a_clock_that_drifts(void **state)
{
    (void)state;
    for (uint64_t t = 0; t < 1000; t += 5) {
        int64_t ahead = (int64_t)t * S / 20000; /* 50 microseconds a second */

        ask(t * S, ahead, MS, MS);
        assert_true(llabs(clock_.offset - ahead) <= clock_.bound);
        assert_in_range(clock_.bound, MS, 2 * MS);
    }
    assert_int_equal(clock_.count, CLOCK_SAMPLES);
}

/* Lost, late, doubled, out of order, and never asked for. */
static void test_answers_belong_to_questions(void **state)
{
    uint32_t ids[CLOCK_ASKED + 1];
    char time[30];

    (void)state;
    snprintf(time, sizeof(time), "%" PRIu64, ZERO);
    for (size_t i = 0; i < CLOCK_ASKED + 1; i++)
        ids[i] = clock_asked(&clock_, ZERO + i * MS);
    assert_true(say(ids[0], time, ZERO + 20 * MS)); /* given up */
    assert_true(say(ids[CLOCK_ASKED] + 1, time, ZERO + 20 * MS));
    assert_true(say(0, time, ZERO + 20 * MS));
    assert_true(say(ids[2], time, ZERO)); /* before it was asked */
    assert_false(clock_.valid);
    assert_true(say(ids[5], time, ZERO + 7 * MS));
    is(-6 * MS, MS);
    assert_true(say(ids[5], time, ZERO + 6 * MS)); /* again */
    assert_int_equal(clock_.answers, 1);
    assert_true(say(ids[4], time, ZERO + 20 * MS));
    assert_int_equal(clock_.answers, 2);
    clock_restarted(&clock_);
    assert_true(say(ids[6], time, ZERO + 20 * MS)); /* the agent before was asked that */
    assert_int_equal(clock_.answers, 2);
    is(-6 * MS, MS + 1300);
}

/* Nonsense of a container's changes nothing, and is no message for a person. */
static void test_nonsense(void **state)
{
    static const char *const times[] = {"",
                                        " ",
                                        "-1",
                                        "+5",
                                        "0x10",
                                        "1700000000000000000x",
                                        "1 ",
                                        " 1",
                                        "1.5",
                                        "nan",
                                        "4611686018427387904",
                                        "9223372036854775808",
                                        "18446744073709551616",
                                        "99999999999999999999999999999999999999"};
    static const char *const lines[] = {
        "clock ",    "clock 1",    "clock 1 ",           "clock  1 5",
        "clock x 5", "clock -1 5", "clock 4294967297 5", "clock 1\t5"};

    (void)state;
    clock_asked(&clock_, ZERO);
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        assert_true(say(1, times[i], ZERO + MS));
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_true(clock_answered(&clock_, lines[i], ZERO + MS));
    assert_false(clock_.valid);
    assert_false(clock_answered(&clock_, "clocks are not what this is about", ZERO));
    assert_false(clock_answered(&clock_, "stopped: 5 packets, 0 dropped", ZERO));
    assert_false(clock_answered(&clock_, "", ZERO));
}

/* The extremes are numbers to reckon with; from one to the other nothing overflows. */
static void test_extremes(void **state)
{
    static const char *const times[] = {"0", "4611686018427387903", "0", "1700000000000000000"};

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        uint32_t id = clock_asked(&clock_, ZERO + i * S);

        assert_true(say(id, times[i], ZERO + i * S + i));
        assert_true(clock_.valid);
        assert_int_equal(clock_.count, 1); /* each a step */
    }
    is(-3 * S, 2);
    uint32_t id = clock_asked(&clock_, UINT64_MAX - 1);
    assert_true(say(id, "5", UINT64_MAX));
    assert_int_equal(clock_.answers, 4);
    clock_.last_id = UINT32_MAX;
    assert_int_equal(clock_asked(&clock_, ZERO), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_nothing_is_known_before_an_answer, begin),
        cmocka_unit_test_setup(test_half_of_the_round_trip, begin),
        cmocka_unit_test_setup(test_the_fastest_counts, begin),
        cmocka_unit_test_setup(test_ageing, begin),
        cmocka_unit_test_setup(test_a_step, begin),
        cmocka_unit_test_setup(test_a_clock_that_drifts, begin),
        cmocka_unit_test_setup(test_answers_belong_to_questions, begin),
        cmocka_unit_test_setup(test_nonsense, begin),
        cmocka_unit_test_setup(test_extremes, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
