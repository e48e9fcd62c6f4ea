/* SPDX-License-Identifier: Apache-2.0 */
/* The own stream: who talks with whom, the mark, and the kernel's filter, run by the agent's own
 * machine. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <unistd.h>

#include "agent/bpf.h"
#include "agent/kernel_filter.h"
#include "agent/options.h"
#include "agent/own.h"
#include "agent/source.h"

static struct kernel_filter filter;
static struct options options;

/* A packet with what the kernel says of it. */
struct sample {
    uint8_t bytes[400];
    struct packet packet;
};

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* TCP on the loopback device, or UDP; @text behind the header. */
static void make(struct sample *sample, int version, uint8_t protocol, const char *from,
                 unsigned from_port, const char *to, unsigned to_port, const char *text)
{
    uint8_t *ip = sample->bytes + 14, *tcp = ip + (version == 4 ? 20 : 40);
    int family = version == 4 ? AF_INET : AF_INET6;
    size_t head = protocol == IPPROTO_TCP ? 20 : 8;

    memset(sample, 0, sizeof(*sample));
    put16(sample->bytes + 12, version == 4 ? ETH_P_IP : ETH_P_IPV6);
    ip[0] = version == 4 ? 0x45 : 0x60;
    ip[version == 4 ? 9 : 6] = protocol;
    assert_int_equal(inet_pton(family, from, ip + (version == 4 ? 12 : 8)), 1);
    assert_int_equal(inet_pton(family, to, ip + (version == 4 ? 16 : 24)), 1);
    put16(tcp, from_port);
    put16(tcp + 2, to_port);
    if (protocol == IPPROTO_TCP)
        tcp[12] = 5 << 4;
    strcpy((char *)tcp + head, text);
    uint32_t length = (uint32_t)(tcp + head - sample->bytes) + (uint32_t)strlen(text);
    sample->packet = (struct packet){.data = sample->bytes,
                                     .captured = length,
                                     .original = length,
                                     .network = 14,
                                     .metadata = {.hatype = ARPHRD_LOOPBACK,
                                                  .protocol = version == 4 ? ETH_P_IP : ETH_P_IPV6,
                                                  .ifindex = 1}};
}

static void test_flow(void **state)
{
    struct sample sample;
    struct flow flow, back;
    char text[FLOW_TEXT];
    uint32_t payload;

    (void)state;
    make(&sample, 4, IPPROTO_TCP, "127.0.0.1", 40000, "10.0.200.1", 10250, "x");
    assert_true(flow_of(&sample.packet, &flow, &payload));
    assert_string_equal(flow_text(text, &flow), "tcp 127.0.0.1 40000 10.0.200.1 10250");
    assert_int_equal(payload, 54);
    make(&sample, 4, IPPROTO_TCP, "10.0.200.1", 10250, "127.0.0.1", 40000, "");
    assert_true(flow_of(&sample.packet, &back, &payload));
    assert_true(flow_is(&flow, &back));
    make(&sample, 4, IPPROTO_TCP, "10.0.200.1", 40000, "127.0.0.1", 10250, "");
    assert_true(flow_of(&sample.packet, &back, &payload));
    assert_false(flow_is(&flow, &back));
    make(&sample, 6, IPPROTO_UDP, "::1", 1, "2001:db8:0:1::ff", 65535, "");
    assert_true(flow_of(&sample.packet, &flow, &payload));
    assert_string_equal(flow_text(text, &flow), "udp ::1 1 2001:db8:0:1:0:0:0:ff 65535");
    /* The longest that there is. */
    make(&sample, 6, IPPROTO_SCTP, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535,
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535, "more");
    assert_true(flow_of(&sample.packet, &flow, &payload));
    assert_in_range(strlen(flow_text(text, &flow)), 90, FLOW_TEXT - 1);
    make(&sample, 4, IPPROTO_ESP, "1.2.3.4", 5, "5.6.7.8", 9, "");
    assert_true(flow_of(&sample.packet, &flow, &payload));
    assert_string_equal(flow_text(text, &flow), "50 1.2.3.4 0 5.6.7.8 0");
}

/* Cut at every length: nothing behind the end is read. */
static void test_flow_of_cut_packets(void **state)
{
    struct sample sample;
    struct flow flow;
    uint32_t payload;

    (void)state;
    for (int version = 4; version <= 6; version += 2) {
        make(&sample, version, IPPROTO_TCP, version == 4 ? "1.2.3.4" : "::1", 5,
             version == 4 ? "1.2.3.4" : "::1", 6, "some text");
        for (uint32_t length = 14; length <= sample.packet.original; length++) {
            uint8_t *copy = malloc(length);

            memcpy(copy, sample.bytes, length);
            sample.packet.data = copy;
            sample.packet.captured = length;
            if (flow_of(&sample.packet, &flow, &payload))
                assert_true(payload <= length);
            free(copy);
        }
    }
}

static bool is_own(struct own *own, const struct sample *sample)
{
    struct flow flow;
    uint32_t payload;

    assert_true(flow_of(&sample->packet, &flow, &payload));
    return own_is(own, &sample->packet, &flow, payload);
}

static void test_mark(void **state)
{
    static struct own own;
    struct sample sample;

    (void)state;
    own_open(&own);
    assert_int_equal(strspn(own.mark, "0123456789abcdef"), AGENT_MARK_LENGTH);
    assert_int_equal(strncmp(own.comment, AGENT_MARK_PREFIX, strlen(AGENT_MARK_PREFIX)), 0);
    make(&sample, 4, IPPROTO_TCP, "127.0.0.1", 40000, "127.0.0.1", 50000, own.comment);
    assert_false(is_own(&own, &sample)); /* not yet */
    own_start(&own, 1000);
    assert_true(own_wants_mark(&own));
    /* Cut by a segment's end: half of it is not enough, but it stands there twice. */
    sample.packet.captured = 54 + 6 + AGENT_MARK_LENGTH - 1;
    assert_false(is_own(&own, &sample));
    sample.packet.captured++;
    assert_true(is_own(&own, &sample));
    assert_true(own.changed);
    assert_false(own_wants_mark(&own));
    make(&sample, 4, IPPROTO_TCP, "127.0.0.1", 50000, "127.0.0.1", 40000, "an answer");
    assert_true(is_own(&own, &sample));
    make(&sample, 4, IPPROTO_TCP, "127.0.0.1", 50000, "127.0.0.1", 40001, "an answer");
    assert_false(is_own(&own, &sample));
    make(&sample, 4, IPPROTO_UDP, "127.0.0.1", 50000, "127.0.0.1", 40000, own.comment);
    assert_false(is_own(&own, &sample));
    make(&sample, 6, IPPROTO_TCP, "::1", 50000, "::1", 40000, own.comment + 10);
    assert_true(is_own(&own, &sample));
    assert_int_equal(own.count, 2);
    assert_false(own_check(&own, 1500));
    assert_true(own_check(&own, UINT64_MAX));
    make(&sample, 6, IPPROTO_TCP, "::1", 50001, "::1", 40000, own.comment);
    assert_false(is_own(&own, &sample)); /* too late */
}

static void test_more_connections_than_are_kept(void **state)
{
    static struct own own;
    struct sample sample;

    (void)state;
    own_open(&own);
    own_start(&own, 0);
    for (unsigned i = 0; i < KERNEL_FILTER_LEFT_OUT + 3; i++) {
        make(&sample, 4, IPPROTO_TCP, "127.0.0.1", 1000 + i, "127.0.0.1", 50000, own.comment);
        assert_int_equal(is_own(&own, &sample), i < KERNEL_FILTER_LEFT_OUT);
    }
    assert_int_equal(own.count, KERNEL_FILTER_LEFT_OUT);
}

/* Return: bytes of the packet that the kernel would keep. */
static uint32_t run(const struct sample *sample)
{
    const struct agent_bpf_insn *program = (const struct agent_bpf_insn *)(void *)filter.insns;

    assert_true(bpf_valid(program, filter.length));
    return bpf_run(program, sample->packet.data, sample->packet.captured, sample->packet.original,
                   &sample->packet.metadata);
}

static struct flow flow_between(int version, const char *from, unsigned from_port, const char *to,
                                unsigned to_port)
{
    struct sample sample;
    struct flow flow;
    uint32_t payload;

    make(&sample, version, IPPROTO_TCP, from, from_port, to, to_port, "");
    assert_true(flow_of(&sample.packet, &flow, &payload));
    return flow;
}

static void test_left_out_by_the_kernel(void **state)
{
    struct kernel_filter_rules rules = {.options = &options, .left_out_count = 4};
    static const struct {
        int version;
        uint8_t protocol;
        const char *from;
        unsigned from_port;
        const char *to;
        unsigned to_port;
        bool taken;
    } cases[] = {
        {4, IPPROTO_TCP, "127.0.0.1", 40000, "127.0.0.1", 50000, false},
        {4, IPPROTO_TCP, "127.0.0.1", 50000, "127.0.0.1", 40000, false},
        {4, IPPROTO_TCP, "127.0.0.2", 50000, "127.0.0.1", 40000, true},
        {4, IPPROTO_TCP, "127.0.0.1", 50000, "127.0.0.2", 40000, true},
        {4, IPPROTO_TCP, "127.0.0.1", 40001, "127.0.0.1", 50000, true},
        {4, IPPROTO_UDP, "127.0.0.1", 40000, "127.0.0.1", 50000, true},
        {4, IPPROTO_TCP, "10.0.0.1", 1, "10.0.0.2", 2, false},
        {4, IPPROTO_TCP, "10.0.0.2", 2, "10.0.0.1", 1, false},
        {4, IPPROTO_TCP, "10.0.0.1", 2, "10.0.0.2", 1, true},
        {6, IPPROTO_TCP, "::1", 40000, "::1", 50000, false},
        {6, IPPROTO_TCP, "::1", 50000, "::1", 40000, false},
        {6, IPPROTO_TCP, "::1", 50000, "8000::1", 40000, true},
        {6, IPPROTO_TCP, "0:1::1", 50000, "::1", 40000, true},
        {6, IPPROTO_UDP, "::1", 50000, "::1", 40000, true},
        {6, IPPROTO_TCP, "fd00::1", 7, "fd00::2", 8, false},
    };
    struct sample sample;

    (void)state;
    options.snaplen = 77;
    rules.left_out[0] = flow_between(4, "127.0.0.1", 40000, "127.0.0.1", 50000);
    rules.left_out[1] = flow_between(6, "::1", 40000, "::1", 50000);
    rules.left_out[2] = flow_between(6, "fd00::1", 7, "fd00::2", 8);
    rules.left_out[3] = flow_between(4, "10.0.0.1", 1, "10.0.0.2", 2);
    kernel_filter_build(&filter, &rules, true);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        make(&sample, cases[i].version, cases[i].protocol, cases[i].from, cases[i].from_port,
             cases[i].to, cases[i].to_port, "text");
        assert_int_equal(run(&sample), cases[i].taken ? 77 : 0);
        /* The offsets are not those of such a device. */
        sample.packet.metadata.hatype = ARPHRD_NONE;
        assert_int_equal(run(&sample), 77);
        sample.packet.metadata.hatype = ARPHRD_ETHER;
        /* A packet too short for the headers it speaks of is taken as well: it must not be lost. */
        for (uint32_t length = 14; length < 40; length++) {
            sample.packet.captured = sample.packet.original = length;
            assert_int_equal(run(&sample), 77);
        }
    }
    /* A later piece has no ports. */
    make(&sample, 4, IPPROTO_TCP, "127.0.0.1", 40000, "127.0.0.1", 50000, "text");
    sample.bytes[14 + 7] = 1;
    assert_int_equal(run(&sample), 77);
}

static void test_what_the_user_asks_for(void **state)
{
    static const struct agent_bpf_insn nothing = {.code = 0x06 /* BPF_RET | BPF_K */, .k = 0};
    struct kernel_filter_rules rules = {.options = &options, .loopback_tcp = true};
    struct sample sample;

    (void)state;
    options.snaplen = 77;
    options.program[0] = nothing;
    options.program_length = 1;
    make(&sample, 4, IPPROTO_TCP, "127.0.0.1", 1, "127.0.0.1", 2, "");
    kernel_filter_build(&filter, &rules, true);
    assert_int_equal(run(&sample), AGENT_SNAPLEN_MAX); /* whole: the agent looks for its mark */
    sample.packet.metadata.hatype = ARPHRD_ETHER;
    assert_int_equal(run(&sample), 0);
    sample.packet.metadata.hatype = ARPHRD_LOOPBACK;
    sample.packet.metadata.pkttype = PACKET_OUTGOING; /* comes again */
    assert_int_equal(run(&sample), 0);
    make(&sample, 4, IPPROTO_UDP, "127.0.0.1", 1, "127.0.0.1", 2, "");
    assert_int_equal(run(&sample), 0);
    rules.loopback_tcp = false;
    kernel_filter_build(&filter, &rules, true);
    make(&sample, 4, IPPROTO_TCP, "127.0.0.1", 1, "127.0.0.1", 2, "");
    assert_int_equal(run(&sample), 0);
    /* A device that the program was not made for: the agent judges. */
    sample.packet.metadata.hatype = ARPHRD_CAN;
    assert_int_equal(run(&sample), AGENT_SNAPLEN_MAX);
    sample.packet.metadata.hatype = ARPHRD_NONE;
    assert_int_equal(run(&sample), 0);
    options.ethernet_only = true;
    kernel_filter_build(&filter, &rules, true);
    assert_int_equal(run(&sample), AGENT_SNAPLEN_MAX);
    options = (struct options){.snaplen = 0};
}

/* The most that the agent puts in front leaves room for the longest program of a user. */
static void test_longest(void **state)
{
    struct kernel_filter_rules rules = {
        .options = &options, .loopback_tcp = true, .left_out_count = KERNEL_FILTER_LEFT_OUT};
    static uint32_t ifindexes[AGENT_INTERFACES_MAX];

    (void)state;
    options = (struct options){.vlan = true, .program_length = 1, .program[0] = {.code = 0x06}};
    rules.ifindexes = ifindexes;
    rules.count = AGENT_INTERFACES_MAX;
    for (size_t i = 0; i < KERNEL_FILTER_LEFT_OUT; i++)
        rules.left_out[i] = flow_between(6, "::1", 40000 + (unsigned)i, "::1", 50000);
    kernel_filter_build(&filter, &rules, true);
    assert_in_range(filter.length, 300, AGENT_BPF_OWN_MAX);
    assert_true(bpf_valid((const struct agent_bpf_insn *)(void *)filter.insns, filter.length));
    options = (struct options){.snaplen = 0};
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flow),
        cmocka_unit_test(test_flow_of_cut_packets),
        cmocka_unit_test(test_mark),
        cmocka_unit_test(test_more_connections_than_are_kept),
        cmocka_unit_test(test_left_out_by_the_kernel),
        cmocka_unit_test(test_what_the_user_asks_for),
        cmocka_unit_test(test_longest),
    };

    return cmocka_run_group_tests_name("agent_own", tests, NULL, NULL);
}
