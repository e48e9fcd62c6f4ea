/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/error.h"
#include "target/again.h"

static const struct error busy = {.kind = ERROR_SERVER, .text = "the server is busy"};
static const struct error down = {.kind = ERROR_NETWORK, .text = "the server is down"};
static const struct error refused = {.kind = ERROR_FORBIDDEN, .text = "you may not"};

static void test_after_a_while(void **state)
{
    struct again again = {0};

    (void)state;
    assert_false(again_is_due(&again, "a", "1", 0));
    assert_false(again_knows(&again, "a"));
    assert_int_equal(again_wait(&again, 0), UINT64_MAX);
    again_failed(&again, "a", "1", &busy, 5000);
    assert_true(again_knows(&again, "a"));
    assert_int_equal(again_wait(&again, 5000), 1000);
    assert_false(again_is_due(&again, "a", "1", 5999));
    assert_true(again_is_due(&again, "a", "1", 6000));
    assert_false(again_is_due(&again, "other", "1", 6000));
    /* While it is tried nothing is waited for. */
    again_tried(&again, "a");
    assert_false(again_is_due(&again, "a", "2", 7000));
    assert_int_equal(again_wait(&again, 5000), UINT64_MAX);
    again_free(&again);
}

/* As often as a pod may fail, that is seldom in the end. */
static void test_waits_grow(void **state)
{
    struct again again = {0};
    uint64_t now = 0, tries = 0;

    (void)state;
    while (now < 3600000) {
        again_failed(&again, "a", "1", &busy, now);
        while (!again_is_due(&again, "a", "1", now))
            now += again_wait(&again, now);
        again_tried(&again, "a");
        tries++;
    }
    assert_in_range(tries, 15, 25);
    again_free(&again);
}

/* Its container may run by now; but not each of many changes is a try. */
static void test_with_a_change(void **state)
{
    struct again again = {0};

    (void)state;
    for (uint64_t now = 0; now < 40000; now += 10000)
        again_failed(&again, "a", "1", &busy, now);
    assert_false(again_is_due(&again, "a", "1", 35000));
    assert_true(again_is_due(&again, "a", "2", 35000));
    assert_false(again_is_due(&again, "a", "2", 30500));
    assert_int_equal(again_wait(&again, 30500), 500);
    assert_int_equal(again_wait(&again, 31000), 7000);
    again_free(&again);
}

/* One that changes each second, and fails each time, is not tried each second. */
static void test_with_many_changes(void **state)
{
    struct again again = {0};
    uint64_t tries = 0;
    char version[20];

    (void)state;
    again_failed(&again, "a", "", &busy, 0);
    for (uint64_t now = 0; now < 3600000; now += 1000) {
        snprintf(version, sizeof(version), "%d", (int)now);
        if (!again_is_due(&again, "a", version, now))
            continue;
        again_tried(&again, "a");
        again_failed(&again, "a", version, &busy, now);
        tries++;
    }
    assert_in_range(tries, 200, 400);
    again_free(&again);
}

/* No change of the pod helps where the user may not; but a right may be given. */
static void test_refusals(void **state)
{
    struct again again = {0};

    (void)state;
    again_failed(&again, "a", "1", &refused, 0);
    assert_false(again_is_due(&again, "a", "2", 29999));
    assert_int_equal(again_wait(&again, 0), 30000);
    assert_true(again_is_due(&again, "a", "1", 30000));
    again_failed(&again, "a", "2", &refused, 30000);
    assert_false(again_is_due(&again, "a", "3", 89999));
    assert_true(again_is_due(&again, "a", "3", 90000));
    again_free(&again);
}

static void test_each_reason_is_told_once(void **state)
{
    struct again again = {0};

    (void)state;
    assert_true(again_failed(&again, "a", "1", &busy, 0));
    assert_false(again_failed(&again, "a", "2", &busy, 0));
    assert_true(again_failed(&again, "a", "3", &down, 0));
    assert_false(again_failed(&again, "a", "4", &busy, 0));
    assert_true(again_failed(&again, "b", "1", &busy, 0));
    again_free(&again);
}

/* None of Kubernetes' is so long; but who answers may not be Kubernetes. */
static void test_a_long_uid(void **state)
{
    struct again again = {0};
    char uid[200];

    (void)state;
    memset(uid, 'u', sizeof(uid) - 1);
    uid[sizeof(uid) - 1] = '\0';
    assert_true(again_failed(&again, uid, "1", &busy, 0));
    assert_false(again_failed(&again, uid, "2", &busy, 0));
    again_free(&again);
}

static bool is_a(void *data, const char *uid)
{
    (*(int *)data)++;
    return strcmp(uid, "a") == 0;
}

static void test_pods_that_go(void **state)
{
    struct again again = {0};
    int asked = 0;

    (void)state;
    again_failed(&again, "a", "1", &busy, 0);
    again_failed(&again, "b", "1", &busy, 0);
    again_forget_if(&again, is_a, &asked);
    assert_int_equal(asked, 2);
    assert_false(again_knows(&again, "a"));
    assert_true(again_knows(&again, "b"));
    again_free(&again);
    assert_null(again.pods);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_after_a_while), cmocka_unit_test(test_waits_grow),
        cmocka_unit_test(test_with_a_change), cmocka_unit_test(test_with_many_changes),
        cmocka_unit_test(test_refusals),      cmocka_unit_test(test_each_reason_is_told_once),
        cmocka_unit_test(test_pods_that_go),  cmocka_unit_test(test_a_long_uid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
