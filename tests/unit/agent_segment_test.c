/* SPDX-License-Identifier: Apache-2.0 */
/* A segment as `fetch` reads it: at every cut, with every fault, and through a filter, as the
 * agent's own blocks are. */
#include "tests/unit/unit.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <pcap/pcap.h>

#include "agent/interfaces.h"
#include "agent/link.h"
#include "agent/output.h"
#include "agent/segment.h"
#include "agent/sieve.h"
#include "agent/source.h"
#include "common/pcapng.h"

#define START 1700000000000000000ull

static struct output output;
static struct segment segment;
static struct sieve sieve;
static const struct interface ethernet = {.id = 0, .linktype = LINKTYPE_ETHERNET, .name = "eth0"};
static const struct interface tunnel = {.id = 1, .linktype = LINKTYPE_RAW, .name = "tun0"};

/* ---- what is written ---- */

#define PORTS 40 /* of the UDP header, where a packet has one */

/* An Ethernet frame: IPv4, UDP to @port. */
static const uint8_t *frame_to(uint16_t port)
{
    static uint8_t bytes[64];
    static const uint8_t start[] = {2, 0, 0, 0, 0,  1,  2, 0, 0,  0, 0, 2, 8,  0, 0x45, 0, 0, 50,
                                    0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0,    2, 4, 0};

    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes, start, sizeof(start));
    bytes[36] = (uint8_t)(port >> 8);
    bytes[37] = (uint8_t)port;
    return bytes;
}

static void add_packet(const struct interface *interface, uint64_t time, uint16_t port)
{
    bool raw = interface->linktype == LINKTYPE_RAW;
    const struct packet packet = {.data = frame_to(port) + (raw ? ETH_HLEN : 0),
                                  .captured = raw ? 50 : 64,
                                  .original = raw ? 50 : 64,
                                  .seconds = (uint32_t)(time / 1000000000),
                                  .nanoseconds = (uint32_t)(time % 1000000000),
                                  .metadata = {.pkttype = PACKET_OUTGOING}};

    output_packet(&output, interface, &packet, NULL, AGENT_SNAPLEN_MAX, NULL);
}

static void add_statistics(const struct interface *interface, uint64_t received, uint64_t dropped,
                           bool last)
{
    const struct output_statistics statistics = {
        .started = START, .received = received, .dropped = dropped, .last = last};

    output_statistics(&output, interface, &statistics);
}

static size_t blocks[64], block_count; /* where each block begins, and where the last ends */

/* Two interfaces, packets to ports 1 to 9, some of which were dropped. */
static void make_segment(void)
{
    output.used = output.sent = 0;
    output_section(&output, "segment: 7");
    output_interface(&output, &ethernet, 1000);
    for (uint16_t port = 1; port <= 4; port++)
        add_packet(&ethernet, START + port, port);
    add_statistics(&ethernet, 5, 1, false);
    output_interface(&output, &tunnel, 1000);
    for (uint16_t port = 5; port <= 9; port++)
        add_packet(port % 2 ? &tunnel : &ethernet, START + port, port);
    add_statistics(&tunnel, 3, 0, false);
    add_statistics(&ethernet, 9, 3, true);
    block_count = 0;
    for (size_t at = 0; at < output.used;) {
        uint32_t total;

        memcpy(&total, output.buffer + at + 4, sizeof(total));
        blocks[block_count++] = at;
        at += total;
    }
    blocks[block_count] = output.used;
    assert_int_equal(block_count, 15);
}

static void reset(void)
{
    memset(&segment, 0, sizeof(segment));
    segment_begin(&segment);
}

/* ---- verbatim ---- */

static void test_every_cut(void **state)
{
    static uint8_t bytes[8192];

    (void)state;
    make_segment();
    for (size_t cut = 0; cut <= output.used; cut++) {
        size_t whole = 0, kept;

        for (size_t i = 0; i <= block_count && blocks[i] <= cut; i++)
            whole = blocks[i];
        reset();
        memcpy(bytes, output.buffer, cut);
        assert_int_equal(segment_take(&segment, NULL, bytes, cut, &kept), whole);
        assert_int_equal(kept, whole);
        assert_memory_equal(bytes, output.buffer, cut);
        assert_false(segment.damaged);
        assert_int_equal(segment.ended, cut == output.used);
        size_t rest = output.used - whole;
        memcpy(bytes, output.buffer + whole, rest);
        assert_int_equal(segment_take(&segment, NULL, bytes, rest, &kept), rest);
        assert_memory_equal(bytes, output.buffer + whole, rest);
        assert_int_equal(segment.packets, 9);
        assert_int_equal(segment.dropped, 3);
        assert_true(segment.ended && !segment.damaged);
    }
}

/* Of the second the counts begin again, and are added. */
static void test_two_segments(void **state)
{
    size_t kept;

    (void)state;
    make_segment();
    reset();
    segment_take(&segment, NULL, output.buffer, output.used, &kept);
    segment_begin(&segment);
    assert_int_equal(segment_take(&segment, NULL, output.buffer, output.used, &kept), output.used);
    assert_int_equal(segment.packets, 18);
    assert_int_equal(segment.dropped, 6);
}

/* What was made room for, and not written. */
static void test_zeros(void **state)
{
    static uint8_t bytes[8192];
    size_t kept;

    (void)state;
    make_segment();
    for (size_t i = 0; i < block_count; i++) {
        reset();
        memset(bytes, 0, sizeof(bytes));
        memcpy(bytes, output.buffer, blocks[i]);
        assert_int_equal(segment_take(&segment, NULL, bytes, sizeof(bytes), &kept), blocks[i]);
        assert_false(segment.damaged);
    }
}

static void test_faults(void **state)
{
    static const struct {
        const char *what;
        size_t block, offset;
        uint32_t value;
        bool at_end; /* the offset counts from the block's */
    } faults[] = {
        {"no section", 0, 0, PCAPNG_IDB, false},
        {"the other byte order", 0, 8, 0x4d3c2b1a, false},
        {"a length that is no multiple of 4", 2, 4, 109, false},
        {"a length that is too short for any block", 2, 4, 8, false},
        {"a length that is too short for its kind", 3, 4, 28, false},
        {"a length of 0", 3, 4, 0, false},
        {"more than a block may have", 4, 4, SEGMENT_BLOCK_MAX + 4, false},
        {"all there can be", 4, 4, 0xfffffffc, false},
        {"another length at its end", 5, 4, 100, true},
        {"a packet that is longer than its block", 3, 20, 0x7fffffff, false},
        {"a packet that is one byte too long", 3, 20, 64 + 13, false},
        {"a packet of an interface that is not there yet", 3, 8, 1, false},
        {"statistics of an interface that is not there", 14, 8, 2, false},
        {"another section", 7, 0, PCAPNG_SHB, false},
    };
    static uint8_t bytes[8192];

    (void)state;
    make_segment();
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        size_t kept, block = faults[i].block;
        size_t at = faults[i].at_end ? blocks[block + 1] - faults[i].offset
                                     : blocks[block] + faults[i].offset;

        reset();
        memcpy(bytes, output.buffer, output.used);
        memcpy(bytes + at, &faults[i].value, 4);
        size_t taken = segment_take(&segment, NULL, bytes, output.used, &kept);
        if (taken != blocks[block] || kept != taken || !segment.damaged || segment.ended)
            fail_msg("%s: %zu of %zu bytes, damaged %d", faults[i].what, taken, blocks[block],
                     segment.damaged);
        assert_int_equal(segment_take(&segment, NULL, bytes, output.used, &kept), 0);
        assert_int_equal(kept, 0);
    }
}

static void test_times(void **state)
{
    (void)state;
    make_segment();
    assert_int_equal(segment_started(output.buffer, output.used), START + 1);
    assert_int_equal(segment_started(output.buffer, blocks[3]), START + 1);
    assert_int_equal(segment_started(output.buffer, blocks[3] - 1), 0);
    const uint8_t *last = output.buffer + blocks[14];
    size_t length = output.used - blocks[14];
    assert_true(segment_finished(last, length) > START);
    assert_int_equal(segment_finished(last, length - 1), 0);
    assert_int_equal(segment_finished(output.buffer + blocks[13], blocks[14] - blocks[13]), 0);
    assert_int_equal(segment_finished(output.buffer + blocks[12], blocks[13] - blocks[12]), 0);

    /* Packets were lost, and none came. */
    output.used = 0;
    output_section(&output, NULL);
    output_interface(&output, &ethernet, 1000);
    add_statistics(&ethernet, 5, 5, true);
    assert_int_equal(segment_started(output.buffer, output.used), START);
}

/* ---- through a filter ---- */

static void add_program(int linktype, const char *filter)
{
    pcap_t *pcap = pcap_open_dead(linktype, 262144);
    struct bpf_program program;

    assert_int_equal(pcap_compile(pcap, &program, filter, 1, 0), 0);
    memcpy(sieve.program.insns + sieve.program.length, program.bf_insns,
           program.bf_len * sizeof(struct bpf_insn));
    sieve.program.length += program.bf_len;
    pcap_freecode(&program);
    pcap_close(pcap);
}

/* The program as the client makes it. @both: for IP packets, too, behind a dispatch */
static void compile(const char *filter, bool both)
{
    const struct agent_bpf_insn dispatch[] = {
        {0x20, 0, 0, (uint32_t)-0x1000 + 28}, {0x15, 1, 0, ARPHRD_ETHER}, {0x05, 0, 0, 0}};

    memset(&sieve, 0, sizeof(sieve));
    sieve.ethernet_only = !both;
    if (both) {
        memcpy(sieve.program.insns, dispatch, sizeof(dispatch));
        sieve.program.length = 3;
    }
    add_program(DLT_EN10MB, filter);
    if (both) {
        sieve.program.insns[2].k = (uint32_t)sieve.program.length - 3;
        add_program(DLT_RAW, filter);
    }
}

static uint64_t received_of(const uint8_t *isb, size_t option)
{
    uint64_t value;

    memcpy(&value, isb + sizeof(struct pcapng_isb) + option, sizeof(value));
    return value;
}

/* Ports 2, 5, 6 and 8; the second half in small pieces. */
static void test_filtered(void **state)
{
    static uint8_t before[8192], bytes[8192];
    static const size_t wanted[] = {0, 1, 3, 6, 7, 8, 9, 11, 13, 14};
    size_t all = 0, kept = 0, expected = 0, length;

    (void)state;
    make_segment();
    length = output.used;
    memcpy(before, output.buffer, length);
    compile("udp port 2 or udp port 5 or udp port 6 or udp port 8", true);
    reset();
    for (size_t end = blocks[7]; all < length; end = end + 50 < length ? end + 50 : length) {
        size_t piece;

        memcpy(bytes + kept, before + all, end - all);
        all += segment_take(&segment, &sieve, bytes + kept, end - all, &piece);
        kept += piece;
    }
    assert_int_equal(segment.packets, 4);
    assert_int_equal(segment.dropped, 3);
    assert_true(segment.ended && !segment.damaged);

    /* The times in front of what was received: begin, and end of the last. */
    static const struct {
        size_t block, option;
        uint64_t received;
    } statistics[] = {{6, 16, 5 - 3}, {13, 16, 3 - 2}, {14, 28, 9 - 3}};
    for (size_t i = 0; i < 3; i++) {
        size_t at = blocks[statistics[i].block] + sizeof(struct pcapng_isb) + statistics[i].option;
        assert_true(received_of(before + blocks[statistics[i].block], statistics[i].option) >
                    statistics[i].received);
        memcpy(before + at, &statistics[i].received, 8);
    }
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        size_t size = blocks[wanted[i] + 1] - blocks[wanted[i]];

        assert_memory_equal(bytes + expected, before + blocks[wanted[i]], size);
        expected += size;
    }
    assert_int_equal(kept, expected);
}

/* As the agent judges live packets of devices that a program is not made for, so are those judged
 * that were recorded of them. */
static void test_judged_as_live_ones(void **state)
{
    static const struct {
        unsigned hatype;
        uint16_t protocol;
        uint32_t network;
    } devices[] = {
        {ARPHRD_ETHER, ETH_P_IP, 14},     {ARPHRD_NONE, ETH_P_IP, 0}, {ARPHRD_PPP, ETH_P_IP, 0},
        {ARPHRD_INFINIBAND, ETH_P_IP, 4}, {ARPHRD_PPP, ETH_P_ARP, 0}, {824, 16, 0},
    };
    static const char *const filters[] = {"udp port 53", "tcp",  "arp", "not ip", "ether proto 16",
                                          "len > 60",    "icmp", "ip",  "udp",    "greater 65"};
    unsigned taken = 0, refused = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
        static const struct sockaddr_ll address = {.sll_halen = 6};
        static uint8_t bytes[4 + 50];
        const uint8_t *frame = frame_to(53);
        uint32_t network = devices[i].network;
        struct interface interface = {.linktype = link_type(devices[i].hatype)};
        struct link_header header, live;

        memset(bytes, 7, sizeof(bytes));
        memcpy(bytes + (network == 14 ? 0 : network), frame + ETH_HLEN, 50);
        struct packet packet = {
            .data = network == 14 ? frame : bytes,
            .captured = 50 + network,
            .original = 50 + network,
            .network = network,
            .address = &address,
            .metadata = {.hatype = devices[i].hatype, .protocol = devices[i].protocol}};
        bool plain = link_is_plain(devices[i].hatype);
        if (!plain)
            link_cook(interface.linktype, &packet, &header);
        link_as_ethernet(&packet, &live);
        for (size_t f = 0; f < sizeof(filters) / sizeof(filters[0]); f++) {
            static uint8_t before[256];
            uint8_t judged[100];
            struct bpf_metadata metadata = {.hatype = ARPHRD_ETHER};

            compile(filters[f], false);
            memcpy(judged, live.bytes, live.length);
            memcpy(judged + live.length, packet.data + network, 50);
            if (interface.linktype == LINKTYPE_ETHERNET)
                memcpy(judged, frame, ETH_HLEN);
            bool expected = bpf_run(sieve.program.insns, judged, 50 + live.length, 50 + live.length,
                                    &metadata) > 0;
            output.used = output.sent = 0;
            output_packet(&output, &interface, &packet, plain ? NULL : &header, AGENT_SNAPLEN_MAX,
                          NULL);
            memcpy(before, output.buffer, output.used);
            bool got = sieve_takes(&sieve, interface.linktype, output.buffer);
            if (got != expected)
                fail_msg("\"%s\" of device %u: %d, live %d", filters[f], devices[i].hatype, got,
                         expected);
            assert_memory_equal(before, output.buffer, output.used);
            taken += got;
            refused += !got;
        }
    }
    assert_true(taken > 15 && refused > 15);
}

/* Nothing is known of what is in them. */
static void test_other_link_types(void **state)
{
    (void)state;
    output.used = output.sent = 0;
    add_packet(&ethernet, START, 53);
    compile("udp", true);
    assert_false(sieve_takes(&sieve, LINKTYPE_CAN_SOCKETCAN, output.buffer));
    compile("not udp", true);
    assert_true(sieve_takes(&sieve, LINKTYPE_CAN_SOCKETCAN, output.buffer));
    assert_false(sieve_takes(&sieve, LINKTYPE_ETHERNET, output.buffer));
}

/* No byte of it is there: nothing is looked at. */
static void test_empty_packets(void **state)
{
    static const uint16_t linktypes[] = {LINKTYPE_ETHERNET, LINKTYPE_RAW, LINKTYPE_LINUX_SLL2,
                                         LINKTYPE_NETLINK, 65535};
    uint32_t none[4] = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(linktypes) / sizeof(linktypes[0]); i++) {
        struct pcapng_epb epb = {.type = PCAPNG_EPB, .total_length = 32};
        uint8_t *block = malloc(32);

        memcpy(block, &epb, sizeof(epb));
        memcpy(block + 28, none, 4);
        compile("udp", true);
        assert_false(sieve_takes(&sieve, linktypes[i], block));
        free(block);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_two_segments),
        cmocka_unit_test(test_zeros),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_filtered),
        cmocka_unit_test(test_judged_as_live_ones),
        cmocka_unit_test(test_other_link_types),
        cmocka_unit_test(test_empty_packets),
    };

    return cmocka_run_group_tests_name("agent_segment", tests, NULL, NULL);
}
