/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent on a big-endian machine sends is read as what one on ours would. The recorded bytes
 * are those of the agent for s390x under qemu-s390x, beside a pod that sent two datagrams and got
 * one: ksniff-agent capture -i eth0 -F (udp port 6000).
 */
#include "tests/unit/unit.h"

#include "base/error.h"
#include "common/pcapng.h"
#include "pcapng/reader.h"

#define RECORDED TEST_DATA "/agent-s390x.pcapng"

static uint8_t bytes[4096];

static size_t recorded(void)
{
    FILE *file = fopen(RECORDED, "rb");

    assert_non_null(file);
    size_t length = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    assert_int_equal(length, 636);
    return length;
}

static void check_interface(const struct capture_interface *interface)
{
    static const uint8_t mac[] = {2, 0, 0, 0, 0, 1};

    assert_int_equal(interface->linktype, LINKTYPE_ETHERNET);
    assert_int_equal(interface->snaplen, 262144);
    assert_string_equal(interface->name, "eth0");
    assert_true(interface->has_mac);
    assert_memory_equal(interface->mac, mac, sizeof(mac));
}

static void check_packet(const struct capture_packet *packet, size_t number)
{
    static const struct {
        const char *says;
        uint32_t length, flags;
        uint64_t time;
    } wanted[] = {
        {"there 0", 49, PCAPNG_FLAG_OUTBOUND, 0x18ec59f3d26a8e79},
        {"there 1", 49, PCAPNG_FLAG_OUTBOUND, 0x18ec59f3d26dae99},
        {"back", 46, PCAPNG_FLAG_INBOUND | PCAPNG_FLAG_UNICAST, 0x18ec59f3d26dc01f},
    };

    assert_int_equal(packet->interface, 0);
    assert_int_equal(packet->captured_length, wanted[number].length);
    assert_int_equal(packet->original_length, wanted[number].length);
    assert_int_equal(packet->flags, wanted[number].flags);
    assert_int_equal(packet->timestamp, wanted[number].time);
    assert_memory_equal(packet->data + 42, wanted[number].says, wanted[number].length - 42);
}

static void check_statistics(const struct capture_statistics *statistics, size_t number)
{
    assert_int_equal(statistics->interface, 0);
    assert_int_equal(statistics->received, number == 0 ? 0 : 3);
    assert_int_equal(statistics->dropped, 0);
    assert_int_equal(statistics->last, number == 2);
    assert_int_equal(statistics->timestamp >> 32, 0x18ec59f3);
}

/* Return: whether it was all that there is so far. */
static bool take(struct capture_reader *reader, size_t counts[static CAPTURE_MALFORMED])
{
    static struct capture_item item;
    struct error err;
    enum capture_item_kind kind = capture_reader_next(reader, &item, &err);

    assert_int_not_equal(kind, CAPTURE_MALFORMED);
    if (kind == CAPTURE_MORE)
        return true;
    if (kind == CAPTURE_INTERFACE)
        check_interface(&item.interface);
    else if (kind == CAPTURE_PACKET)
        check_packet(&item.packet, counts[kind]);
    else
        check_statistics(&item.statistics, counts[kind]);
    counts[kind]++;
    return false;
}

static void recorded_bytes(void **state)
{
    static const size_t steps[] = {1, 7, sizeof(bytes)};
    size_t length = recorded();

    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct capture_reader *reader = capture_reader_pcapng();
        size_t counts[CAPTURE_MALFORMED] = {0};

        for (size_t at = 0; at < length; at += steps[i]) {
            size_t piece = steps[i] < length - at ? steps[i] : length - at;

            assert_int_equal(capture_reader_feed(reader, bytes + at, piece), 0);
            while (!take(reader, counts)) {
            }
        }
        assert_int_equal(counts[CAPTURE_INTERFACE], 1);
        assert_int_equal(counts[CAPTURE_PACKET], 3);
        assert_int_equal(counts[CAPTURE_STATISTICS], 3);
        assert_int_equal(capture_reader_pending(reader), 0);
        capture_reader_free(reader);
    }
}

/* The speed of a device, which qemu does not tell, is a number of 64 bits inside an option. */
static void speed_of_a_device(void **state)
{
    static const uint8_t section[] = {
        0x0a, 0x0d, 0x0d, 0x0a, 0,    0,    0,    28,   0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0,    0,    0,    28,   0, 0, 0, 1,
        0,    0,    0,    36,   0,    101,  0,    0,    0,    0,    1,    0,    0, 8, 0, 8,
        0,    0,    0,    2,    0x54, 0x0b, 0xe4, 0,    0,    0,    0,    0,    0, 0, 0, 36};
    static struct capture_item item;
    struct capture_reader *reader = capture_reader_pcapng();
    struct error err;

    (void)state;
    assert_int_equal(capture_reader_feed(reader, section, sizeof(section)), 0);
    assert_int_equal(capture_reader_next(reader, &item, &err), CAPTURE_INTERFACE);
    assert_int_equal(item.interface.linktype, LINKTYPE_RAW);
    assert_int_equal(item.interface.snaplen, 256);
    assert_int_equal(item.interface.speed, 10000000000);
    capture_reader_free(reader);
}

static void hostile_bytes(void **state)
{
    static const struct {
        size_t offset;
        uint8_t bytes[4];
        const char *says;
    } cases[] = {
        {8, {0x1a, 0x2b, 0x4d, 0x3c}, "a section in no byte order"},
        {4, {0, 0, 0, 8}, "a block of 8 bytes"},
        {4, {0x60, 0, 0, 0}, "a block of 1610612736 bytes"},
        {0x5c, {0, 0, 0, 0x5c}, "a block with two lengths, 96 and 92"},
        {12, {0, 2, 0, 0}, "pcapng version 2"},
        {0xd4, {0, 0, 0, 7}, "a block of type 0x00000007"},
        {0xdc, {0, 0, 0, 1}, "a packet of interface 1, which is not described"},
        {0xe8, {0, 4, 0, 1}, "a packet of 262145 bytes"},
        {0x124, {0, 2, 0x7f, 0xff}, "an option reaches out of its packet block"},
    };
    size_t length;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct capture_reader *reader = capture_reader_pcapng();
        static struct capture_item item;
        enum capture_item_kind kind;
        struct error err = {0};

        length = recorded();
        memcpy(bytes + cases[i].offset, cases[i].bytes, 4);
        assert_int_equal(capture_reader_feed(reader, bytes, length), 0);
        do
            kind = capture_reader_next(reader, &item, &err);
        while (kind != CAPTURE_MORE && kind != CAPTURE_MALFORMED);
        assert_int_equal(kind, CAPTURE_MALFORMED);
        if (!strstr(err.text, cases[i].says))
            fail_msg("\"%s\" is not in \"%s\"", cases[i].says, err.text);
        capture_reader_free(reader);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_bytes),
        cmocka_unit_test(speed_of_a_device),
        cmocka_unit_test(hostile_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
