/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/cleanup.h"
#include "extcap/control.h"

static void writes_what_the_guide_shows(void **state)
{
    CLEANUP(buf_free) struct buf out;

    (void)state;
    buf_init(&out, 1000);
    assert_true(control_write(&out, 2, CONTROL_ADD, "abc", 3));
    assert_int_equal(out.length, 9);
    assert_memory_equal(buf_bytes(&out), "T\0\0\5\2\2abc", 9);
}

static void reads_whole_messages_only(void **state)
{
    static const unsigned char bytes[] = "T\0\0\6\0\1port"
                                         "T\0\0\3\1\1\1"
                                         "T\0\0\2\0\0"
                                         "T\0\0";
    CLEANUP(buf_free) struct buf in;
    struct control_message message;
    size_t size = 0, messages = 0;

    (void)state;
    buf_init(&in, 1000);
    for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
        assert_true(buf_append(&in, bytes + i, 1));
        while (control_read(&in, &message, &size) > 0) {
            assert_int_equal(message.command, messages < 2 ? CONTROL_SET : CONTROL_INITIALIZED);
            if (messages == 0)
                assert_memory_equal(message.payload, "port", message.length);
            if (messages == 1)
                assert_true(message.control == 1 && message.length == 1 && message.payload[0] == 1);
            buf_take(&in, size);
            messages++;
        }
    }
    assert_int_equal(messages, 3);
    assert_int_equal(in.length, 3);
}

static void others_are_left_out_but_for_the_end(void **state)
{
    static const unsigned char bytes[] = "L\0\0\4abcd"
                                         "E\0\0\0"
                                         "Q\0\0\0";
    CLEANUP(buf_free) struct buf in;
    struct control_message message;
    size_t size = 0;

    (void)state;
    buf_init(&in, 1000);
    assert_true(buf_append(&in, bytes, sizeof(bytes) - 1));
    assert_int_equal(control_read(&in, &message, &size), 1);
    assert_true(message.quit);
    assert_int_equal(size, sizeof(bytes) - 1);
}

static void nonsense_ends_it(void **state)
{
    static const char *const wrong[] = {"T\377\377\377\0\0", "T\0\0\1\0\0", "\1\2\3\4\5\6"};
    struct control_message message;
    size_t size;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        CLEANUP(buf_free) struct buf in;

        buf_init(&in, 1000);
        assert_true(buf_append(&in, wrong[i], 6));
        assert_int_equal(control_read(&in, &message, &size), -1);
    }
}

static void what_is_too_long_is_cut(void **state)
{
    static char text[CONTROL_PAYLOAD_MAX + 10];
    CLEANUP(buf_free) struct buf out;
    struct control_message message;
    size_t size;

    (void)state;
    buf_init(&out, 2 * sizeof(text));
    assert_true(control_write(&out, 0, CONTROL_STATUS_BAR, text, sizeof(text)));
    assert_int_equal(control_read(&out, &message, &size), 1);
    assert_int_equal(message.length, CONTROL_PAYLOAD_MAX);
    assert_true(control_write(&out, 0, CONTROL_STATUS_BAR, text, 100));
    assert_false(control_write(&out, 0, CONTROL_STATUS_BAR, text, sizeof(text)));
    assert_int_equal(out.length, size + 106);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_what_the_guide_shows),
        cmocka_unit_test(reads_whole_messages_only),
        cmocka_unit_test(others_are_left_out_but_for_the_end),
        cmocka_unit_test(nonsense_ends_it),
        cmocka_unit_test(what_is_too_long_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
