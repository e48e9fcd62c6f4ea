/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's blocks and its buffer: VLAN tags at every length, partial writes to a slow pipe. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <linux/if_packet.h>
#include <unistd.h>

#include "agent/interfaces.h"
#include "agent/output.h"
#include "agent/source.h"
#include "common/pcapng.h"

static struct output output = {.fd = STDOUT_FILENO};
static const struct interface ethernet = {.id = 3, .linktype = LINKTYPE_ETHERNET};

static struct packet packet_of(const uint8_t *data, uint32_t length)
{
    return (struct packet){.data = data,
                           .captured = length,
                           .original = length + 1000,
                           .seconds = 1700000000,
                           .nanoseconds = 123456789,
                           .metadata = {.pkttype = PACKET_OUTGOING}};
}

/* Checks the block at @at of the buffer. Return: the packet's bytes in it. */
static const uint8_t *check_block(size_t at, uint32_t captured, uint32_t original)
{
    const uint32_t length = 28 + PCAPNG_PAD4(captured) + 16;
    struct pcapng_epb epb;
    uint32_t tail[4];

    assert_int_equal(output.used - at, length);
    memcpy(&epb, output.buffer + at, sizeof(epb));
    memcpy(tail, output.buffer + at + length - 16, sizeof(tail));
    assert_int_equal(epb.type, PCAPNG_EPB);
    assert_int_equal(epb.total_length, length);
    assert_int_equal(epb.interface_id, 3);
    assert_int_equal((uint64_t)epb.timestamp_high << 32 | epb.timestamp_low,
                     1700000000123456789ull);
    assert_int_equal(epb.captured_len, captured);
    assert_int_equal(epb.original_len, original);
    for (uint32_t i = captured; i < PCAPNG_PAD4(captured); i++)
        assert_int_equal(output.buffer[at + 28 + i], 0);
    assert_int_equal(tail[0], PCAPNG_EPB_FLAGS | 4u << 16);
    assert_int_equal(tail[1], PCAPNG_FLAG_OUTBOUND);
    assert_int_equal(tail[2], PCAPNG_OPT_END);
    assert_int_equal(tail[3], length);
    return output.buffer + at + 28;
}

static void test_tags_at_every_length(void **state)
{
    uint8_t data[64], tagged[68];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i + 1);
    memcpy(tagged, data, 12);
    memcpy(tagged + 12, "\x88\xa8\x20\x64", 4);
    memcpy(tagged + 16, data + 12, sizeof(data) - 12);
    for (uint32_t snaplen = 1; snaplen <= 70; snaplen++) {
        for (uint32_t length = 0; length <= sizeof(data); length++) {
            struct packet packet = packet_of(data, length);
            uint32_t plain = length < snaplen ? length : snaplen;
            /* A frame cut before the tag's place has no place for it, only a length. */
            uint32_t whole = length < 12 ? length : length + 4;
            uint32_t kept = whole < snaplen ? whole : snaplen;

            memset(output.buffer, 0xee, sizeof(output.buffer) / 64);
            output.used = output.sent = 0;
            assert_int_equal(output_packet(&output, &ethernet, &packet, NULL, snaplen, NULL),
                             plain);
            assert_memory_equal(check_block(0, plain, length + 1000), data, plain);

            packet.has_vlan = true;
            packet.vlan_tpid = 0x88a8;
            packet.vlan_tci = 0x2064;
            size_t before = output.used;
            const uint8_t *bytes;
            assert_int_equal(output_packet(&output, &ethernet, &packet, NULL, snaplen, &bytes),
                             kept);
            assert_ptr_equal(check_block(before, kept, length + 1004), bytes);
            assert_memory_equal(bytes, tagged, kept);
            output_undo(&output, before);
            assert_int_equal(output.used, before);
        }
    }
}

static void test_no_tag_on_raw_ip(void **state)
{
    static const struct interface tun = {.id = 3, .linktype = LINKTYPE_RAW};
    struct packet packet = packet_of((const uint8_t *)"0123456789abcdef", 16);

    (void)state;
    packet.has_vlan = true;
    output.used = output.sent = 0;
    assert_int_equal(output_packet(&output, &tun, &packet, NULL, 100, NULL), 16);
    check_block(0, 16, 1016);
}

/* What the kernel says of a packet: its own bits, and those of the flags word. */
static void test_flags(void **state)
{
    static const struct {
        uint32_t status;
        uint8_t pkttype;
        uint32_t flags;
    } rows[] = {
        {TP_STATUS_USER, PACKET_OUTGOING, 2},
        {TP_STATUS_USER | TP_STATUS_CSUMNOTREADY, PACKET_OUTGOING, 2 | 1 << 9},
        {TP_STATUS_USER | TP_STATUS_CSUM_VALID, PACKET_HOST, 1 | 1 << 2 | 1 << 10},
        {TP_STATUS_USER | TP_STATUS_CSUMNOTREADY | 1 << 8, PACKET_OUTGOING, 2 | 1 << 9 | 1 << 11},
        {~(uint32_t)(TP_STATUS_CSUMNOTREADY | TP_STATUS_CSUM_VALID | 1 << 8), PACKET_BROADCAST,
         1 | 3 << 2},
        {UINT32_MAX, PACKET_MULTICAST, 1 | 2 << 2 | 7 << 9},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct packet packet = packet_of((const uint8_t *)"0123", 4);
        uint32_t flags;

        packet.status = rows[i].status;
        packet.metadata.pkttype = rows[i].pkttype;
        output.used = output.sent = 0;
        output_packet(&output, &ethernet, &packet, NULL, 100, NULL);
        memcpy(&flags, output.buffer + 28 + 4 + 4, sizeof(flags));
        assert_int_equal(flags, rows[i].flags);
    }
}

/* Reads what is there. Return: bytes, appended to @to. */
static size_t drain(int fd, uint8_t *to, size_t most)
{
    ssize_t got = read(fd, to, most);

    return got > 0 ? (size_t)got : 0;
}

static void test_slow_pipe(void **state)
{
    static uint8_t expected[8 << 20], read_back[8 << 20], data[60000];
    size_t made = 0, got = 0;
    int pipe_fds[2], old = dup(STDOUT_FILENO);
    unsigned refused = 0;

    (void)state;
    assert_int_equal(pipe2(pipe_fds, O_NONBLOCK), 0);
    fcntl(pipe_fds[1], F_SETPIPE_SZ, 4096);
    fflush(stdout);
    dup2(pipe_fds[1], STDOUT_FILENO);
    output.used = output.sent = 0;
    srand(5);
    while (made < sizeof(expected) - 2 * sizeof(data)) {
        size_t length = (size_t)rand() % sizeof(data), before;

        memset(data, rand(), length);
        if (output_has_room(&output)) {
            struct packet packet = packet_of(data, (uint32_t)length);

            before = output.used;
            output_packet(&output, &ethernet, &packet, NULL, AGENT_SNAPLEN_MAX, NULL);
            memcpy(expected + made, output.buffer + before, output.used - before);
            made += output.used - before;
        } else {
            refused++;
        }
        output_flush(&output);
        got += drain(pipe_fds[0], read_back + got, (size_t)rand() % 70000);
    }
    while (output_pending(&output) > 0 || got < made) {
        output_flush(&output);
        got += drain(pipe_fds[0], read_back + got, sizeof(read_back) - got);
    }
    dup2(old, STDOUT_FILENO);
    close(old);
    close(pipe_fds[1]);
    assert_true(refused > 10);
    assert_false(output.closed);
    assert_int_equal(got, made);
    assert_memory_equal(read_back, expected, made);
    close(pipe_fds[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tags_at_every_length),
        cmocka_unit_test(test_no_tag_on_raw_ip),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_slow_pipe),
    };

    return cmocka_run_group_tests_name("agent_output", tests, NULL, NULL);
}
