/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rate.h"

#include "unit.h"

static void is_over_a_second(void **state)
{
    struct rate rate = {0};

    (void)state;
    assert_int_equal(rate_add(&rate, 5000, 0), 0);
    assert_int_equal(rate_add(&rate, 5250, 1000), 1000); /* not 4000 */
    for (uint64_t at = 5500; at <= 8000; at += 250)
        rate_add(&rate, at, 1000);
    assert_int_equal(rate_add(&rate, 8250, 1000), 0);
    assert_int_equal(rate_add(&rate, 8500, 1400), 400);
    assert_int_equal(rate_add(&rate, 9500, 2000), 600);
}

static void is_of_the_time_that_has_passed(void **state)
{
    struct rate rate = {0};

    (void)state;
    rate_add(&rate, 0, 0);
    assert_int_equal(rate_add(&rate, 4000, 4000), 1000); /* it was stopped */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_over_a_second),
        cmocka_unit_test(is_of_the_time_that_has_passed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
