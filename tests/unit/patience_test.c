/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/patience.h"

#include "unit.h"

#include "base/error.h"

static struct error of(enum error_kind kind)
{
    struct error err;

    error_set(&err, kind, "x");
    return err;
}

/* For a while, from the first of a row of refusals. */
static void test_doubts(void **state)
{
    const struct error forbidden = of(ERROR_FORBIDDEN), unknown = of(ERROR_UNAUTHORIZED),
                       away = of(ERROR_NETWORK), policy = of(ERROR_REFUSED);
    uint64_t since = 0;

    (void)state;
    assert_true(patience_doubts(&since, &forbidden));
    assert_int_not_equal(since, 0);
    since -= 9000;
    assert_true(patience_doubts(&since, &unknown));
    since -= 1000;
    assert_false(patience_doubts(&since, &forbidden));
    assert_false(patience_doubts(&since, &away));
    assert_int_equal(since, 0);
    assert_true(patience_doubts(&since, &forbidden));
    assert_false(patience_doubts(&since, &policy));
}

/* A refusal is final, unless a bad moment was just before. */
static void test_refusal_after_a_bad_moment(void **state)
{
    const struct error forbidden = of(ERROR_FORBIDDEN), away = of(ERROR_SERVER),
                       invalid = of(ERROR_INVALID);
    struct patience patience = {0};

    (void)state;
    assert_false(patience_has(&patience, &forbidden));
    assert_true(patience_has(&patience, &away));
    assert_true(patience_has(&patience, &forbidden));
    assert_false(patience_has(&patience, &invalid));
    patience_ended(&patience);
    assert_false(patience_has(&patience, &forbidden));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubts),
        cmocka_unit_test(test_refusal_after_a_bad_moment),
    };

    return cmocka_run_group_tests_name("patience", tests, NULL, NULL);
}
