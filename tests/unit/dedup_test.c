/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "capture/dedup.h"
#include "tests/unit/frames.h"

#define MS    1000000ull
#define START (1790000000ull * 1000 * MS)

static const uint8_t key[SIPHASH_KEY] = "0123456789abcdef";
static struct dedup dedup;

static int set_up(void **state)
{
    (void)state;
    return dedup_init(&dedup, key);
}

static int tear_down(void **state)
{
    (void)state;
    dedup_free(&dedup);
    return 0;
}

static bool repeated_in(uint64_t output, uint32_t interface, uint64_t ms, const struct frame *frame)
{
    uint8_t bytes[2000];
    uint32_t length = frame_make(frame, bytes);
    const struct capture_packet packet = {.interface = interface,
                                          .timestamp = START + ms * MS,
                                          .data = bytes,
                                          .captured_length = length,
                                          .original_length = length};

    return dedup_is_repeated(&dedup, frame->bare ? LINKTYPE_RAW : LINKTYPE_ETHERNET, &packet,
                             output);
}

static bool repeated(uint32_t interface, uint64_t ms, const struct frame *frame)
{
    return repeated_in(0, interface, ms, frame);
}

static const struct frame request = {.protocol = 6,
                                     .from = 1,
                                     .to = 2,
                                     .from_port = 40000,
                                     .to_port = 80,
                                     .id = 77,
                                     .seq = 1000,
                                     .payload = "GET / HTTP/1.1"};

static void test_the_first_is_kept(void **state)
{
    struct frame routed = request, translated = request;

    (void)state;
    routed.ttl = 63;
    routed.bare = true;
    translated.to = 9;
    translated.to_port = 8080;
    assert_false(repeated(0, 0, &request));
    assert_true(repeated(1, 1, &routed));
    assert_true(repeated(2, 1, &translated));
    for (uint32_t i = 3; i < 10; i++)
        assert_true(repeated(i, 2, &routed));
    assert_int_equal(dedup.repeated, 9);
}

static void test_each_output_is_for_itself(void **state)
{
    (void)state;
    assert_false(repeated_in(1, 0, 0, &request));
    assert_false(repeated_in(2, 1, 1, &request));
    assert_true(repeated_in(1, 2, 2, &request));
    assert_true(repeated_in(2, 3, 2, &request));
    assert_false(repeated_in(3, 0, 3, &request));
}

static void test_what_is_sent_again_is_kept(void **state)
{
    (void)state;
    assert_false(repeated(0, 0, &request));
    assert_true(repeated(1, 1, &request));
    /* In every bit the same, at the same interface. */
    assert_false(repeated(0, 200, &request));
    assert_true(repeated(1, 201, &request));
    /* A network has doubled it. */
    assert_false(repeated(1, 202, &request));
    assert_int_equal(dedup.repeated, 2);
}

static void test_what_is_seen_much_later_is_kept(void **state)
{
    (void)state;
    assert_false(repeated(0, 0, &request));
    assert_false(repeated(1, 501, &request));
    assert_true(repeated(2, 1001, &request));
}

static void test_another_packet_is_kept(void **state)
{
    struct frame other = request;

    (void)state;
    assert_false(repeated(0, 0, &request));
    other.payload = "GET / HTTP/1.0";
    assert_false(repeated(1, 0, &other));
    other = request;
    other.seq++;
    assert_false(repeated(1, 0, &other));
    /* Of other ends altogether. */
    other = request;
    other.from = 7;
    other.to = 8;
    assert_false(repeated(1, 0, &other));
    assert_int_equal(dedup.repeated, 0);
}

/* As many send the same, in datagrams that hold no number: a client's own, or another's? */
static void test_datagrams_that_look_the_same_are_kept(void **state)
{
    struct frame datagram = {.ipv6 = true, .protocol = 17, .from = 1, .to = 9, .payload = "ping"};

    (void)state;
    assert_false(repeated(0, 0, &datagram));
    assert_true(repeated(5, 0, &datagram));
    datagram.from = 2;
    assert_false(repeated(1, 0, &datagram));
    datagram.from = 3;
    assert_false(repeated(2, 0, &datagram));
}

static void test_what_is_no_ip_packet_is_kept(void **state)
{
    uint8_t arp[42] = {[12] = 0x08, [13] = 0x06};
    const struct capture_packet packet = {.data = arp, .captured_length = 42};

    (void)state;
    assert_false(dedup_is_repeated(&dedup, LINKTYPE_ETHERNET, &packet, 0));
    assert_false(dedup_is_repeated(&dedup, LINKTYPE_ETHERNET, &packet, 0));
}

static void test_more_than_can_be_remembered(void **state)
{
    struct frame frame = request;

    (void)state;
    for (uint32_t i = 0; i < 100000; i++) {
        frame.seq = i;
        assert_false(repeated(0, i / 1000, &frame));
        /* Of those of the last milliseconds all are. */
        if (i >= 1000) {
            frame.seq = i - 1000;
            assert_true(repeated(1, i / 1000, &frame));
        }
    }
    assert_int_equal(dedup.repeated, 99000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_first_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_output_is_for_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_sent_again_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_seen_much_later_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_packet_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_datagrams_that_look_the_same_are_kept, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_ip_packet_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_more_than_can_be_remembered, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
