/* SPDX-License-Identifier: Apache-2.0 */
/* Where headers end, as packets say it and as they lie about it. */
#include "tests/unit/unit.h"

#include <ctype.h>
#include <linux/if_ether.h>
#include <net/if_arp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/headers.h"
#include "agent/source.h"

#define MACS        "020000000001 020000000002"
#define ETHER(type) MACS type
#define TAG(type)   "0064" type
/* @length: of the whole packet; @piece: flags and offset */
#define IPV4(length, piece, protocol)                                                              \
    "4500" length "0000" piece "40" protocol "0000 0a000001 0a000002"
#define IPV6(length, next)                                                                         \
    "60000000" length next "40 fd000000000000000000000000000001 fd000000000000000000000000000002"
#define TCP "1f90 1f91 00000001 00000002 5018 ffff 0000 0000"
#define TCP_SYN                                                                                    \
    "1f90 1f91 00000001 00000002 a002 ffff 0000 0000 020405b4 0402080a 00000001 00000000 01030307"
#define UDP     "1f90 1f91 000c 0000"
#define SCTP    "1f90 1f91 00000001 00000000"
#define PAYLOAD "| 7365637265740a7365637265740a7365637265740a7365637265740a"

/* A packet in hex; "|" is where its headers end. */
static const struct {
    const char *what, *bytes;
    unsigned hatype; /* 0: Ethernet */
    uint32_t network;
    uint16_t protocol;
} cases[] = {
    {"tcp", ETHER("0800") IPV4("0044", "4000", "06") TCP PAYLOAD, 0, 14, 0},
    {"tcp options", ETHER("0800") IPV4("0058", "4000", "06") TCP_SYN PAYLOAD, 0, 14, 0},
    {"loopback", ETHER("0800") IPV4("0044", "4000", "06") TCP PAYLOAD, ARPHRD_LOOPBACK, 14, 0},
    {"udp", ETHER("0800") IPV4("0038", "0000", "11") UDP PAYLOAD, 0, 14, 0},
    {"udp-lite", ETHER("0800") IPV4("0038", "0000", "88") UDP PAYLOAD, 0, 14, 0},
    {"sctp", ETHER("0800") IPV4("003c", "0000", "84") SCTP PAYLOAD, 0, 14, 0},
    {"a length of 0: it is too long to be said",
     ETHER("0800") IPV4("0000", "4000", "06") TCP PAYLOAD, 0, 14, 0},
    {"ip options",
     ETHER("0800") "4700 0058 0000 4000 40 06 0000 0a000001 0a000002 8304040a 00000300" TCP PAYLOAD,
     0, 14, 0},
    {"the first piece", ETHER("0800") IPV4("0038", "2000", "11") UDP PAYLOAD, 0, 14, 0},
    {"a later piece", ETHER("0800") IPV4("0030", "2001", "11") PAYLOAD, 0, 14, 0},
    {"the last piece", ETHER("0800") IPV4("0030", "00b9", "06") PAYLOAD, 0, 14, 0},
    {"filled up", ETHER("0800") IPV4("001c", "0000", "11") UDP PAYLOAD, 0, 14, 0},
    {"no room for its header: what fills the frame is none",
     ETHER("0800") IPV4("0018", "0000", "06") "1f901f91" PAYLOAD, 0, 14, 0},
    {"tag", ETHER("8100") TAG("0800") IPV4("0044", "4000", "06") TCP PAYLOAD, 0, 18, 0},
    {"tag, as a driver that strips none says it",
     ETHER("8100") TAG("0800") IPV4("0044", "4000", "06") TCP PAYLOAD, 0, 14, ETH_P_8021Q},
    {"two tags", ETHER("88a8") TAG("8100") TAG("86dd") IPV6("0024", "11") UDP PAYLOAD, 0, 22, 0},
    {"old two tags", ETHER("9100") TAG("8100") TAG("0800") IPV4("0038", "0000", "11") UDP PAYLOAD,
     0, 22, 0},
    {"tcp6", ETHER("86dd") IPV6("0030", "06") TCP PAYLOAD, 0, 14, 0},
    {"jumbo", ETHER("86dd") IPV6("0000", "06") TCP PAYLOAD, 0, 14, 0},
    {"hop by hop, routing, destination",
     ETHER("86dd") IPV6("0058", "00") "2b00050200000000"
                                      "3c02040000000000 fd000000000000000000000000000003"
                                      "0600010400000000" TCP PAYLOAD,
     0, 14, 0},
    {"first fragment", ETHER("86dd") IPV6("0038", "2c") "1100000100000007" UDP PAYLOAD, 0, 14, 0},
    {"later fragment", ETHER("86dd") IPV6("0030", "2c") "1100000900000007" PAYLOAD, 0, 14, 0},
    {"authenticated",
     ETHER("86dd")
         IPV6("0048", "33") "0604 0000 00000001 00000001 000102030405060708090a0b" TCP PAYLOAD,
     0, 14, 0},
    {"encrypted", ETHER("86dd") IPV6("0024", "32") "0000000100000001" PAYLOAD, 0, 14, 0},
    {"no next header", ETHER("86dd") IPV6("001c", "3b") PAYLOAD, 0, 14, 0},
    {"echo", ETHER("0800") IPV4("0038", "0000", "01") "0800 0000 00010001" PAYLOAD, 0, 14, 0},
    {"echo6", ETHER("86dd") IPV6("0024", "3a") "8000 0000 00010001" PAYLOAD, 0, 14, 0},
    {"unreachable",
     ETHER("0800") IPV4("005c", "0000", "01") "0303 0000 00000000" IPV4("0800", "0000", "11")
         UDP PAYLOAD,
     0, 14, 0},
    {"time exceeded, of the first bytes of TCP only",
     ETHER("0800") IPV4("0038", "0000", "01") "0b00 0000 00000000" IPV4("0800", "0000",
                                                                        "06") "1f901f9100000001 |",
     0, 14, 0},
    {"too big",
     ETHER("86dd") IPV6("0060", "3a") "0200 0000 00000514" IPV6("0800", "06") TCP PAYLOAD, 0, 14,
     0},
    {"neighbour",
     ETHER("86dd") IPV6("0020", "3a") "8700 0000 00000000 fd000000000000000000000000000002"
                                      "0101020000000001 |",
     0, 14, 0},
    {"experiment", ETHER("86dd") IPV6("0024", "3a") "c800 0000 00000000" PAYLOAD, 0, 14, 0},
    {"group", ETHER("0800") IPV4("001c", "0000", "02") "16000000e0000001" PAYLOAD, 0, 14, 0},
    {"ospf: unknown", ETHER("0800") IPV4("0030", "0000", "59") PAYLOAD, 0, 14, 0},
    {"ip in ip", ETHER("0800") IPV4("0058", "0000", "04") IPV4("0044", "0000", "06") TCP PAYLOAD, 0,
     14, 0},
    {"6in4", ETHER("0800") IPV4("0058", "0000", "29") IPV6("0024", "11") UDP PAYLOAD, 0, 14, 0},
    {"gre",
     ETHER("0800") IPV4("0050", "0000", "2f") "0000 0800" IPV4("0038", "0000", "11") UDP PAYLOAD, 0,
     14, 0},
    {"gre with all words, ethernet",
     ETHER("0800") IPV4("0068", "0000", "2f") "b000 6558 00000000 00000007 00000001" ETHER("0800")
         IPV4("0038", "0000", "11") UDP PAYLOAD,
     0, 14, 0},
    {"pptp", ETHER("0800") IPV4("0058", "0000", "2f") "2001 880b 00200000" PAYLOAD, 0, 14, 0},
    {"vxlan: its transport is udp",
     ETHER("0800") IPV4("0038", "0000", "11") "1f9012b5 000c 0000" PAYLOAD, 0, 14, 0},
    {"mpls", ETHER("8847") "00010040 00011140" IPV4("0044", "0000", "06") TCP PAYLOAD, 0, 14, 0},
    {"pppoe", ETHER("8864") "11000001 003a 0057" IPV6("0024", "11") UDP PAYLOAD, 0, 14, 0},
    {"pppoe, of no IP", ETHER("8864") "11000001 0020 c021" PAYLOAD, 0, 14, 0},
    {"arp", ETHER("0806") "0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002 | 0000",
     0, 14, 0},
    {"lldp: unknown", ETHER("88cc") PAYLOAD, 0, 14, 0},
    {"802.3", ETHER("0026") "| 424203 0000000000", 0, 14, 0},
    {"ip of another version",
     ETHER("0800") "| 60000000"
                   "2411",
     0, 14, 0},
    {"ip with too short a header",
     ETHER("0800") "43000044 00004000 40060000 0a000001 0a000002 |" TCP, 0, 14, 0},
    {"tcp with too short a header",
     ETHER("0800")
         IPV4("0044", "4000", "06") "1f90 1f91 00000001 00000002 1018 ffff 0000 0000" PAYLOAD,
     0, 14, 0},
    {"raw 4", IPV4("0044", "4000", "06") TCP PAYLOAD, ARPHRD_NONE, 0, ETH_P_IP},
    {"raw 6", IPV6("0024", "11") UDP PAYLOAD, ARPHRD_TUNNEL6, 0, ETH_P_IPV6},
    {"raw, of no version", PAYLOAD, ARPHRD_NONE, 0, 0},
    {"ppp: a header of the kernel's, then IP", "ff03 0021" IPV4("0038", "0000", "11") UDP PAYLOAD,
     ARPHRD_PPP, 4, ETH_P_IP},
    {"infiniband",
     "000102030405060708090a0b0c0d0e0f10111213 0800 0000" IPV4("0044", "0000", "06") TCP PAYLOAD,
     ARPHRD_INFINIBAND, 24, ETH_P_IP},
    {"cooked, unknown", "0001020304" PAYLOAD, ARPHRD_PPP, 5, 0x1234},
    {"can", "12345678 08 000000" PAYLOAD, ARPHRD_CAN, 0, 0x000c},
    {"netlink", "30000000 1000 0500 01000000 00000000" PAYLOAD, 824, 0, 0},
    {"nothing", "|", 0, 0, 0},
};

static uint8_t bytes[512];

/* Return: how many; @ret_end: of them before "|". */
static uint32_t read_hex(const char *text, uint32_t *ret_end)
{
    uint32_t used = 0;
    int high = -1;

    for (; *text; text++) {
        if (*text == '|')
            *ret_end = used;
        if (!isxdigit((unsigned char)*text))
            continue;
        int digit = *text <= '9' ? *text - '0' : *text - 'a' + 10;

        if (high >= 0)
            bytes[used++] = (uint8_t)(high << 4 | digit);
        high = high >= 0 ? -1 : digit;
    }
    assert_int_equal(high, -1);
    return used;
}

/* Of the first @captured bytes, in memory where nothing follows them. */
static uint32_t end_of(size_t i, uint32_t captured)
{
    uint8_t *copy = malloc(captured ? captured : 1);
    struct packet packet = {.data = copy, .captured = captured, .original = captured};

    memcpy(copy, bytes, captured);
    packet.network = cases[i].network < captured ? cases[i].network : captured;
    packet.metadata.protocol = cases[i].protocol;
    uint32_t end = headers_end(&packet, cases[i].hatype ? cases[i].hatype : ARPHRD_ETHER);
    free(copy);
    return end;
}

/* Whole, and cut anywhere. */
static void test_headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t wanted = 0, length = read_hex(cases[i].bytes, &wanted);

        for (uint32_t captured = length + 1; captured-- > 0;)
            if (end_of(i, captured) != (captured < wanted ? captured : wanted))
                fail_msg("%s, %u bytes of %u: %u", cases[i].what, captured, length,
                         end_of(i, captured));
    }
}

/* Whatever stands there: never behind the end, never before the link's header, and it ends. */
static void test_any_bytes(void **state)
{
    (void)state;
    srand(1);
    for (int round = 0; round < 2000; round++)
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            uint32_t wanted, length = read_hex(cases[i].bytes, &wanted);

            for (int changes = rand() % 4; length > 0 && changes >= 0; changes--)
                bytes[(uint32_t)rand() % length] = (uint8_t)rand();
            uint32_t captured = (uint32_t)rand() % (length + 1);
            assert_in_range(end_of(i, captured), captured < 14 && !cases[i].hatype ? captured : 0,
                            captured);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_any_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
