/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "capture/slew.h"

#define MS 1000000

static void test_before_anything_was_given_out_a_correction_holds_at_once(void **state)
{
    struct slew slew = {0};

    (void)state;
    assert_int_equal(slew_time(&slew, 1000), 1000);
    slew_set(&slew, 500);
    assert_int_equal(slew_time(&slew, 1000), 1500);
    slew_set(&slew, -300);
    assert_int_equal(slew_time(&slew, 1000), 700);
}

static void test_a_larger_one_holds_at_once(void **state)
{
    struct slew slew = {0};

    (void)state;
    slew_set(&slew, 100 * MS);
    slew_given(&slew, 1000 * MS);
    slew_set(&slew, 150 * MS);
    assert_int_equal(slew_time(&slew, 1000 * MS), 1150 * MS);
}

static void test_a_smaller_one_is_reached_at_half_speed(void **state)
{
    struct slew slew = {0};

    (void)state;
    slew_set(&slew, 100 * MS);
    slew_given(&slew, 1000 * MS);
    slew_set(&slew, 60 * MS);
    assert_int_equal(slew_time(&slew, 1000 * MS), 1100 * MS);
    assert_int_equal(slew_time(&slew, 1040 * MS), 1120 * MS);
    assert_int_equal(slew_time(&slew, 1080 * MS), 1140 * MS);
    assert_int_equal(slew_time(&slew, 2000 * MS), 2060 * MS);
    /* A little out of order: as it was. */
    assert_int_equal(slew_time(&slew, 990 * MS), 1090 * MS);
}

static void test_time_never_runs_backwards(void **state)
{
    struct slew slew = {0};
    uint64_t time = 1000 * MS, last = 0;
    unsigned seed = 3;

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        if (rand_r(&seed) % 50 == 0)
            slew_set(&slew, (int64_t)(rand_r(&seed) % (200 * MS)) - 100 * MS);
        time += (uint64_t)rand_r(&seed) % MS;
        assert_true(slew_time(&slew, time) >= last);
        last = slew_time(&slew, time);
        slew_given(&slew, time);
    }
    slew_set(&slew, 5);
    assert_int_equal(slew_time(&slew, time + 1000ull * MS), time + 1000ull * MS + 5);
}

static void test_absurd_times_stay_within_what_a_time_can_be(void **state)
{
    struct slew slew = {0};

    (void)state;
    assert_int_equal(slew_add(5, -6), 0);
    assert_int_equal(slew_add(5, INT64_MIN), 0);
    assert_int_equal(slew_add(UINT64_MAX - 5, 6), UINT64_MAX);
    slew_set(&slew, INT64_MAX);
    slew_given(&slew, UINT64_MAX);
    slew_set(&slew, INT64_MIN);
    assert_int_equal(slew_time(&slew, UINT64_MAX), UINT64_MAX);
    assert_true(slew_time(&slew, 0) <= slew_time(&slew, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_anything_was_given_out_a_correction_holds_at_once),
        cmocka_unit_test(test_a_larger_one_holds_at_once),
        cmocka_unit_test(test_a_smaller_one_is_reached_at_half_speed),
        cmocka_unit_test(test_time_never_runs_backwards),
        cmocka_unit_test(test_absurd_times_stay_within_what_a_time_can_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
