/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/buf.h"

static void test_queue(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    assert_true(buf_append(&buf, "hello ", 6));
    assert_true(buf_printf(&buf, "%s %d", "world", 7));
    assert_string_equal(buf_string(&buf), "hello world 7");
    buf_take(&buf, 6);
    assert_int_equal(buf.length, 7);
    assert_string_equal(buf_string(&buf), "world 7");
    buf_take(&buf, 100);
    assert_int_equal(buf.length, 0);
    assert_string_equal(buf_string(&buf), "");
    buf_free(&buf);
}

static void test_never_passes_its_maximum(void **state)
{
    char bytes[600];
    struct buf buf;

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    buf_init(&buf, 1000);
    assert_true(buf_append(&buf, bytes, 600));
    assert_false(buf_append(&buf, bytes, 401));
    assert_int_equal(buf.length, 600);
    assert_true(buf_append(&buf, bytes, 400));
    assert_false(buf_printf(&buf, "x"));
    assert_null(buf_reserve(&buf, SIZE_MAX));
    assert_true(buf.capacity <= 1001);
    assert_int_equal(strlen(buf_string(&buf)), 1000);
    /* What is taken from the front is room again. */
    buf_take(&buf, 300);
    assert_true(buf_append(&buf, bytes, 300));
    assert_int_equal(buf.length, 1000);
    buf_free(&buf);
}

static void test_bytes_survive_moving(void **state)
{
    struct buf buf;
    unsigned next = 0, expected = 0;

    (void)state;
    buf_init(&buf, 1 << 16);
    for (int round = 0; round < 2000; round++) {
        unsigned char piece[37];

        for (size_t i = 0; i < sizeof(piece); i++)
            piece[i] = (unsigned char)next++;
        assert_true(buf_append(&buf, piece, sizeof(piece)));
        size_t take = (size_t)(round * 7 % 41);
        take = take < buf.length ? take : buf.length;
        for (size_t i = 0; i < take; i++)
            assert_int_equal(buf_bytes(&buf)[i], (unsigned char)(expected + i));
        expected += (unsigned)take;
        buf_take(&buf, take);
    }
    buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue),
        cmocka_unit_test(test_never_passes_its_maximum),
        cmocka_unit_test(test_bytes_survive_moving),
    };

    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
