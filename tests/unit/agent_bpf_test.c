/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's BPF machine against libpcap's own, over random programs and packets. */
#include "tests/unit/unit.h"

#include <linux/filter.h>
#include <pcap/pcap.h>

#include "agent/bpf.h"

static void test_what_is_refused(void **state)
{
    static const struct agent_bpf_insn ret = {BPF_RET | BPF_K, 0, 0, 1};
    const struct agent_bpf_insn bad[][2] = {
        {{BPF_JMP | BPF_JA, 0, 0, 1}, ret},          /* jumps out */
        {{BPF_JMP | BPF_JA, 0, 0, 0xffffffff}, ret}, /* jumps back */
        {{BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0}, ret}, /* jumps out */
        {{BPF_LD | BPF_MEM, 0, 0, 16}, ret},         /* no such cell */
        {{BPF_ST, 0, 0, 16}, ret},
        {{BPF_ALU | BPF_DIV | BPF_K, 0, 0, 0}, ret}, /* by zero */
        {{BPF_ALU | BPF_LSH | BPF_K, 0, 0, 32}, ret},
        {{0xffff, 0, 0, 0}, ret},           /* no instruction */
        {ret, {BPF_LD | BPF_IMM, 0, 0, 0}}, /* falls off the end */
    };

    (void)state;
    assert_true(bpf_valid(&ret, 1));
    assert_false(bpf_valid(&ret, 0));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (bpf_valid(bad[i], 2))
            fail_msg("program %zu is taken", i);
}

static void test_ancillary_loads(void **state)
{
    const struct bpf_metadata metadata = {
        .hatype = 772, .pkttype = 4, .ifindex = 9, .protocol = 0x800};
    const uint32_t wanted[][2] = {
        {SKF_AD_HATYPE, 772}, {SKF_AD_PKTTYPE, 4}, {SKF_AD_IFINDEX, 9}, {SKF_AD_PROTOCOL, 0x800}};

    (void)state;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        const struct agent_bpf_insn program[] = {
            {BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)SKF_AD_OFF + wanted[i][0]},
            {BPF_RET | BPF_A, 0, 0, 0}};

        assert_int_equal(bpf_run(program, (const uint8_t *)"", 0, 0, &metadata), wanted[i][1]);
    }
}

static const char *const filters[] = {"tcp port 80",
                                      "udp and net 10.0.0.0/8",
                                      "vlan 5 and tcp",
                                      "ip[6:2] & 0x1fff = 0 and len > 60",
                                      "tcp[tcpflags] & (tcp-syn|tcp-ack) != 0",
                                      "ip6 and icmp6",
                                      "arp or (ether[0] & 1 != 0)",
                                      "ip[2:2] - ((ip[0] & 0xf) * 4) > 20",
                                      "ip[8] % 3 = 1 or ip[8] / 2 = 5",
                                      "greater 100 and not broadcast"};

static void test_agrees_with_libpcap(void **state)
{
    static const uint8_t start[] = {2,  0,    0, 0, 0,  2, 2, 0, 0, 0,  0, 1,  8,
                                    0,  0x45, 0, 0, 60, 0, 0, 0, 0, 64, 6, 0,  0,
                                    10, 0,    0, 1, 10, 0, 0, 2, 0, 80, 3, 232};
    const struct bpf_metadata metadata = {.hatype = 1};
    pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 1000);
    unsigned taken = 0, refused = 0;

    (void)state;
    srand(3);
    for (size_t f = 0; f < sizeof(filters) / sizeof(filters[0]); f++) {
        struct bpf_program program;

        assert_int_equal(pcap_compile(pcap, &program, filters[f], 1, PCAP_NETMASK_UNKNOWN), 0);
        assert_true(bpf_valid((const struct agent_bpf_insn *)program.bf_insns, program.bf_len));
        for (int round = 0; round < 5000; round++) {
            uint8_t packet[128] = {0};
            uint32_t length = (uint32_t)rand() % sizeof(packet);

            memcpy(packet, start, sizeof(start));
            for (int i = 0; i < round % 6; i++)
                packet[(size_t)rand() % sizeof(packet)] = (uint8_t)rand();
            if (round % 7 == 0)
                packet[12] = 0x81, packet[13] = 0, packet[15] = 5, packet[16] = 8, packet[17] = 0;
            const struct pcap_pkthdr header = {.caplen = length, .len = length};
            uint32_t expected = (uint32_t)pcap_offline_filter(&program, &header, packet);
            uint32_t got = bpf_run((const struct agent_bpf_insn *)program.bf_insns, packet, length,
                                   length, &metadata);
            if (got != expected)
                fail_msg("\"%s\": %u, libpcap says %u", filters[f], got, expected);
            taken += got > 0;
            refused += got == 0;
        }
        pcap_freecode(&program);
    }
    assert_true(taken > 1000 && refused > 1000);
    pcap_close(pcap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_ancillary_loads),
        cmocka_unit_test(test_agrees_with_libpcap),
    };

    return cmocka_run_group_tests_name("agent_bpf", tests, NULL, NULL);
}
