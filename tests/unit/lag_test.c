/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "capture/lag.h"

#define SECOND 1000000000ull

static void test_the_last_seconds_are_remembered(void **state)
{
    struct lag lag = {0};

    (void)state;
    assert_false(lag_range(&lag).known);
    lag_add(&lag, 100 * SECOND, 50);
    lag_add(&lag, 101 * SECOND, -20);
    lag_add(&lag, 102 * SECOND, 90);
    assert_int_equal(lag_range(&lag).least, -20);
    assert_int_equal(lag_range(&lag).most, 90);
    lag_add(&lag, 105 * SECOND, 30);
    assert_int_equal(lag_range(&lag).least, -20);
    assert_int_equal(lag_range(&lag).most, 90);
    lag_add(&lag, 110 * SECOND, 40);
    assert_int_equal(lag_range(&lag).least, 30);
    assert_int_equal(lag_range(&lag).most, 40);
    lag_add(&lag, 200 * SECOND, 7);
    assert_int_equal(lag_range(&lag).least, 7);
    assert_int_equal(lag_range(&lag).most, 7);
}

static void test_the_difference_of_any_two_times(void **state)
{
    (void)state;
    assert_int_equal(lag_between(7, 5), 2);
    assert_int_equal(lag_between(5, 7), -2);
    assert_true(lag_between(UINT64_MAX, 0) == INT64_MAX / 4);
    assert_true(lag_between(0, UINT64_MAX) == -(INT64_MAX / 4));
}

static void test_where_most_of_them_lie(void **state)
{
    int64_t most[] = {500, -70, 510, 520, 90};
    int64_t alone[] = {500, -70, 90};
    int64_t pairs[] = {-300, -310, 200, 210};

    (void)state;
    assert_int_equal(lag_of_most(most, 5, 20), 500);
    assert_int_equal(lag_of_most(most, 5, 19), 500);
    assert_int_equal(lag_of_most(alone, 3, 20), -70);
    assert_int_equal(lag_of_most(pairs, 4, 20), 200);
    assert_int_equal(lag_of_most(pairs, 1, 20), -310);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_seconds_are_remembered),
        cmocka_unit_test(test_the_difference_of_any_two_times),
        cmocka_unit_test(test_where_most_of_them_lie),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
