/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "capture/rotation.h"

static void begun(struct rotation *rotation, uint64_t now, const char *path, const char *removed)
{
    char *oldest = NULL;

    assert_int_equal(rotation_begun(rotation, now, path, &oldest), 0);
    if (removed)
        assert_string_equal(oldest, removed);
    else
        assert_null(oldest);
    free(oldest);
}

static void test_wanted(void **state)
{
    (void)state;
    assert_false(rotation_is_wanted(&(struct rotation){0}));
    assert_false(rotation_is_wanted(&(struct rotation){.files = 3}));
    assert_true(rotation_is_wanted(&(struct rotation){.size = 1}));
    assert_true(rotation_is_wanted(&(struct rotation){.time = 1}));
}

static void test_size(void **state)
{
    struct rotation rotation = {.size = 1000};

    (void)state;
    begun(&rotation, 5, "a", NULL);
    assert_false(rotation_is_full(&rotation, 5000)); /* the first packet has its place */
    rotation.packets++;
    assert_false(rotation_is_full(&rotation, 1000));
    assert_true(rotation_is_full(&rotation, 1001));
    assert_false(rotation_is_late(&rotation, 1000000));
    begun(&rotation, 6, "b", NULL);
    assert_false(rotation_is_full(&rotation, 1001));
}

static void test_time(void **state)
{
    struct rotation rotation = {.time = 100};

    (void)state;
    begun(&rotation, 5000, "a", NULL);
    assert_false(rotation_is_late(&rotation, 9000)); /* no file is empty */
    rotation.packets++;
    assert_false(rotation_is_late(&rotation, 5099));
    assert_true(rotation_is_late(&rotation, 5100));
    assert_false(rotation_is_full(&rotation, 1u << 30));
    begun(&rotation, 5100, "b", NULL);
    rotation.packets++;
    assert_false(rotation_is_late(&rotation, 5199));
}

static void test_ring(void **state)
{
    struct rotation ring = {.size = 1, .files = 3}, single = {.size = 1, .files = 1};

    (void)state;
    begun(&ring, 0, "a", NULL);
    begun(&ring, 0, "b", NULL);
    begun(&ring, 0, "c", NULL);
    begun(&ring, 0, "d", "a");
    begun(&ring, 0, "e", "b");
    rotation_free(&ring);
    begun(&single, 0, "a", NULL);
    begun(&single, 0, "b", "a");
    rotation_free(&single);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wanted),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_ring),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
