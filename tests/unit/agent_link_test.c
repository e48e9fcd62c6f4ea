/* SPDX-License-Identifier: Apache-2.0 */
/* How packets of each kind of device are written: registry of link types, cooked headers, CAN. */
#include "tests/unit/unit.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>

#include "agent/link.h"
#include "agent/source.h"
#include "common/pcapng.h"

static void test_types(void **state)
{
    static const struct {
        unsigned hatype, linktype;
        bool plain;
    } cases[] = {
        {ARPHRD_ETHER, 1, true},
        {ARPHRD_LOOPBACK, 1, true},
        {ARPHRD_NONE, 101, true},
        {ARPHRD_TUNNEL, 101, true},
        {ARPHRD_SIT, 101, true},
        {ARPHRD_IPGRE, 101, true},
        {823, 101, true},
        {ARPHRD_RAWHDLC, 101, true},
        {ARPHRD_FDDI, 10, false},
        {ARPHRD_IEEE80211_RADIOTAP, 127, false},
        {ARPHRD_CAN, 227, false},
        {824, 253, false},
        {826, 271, false},
        {ARPHRD_PPP, 276, false},
        {ARPHRD_INFINIBAND, 276, false},
        {ARPHRD_VOID, 276, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(link_type(cases[i].hatype), cases[i].linktype);
        assert_int_equal(link_is_plain(cases[i].hatype), cases[i].plain);
    }
}

/* The kernel's filter lists them: Ethernet's first, each once, an end. */
static void test_plain_ones(void **state)
{
    size_t count = 0;

    (void)state;
    for (; link_plain(count); count++)
        assert_true(link_is_plain(link_plain(count)));
    assert_int_equal(count, 16);
    assert_int_equal(link_plain(0), ARPHRD_ETHER);
    assert_int_equal(link_plain(1), ARPHRD_LOOPBACK);
}

/* Of 24 bytes of an InfiniBand device's own header, and one byte behind them. */
static void test_cooked(void **state)
{
    const struct sockaddr_ll address = {.sll_halen = 20, .sll_addr = {0x80, 1, 2, 3, 4, 5, 6, 7}};
    const struct packet packet = {.network = 24,
                                  .captured = 25,
                                  .address = &address,
                                  .metadata = {.hatype = ARPHRD_INFINIBAND,
                                               .protocol = ETH_P_IPV6,
                                               .ifindex = 0x01020304,
                                               .pkttype = PACKET_OUTGOING}};
    static const uint8_t sll2[] = {0x86, 0xdd, 0,    0, 1, 2, 3, 4, 0, 32,
                                   4,    20,   0x80, 1, 2, 3, 4, 5, 6, 7};
    struct link_header header;

    (void)state;
    link_cook(LINKTYPE_LINUX_SLL2, &packet, &header);
    assert_int_equal(header.length, sizeof(sll2));
    assert_memory_equal(header.bytes, sll2, sizeof(sll2));
    assert_int_equal(header.replaces, 24);
    link_cook(LINKTYPE_FDDI, &packet, &header);
    assert_int_equal(header.length, 0);
    assert_int_equal(header.replaces, 0);
    link_as_ethernet(&packet, &header);
    assert_int_equal(header.length, 14);
    assert_memory_equal(header.bytes, "\0\0\0\0\0\0\0\0\0\0\0\0\x86\xdd", 14);
    assert_int_equal(header.replaces, 24);
}

static void test_netlink(void **state)
{
    const struct packet packet = {.metadata = {.hatype = 824,
                                               .protocol = 16 /* generic */,
                                               .pkttype = 7 /* to the kernel */}};
    struct link_header header;

    (void)state;
    link_cook(LINKTYPE_NETLINK, &packet, &header);
    assert_int_equal(header.length, 16);
    assert_memory_equal(header.bytes, "\0\x07\x03\x38\0\0\0\0\0\0\0\0\0\0\0\x10", 16);
}

static void test_can(void **state)
{
    struct packet packet = {.metadata = {.hatype = ARPHRD_CAN, .protocol = ETH_P_CAN}};
    const uint32_t id = 0x80001234;
    uint8_t frame[16] = {0};

    (void)state;
    memcpy(frame, &id, sizeof(id));
    link_mend(&packet, frame, 7); /* cut before its end: it stays as it is */
    assert_memory_equal(frame, &id, sizeof(id));
    link_mend(&packet, frame, 16);
    assert_memory_equal(frame, "\x80\0\x12\x34\0\0\0\0", 8);
    packet.metadata.protocol = ETH_P_CANFD;
    link_mend(&packet, frame, 16);
    assert_int_equal(frame[5], 4); /* CANFD_FDF */
    packet.metadata.hatype = ARPHRD_ETHER;
    link_mend(&packet, frame, 16);
    assert_int_equal(frame[0], 0x34); /* back again by the second, and not touched by the third */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),  cmocka_unit_test(test_plain_ones),
        cmocka_unit_test(test_cooked), cmocka_unit_test(test_netlink),
        cmocka_unit_test(test_can),
    };

    return cmocka_run_group_tests_name("agent_link", tests, NULL, NULL);
}
