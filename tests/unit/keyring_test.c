/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "capture/keyring.h"

#define LINE 100 /* bytes, its newline included */

static const char one, other; /* owners */

static bool add(struct keyring *ring, const void *owner, unsigned number)
{
    char line[LINE];

    snprintf(line, sizeof(line), "%0*u", LINE - 1, number);
    return keyring_add(ring, owner, line, LINE - 1);
}

/* Gives all that is behind the cursor: the numbers of the first and the last, and how many. */
static size_t read_all(const struct keyring *ring, uint64_t *cursor, const void *owner, size_t most,
                       unsigned *first, unsigned *last)
{
    uint64_t pending = keyring_pending(ring, cursor, owner);
    size_t count = 0, length;
    const char *lines;

    while ((lines = keyring_next(ring, cursor, owner, most, &length))) {
        assert_true(length % LINE == 0 && (length <= most || length == LINE));
        for (size_t at = 0; at < length; at += LINE, count++) {
            *last = (unsigned)strtoul(lines + at, NULL, 10);
            *first = count == 0 ? *last : *first;
            assert_int_equal(lines[at + LINE - 1], '\n');
        }
    }
    assert_int_equal(pending, count * LINE);
    assert_int_equal(keyring_pending(ring, cursor, owner), 0);
    return count;
}

static void test_each_once_in_order(void **state)
{
    struct keyring ring;
    uint64_t cursor = 0, again = 0;
    unsigned first, last;

    (void)state;
    keyring_init(&ring, KEYRING_MAX, false);
    assert_int_equal(read_all(&ring, &cursor, NULL, 1000, &first, &last), 0);
    for (unsigned i = 0; i < 5000; i++)
        assert_true(add(&ring, &one, i));
    for (unsigned i = 0; i < 5000; i += 7)
        assert_false(add(&ring, &other, i));
    assert_int_equal(read_all(&ring, &cursor, NULL, 1000, &first, &last), 5000);
    assert_int_equal(first, 0);
    assert_int_equal(last, 4999);
    assert_true(add(&ring, &one, 5000));
    assert_int_equal(read_all(&ring, &cursor, NULL, 1, &first, &last), 1);
    assert_int_equal(first, 5000);
    assert_int_equal(read_all(&ring, &again, NULL, 1u << 20, &first, &last), 5001);
    keyring_free(&ring);
}

static void test_owners(void **state)
{
    struct keyring ring;
    uint64_t ones = 0, others = 0;
    unsigned first, last;

    (void)state;
    keyring_init(&ring, KEYRING_MAX, true);
    for (unsigned i = 0; i < 100; i++)
        assert_true(add(&ring, i % 3 ? &one : &other, i));
    assert_true(add(&ring, &other, 1)); /* the same of another is another */
    assert_false(add(&ring, &other, 0));
    assert_int_equal(read_all(&ring, &others, &other, 1000, &first, &last), 35);
    assert_int_equal(first, 0);
    assert_int_equal(last, 1);
    assert_int_equal(read_all(&ring, &ones, &one, 1000, &first, &last), 66);
    assert_int_equal(last, 98);
    assert_int_equal(read_all(&ring, &ones, &one, 1000, &first, &last), 0);
    keyring_free(&ring);
}

/* Who has none does not look at all the others' each time. */
static void test_what_is_others_is_passed_once(void **state)
{
    struct keyring ring;
    uint64_t cursor = 0;
    unsigned first, last;

    (void)state;
    keyring_init(&ring, KEYRING_MAX, true);
    for (unsigned i = 0; i < 1000; i++)
        add(&ring, &one, i);
    assert_int_equal(keyring_pending(&ring, &cursor, &other), 0);
    assert_int_equal(cursor, 1000);
    add(&ring, &one, 1000);
    add(&ring, &other, 1001);
    assert_int_equal(keyring_pending(&ring, &cursor, &other), LINE);
    assert_int_equal(cursor, 1001);
    assert_int_equal(read_all(&ring, &cursor, &other, 1000, &first, &last), 1);
    assert_int_equal(first, 1001);
    keyring_free(&ring);
}

static void test_the_oldest_are_forgotten(void **state)
{
    struct keyring ring;
    uint64_t cursor = 0, slow = 0;
    unsigned first, last;

    (void)state;
    keyring_init(&ring, 100 * LINE, false);
    for (unsigned i = 0; i < 100; i++)
        add(&ring, &one, i);
    assert_int_equal(read_all(&ring, &cursor, NULL, 1000, &first, &last), 100);
    for (unsigned i = 100; i < 150; i++)
        assert_true(add(&ring, &one, i));
    /* Who was there in time gets all, who was not, the newest. */
    assert_int_equal(read_all(&ring, &cursor, NULL, 1000, &first, &last), 50);
    assert_int_equal(first, 100);
    size_t left = read_all(&ring, &slow, NULL, 1000, &first, &last);
    assert_in_range(left, 70, 100);
    assert_int_equal(last, 149);
    assert_int_equal(first, 150 - left);
    assert_true(add(&ring, &one, 0)); /* it is not known any more */
    keyring_free(&ring);
}

static void test_skip(void **state)
{
    struct keyring ring;
    uint64_t cursor = 0;
    unsigned first, last;

    (void)state;
    keyring_init(&ring, KEYRING_MAX, true);
    for (unsigned i = 0; i < 100; i++)
        add(&ring, i % 2 ? &one : &other, i);
    keyring_skip(&ring, &cursor, &one, 10 * LINE + 1);
    assert_int_equal(read_all(&ring, &cursor, &one, 1000, &first, &last), 10);
    assert_int_equal(first, 81);
    cursor = 0;
    keyring_skip(&ring, &cursor, NULL, 0);
    assert_int_equal(read_all(&ring, &cursor, NULL, 1000, &first, &last), 0);
    keyring_free(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_once_in_order),
        cmocka_unit_test(test_owners),
        cmocka_unit_test(test_what_is_others_is_passed_once),
        cmocka_unit_test(test_the_oldest_are_forgotten),
        cmocka_unit_test(test_skip),
    };

    return cmocka_run_group_tests_name("keyring", tests, NULL, NULL);
}
