/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/siphash.h"
#include "capture/identity.h"
#include "tests/unit/frames.h"

static const uint8_t key[SIPHASH_KEY] = "0123456789abcdef";

static const struct frame request = {.protocol = 6,
                                     .from = 1,
                                     .to = 2,
                                     .from_port = 40000,
                                     .to_port = 80,
                                     .id = 77,
                                     .seq = 1000,
                                     .ack = 5000,
                                     .times = 123456,
                                     .flags = 0x18,
                                     .payload = "GET / HTTP/1.1"};

static struct identity of(const struct frame *frame)
{
    uint8_t bytes[2000];
    uint32_t length = frame_make(frame, bytes);
    const struct capture_packet packet = {
        .data = bytes, .captured_length = length, .original_length = length};
    struct identity identity;

    assert_true(
        identity_of(key, frame->bare ? LINKTYPE_RAW : LINKTYPE_ETHERNET, &packet, 64, &identity));
    return identity;
}

static void test_it_survives_routers_and_translation(void **state)
{
    struct frame routed = request, translated = request, bare = request, tagged = request;

    (void)state;
    routed.ttl = 61;
    translated.to = 99;
    translated.to_port = 8080;
    bare.bare = true;
    tagged.tagged = true;
    assert_true(of(&request).hash == of(&routed).hash);
    assert_true(of(&request).hash == of(&translated).hash);
    assert_true(of(&request).hash == of(&bare).hash);
    assert_true(of(&request).hash == of(&tagged).hash);
    assert_true(of(&request).from == of(&translated).from);
    assert_true(of(&request).to != of(&translated).to);
    assert_true(of(&request).strong);
}

static void test_another_packet_has_another(void **state)
{
    struct frame others[6] = {request, request, request, request, request, request};

    (void)state;
    others[0].seq++;
    others[1].ack++;
    others[2].id++;
    others[3].times++;
    others[4].payload = "GET / HTTP/1.2";
    others[5].flags = 0x10;
    for (size_t i = 0; i < 6; i++)
        assert_true(of(&others[i]).hash != of(&request).hash);
}

static void test_datagrams_are_told_apart_by_what_is_in_them(void **state)
{
    struct frame one = {.protocol = 17, .from = 1, .to = 2, .id = 5, .payload = "hello"};
    struct frame two = one, six = one;

    (void)state;
    two.payload = "hullo";
    assert_true(of(&one).hash != of(&two).hash);
    assert_true(of(&one).strong);
    six.ipv6 = true;
    assert_true(of(&one).hash != of(&six).hash);
    assert_false(of(&six).strong);
    two = six;
    two.to = 9;
    assert_true(of(&two).hash == of(&six).hash);
}

/* What is behind the headers may be cut, at each end elsewhere. */
static void test_every_length_and_every_byte_is_stood(void **state)
{
    struct identity identity;
    unsigned seed = 1;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        struct frame frame = request;
        uint8_t bytes[2000];

        frame.ipv6 = i % 2;
        frame.protocol = i % 3 ? 6 : 17;
        frame.bare = i % 5 == 0;
        uint32_t length = frame_make(&frame, bytes);
        for (unsigned j = 0; j < 3; j++)
            bytes[rand_r(&seed) % length] = (uint8_t)rand_r(&seed);
        length = (uint32_t)rand_r(&seed) % (length + 1);
        uint8_t *exact = malloc(length ? length : 1);
        memcpy(exact, bytes, length);
        const struct capture_packet packet = {
            .data = exact, .captured_length = length, .original_length = length};
        static const uint16_t links[] = {LINKTYPE_ETHERNET, LINKTYPE_RAW, LINKTYPE_LINUX_SLL,
                                         LINKTYPE_LINUX_SLL2, 65535};
        identity_of(key, links[i % 5], &packet, 64, &identity);
        free(exact);
    }
}

static void test_what_is_no_ip_packet_has_none(void **state)
{
    uint8_t arp[42] = {[12] = 0x08, [13] = 0x06};
    const struct capture_packet packet = {.data = arp, .captured_length = 42};
    struct identity identity;

    (void)state;
    assert_false(identity_of(key, LINKTYPE_ETHERNET, &packet, 64, &identity));
    assert_false(identity_of(key, LINKTYPE_NETLINK, &packet, 64, &identity));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_survives_routers_and_translation),
        cmocka_unit_test(test_another_packet_has_another),
        cmocka_unit_test(test_datagrams_are_told_apart_by_what_is_in_them),
        cmocka_unit_test(test_every_length_and_every_byte_is_stood),
        cmocka_unit_test(test_what_is_no_ip_packet_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
