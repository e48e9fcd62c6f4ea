/* SPDX-License-Identifier: Apache-2.0 */
/* Which segments of a ring go: the oldest of all targets, for want of room and for their age. */
#include "tests/unit/unit.h"

#include "agent/keeper.h"

#define SECOND 1000000000ull
#define MIB    (1ull << 20)

static struct keeper keeper;

static void add(size_t target, uint64_t number, uint64_t bytes, uint64_t ended)
{
    const struct keeper_segment segment = {
        .number = number, .bytes = bytes, .packets = number + 1, .begun = ended, .ended = ended};

    keeper_add(&keeper, target, &segment);
}

static void begin(uint64_t keep, uint64_t age, size_t count)
{
    keeper = (struct keeper){.keep = keep, .age = age, .segment = MIB, .count = count};
}

static void test_the_oldest_goes_for_want_of_room(void **state)
{
    const struct keeper_segment next = {.number = 8, .bytes = MIB, .packets = 9, .ended = 40};

    (void)state;
    /* Two segments ahead of each of two targets, one that was removed, and what is no segment, are
     * counted: four of nine MiB are left, less that. */
    begin(9 * MIB, 0, 2);
    add(0, 5, MIB, 30);
    add(1, 7, MIB, 20);
    add(1, 8, MIB, 40);
    assert_int_equal(keeper_choose(&keeper, 100), KEEPER_NONE);
    add(0, 6, MIB, 50);
    assert_int_equal(keeper_choose(&keeper, 100), 1);
    keeper_remove(&keeper, 1, &next);
    assert_int_equal(keeper_choose(&keeper, 100), KEEPER_NONE);
    assert_int_equal(keeper.targets[1].segments, 1);
    assert_int_equal(keeper.targets[1].packets, 9);
    assert_int_equal(keeper.targets[1].bytes, MIB);
    assert_int_equal(keeper.targets[1].oldest.number, 8);
}

static void test_files_count_as_blocks(void **state)
{
    (void)state;
    begin(KEEPER_ELSE + 3 * MIB + 3 * RECORDING_BLOCK, 0, 1);
    for (uint64_t i = 0; i < 3; i++)
        add(0, i, 1, i);
    assert_int_equal(keeper_choose(&keeper, 100), KEEPER_NONE);
    add(0, 3, 0, 3); /* an empty file takes none */
    assert_int_equal(keeper_choose(&keeper, 100), KEEPER_NONE);
    add(0, 4, 1, 4);
    assert_int_equal(keeper_choose(&keeper, 100), 0);
}

static void test_age(void **state)
{
    (void)state;
    begin(1024 * MIB, 10 * SECOND, 2);
    add(0, 0, 100, 100 * SECOND);
    add(1, 0, 100, 95 * SECOND);
    assert_int_equal(keeper_choose(&keeper, 105 * SECOND), KEEPER_NONE);
    assert_int_equal(keeper_choose(&keeper, 105 * SECOND + 1), 1);
    /* A clock that was put back: nothing is old. */
    assert_int_equal(keeper_choose(&keeper, 50 * SECOND), KEEPER_NONE);
    keeper.age = 0;
    assert_int_equal(keeper_choose(&keeper, UINT64_MAX), KEEPER_NONE);
}

static void test_nothing_is_left_to_go(void **state)
{
    const struct keeper_segment none = {0};

    (void)state;
    begin(MIB, SECOND, 1); /* too little for what is being written */
    assert_int_equal(keeper_choose(&keeper, UINT64_MAX), KEEPER_NONE);
    add(0, 0, 100, 1);
    assert_int_equal(keeper_choose(&keeper, 1), 0);
    keeper_remove(&keeper, 0, &none);
    assert_int_equal(keeper.targets[0].held, 0);
    assert_int_equal(keeper.targets[0].packets, 0);
    assert_int_equal(keeper_choose(&keeper, UINT64_MAX), KEEPER_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_oldest_goes_for_want_of_room),
        cmocka_unit_test(test_files_count_as_blocks),
        cmocka_unit_test(test_age),
        cmocka_unit_test(test_nothing_is_left_to_go),
    };

    return cmocka_run_group_tests_name("agent_keeper", tests, NULL, NULL);
}
