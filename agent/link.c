/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/link.h"

#include <endian.h>
#include <linux/can.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <stddef.h>
#include <string.h>

#include "agent/source.h"
#include "common/pcapng.h"

/* The kernel has them, not every libc. */
#ifndef ARPHRD_IP6GRE
#define ARPHRD_IP6GRE 823
#endif
#ifndef ARPHRD_NETLINK
#define ARPHRD_NETLINK 824
#endif
#ifndef ARPHRD_VSOCKMON
#define ARPHRD_VSOCKMON 826
#endif

#define CAN_FRAME_MIN 8    /* bytes: identifier, length, flags */
#define CAN_FD_FRAME  0x04 /* CANFD_FDF of newer linux/can.h: the frame is one of CAN FD */

static const struct {
    uint16_t hatype, linktype;
} links[] = {
    /* The plain ones first, of those Ethernet. */
    {ARPHRD_ETHER, LINKTYPE_ETHERNET},
    {ARPHRD_LOOPBACK, LINKTYPE_ETHERNET}, /* has an Ethernet header of zeros */
    {ARPHRD_NONE, LINKTYPE_RAW},
    {ARPHRD_RAWIP, LINKTYPE_RAW},
    {ARPHRD_TUNNEL, LINKTYPE_RAW},
    {ARPHRD_TUNNEL6, LINKTYPE_RAW},
    {ARPHRD_SIT, LINKTYPE_RAW},
    {ARPHRD_IPGRE, LINKTYPE_RAW},
    {ARPHRD_IP6GRE, LINKTYPE_RAW},
    {ARPHRD_SLIP, LINKTYPE_RAW},
    {ARPHRD_CSLIP, LINKTYPE_RAW},
    {ARPHRD_SLIP6, LINKTYPE_RAW},
    {ARPHRD_CSLIP6, LINKTYPE_RAW},
    {ARPHRD_ADAPT, LINKTYPE_RAW},
    {ARPHRD_RAWHDLC, LINKTYPE_RAW},
    {ARPHRD_DLCI, LINKTYPE_RAW},
    {ARPHRD_AX25, LINKTYPE_AX25_KISS},
    {ARPHRD_IEEE802, LINKTYPE_IEEE802_5},
    {ARPHRD_IEEE802_TR, LINKTYPE_IEEE802_5},
    {ARPHRD_ARCNET, LINKTYPE_ARCNET_LINUX},
    {ARPHRD_FDDI, LINKTYPE_FDDI},
    {ARPHRD_CISCO, LINKTYPE_C_HDLC},
    {ARPHRD_FRAD, LINKTYPE_FRELAY},
    {ARPHRD_IEEE80211, LINKTYPE_IEEE802_11},
    {ARPHRD_IEEE80211_PRISM, LINKTYPE_IEEE802_11_PRISM},
    {ARPHRD_IEEE80211_RADIOTAP, LINKTYPE_IEEE802_11_RADIOTAP},
    {ARPHRD_IEEE802154, LINKTYPE_IEEE802_15_4_NOFCS},
    {ARPHRD_CAN, LINKTYPE_CAN_SOCKETCAN},
    {ARPHRD_NETLINK, LINKTYPE_NETLINK},
    {ARPHRD_VSOCKMON, LINKTYPE_VSOCK},
    /* Not here, and cooked: InfiniBand, of which the socket gives another header than
     * LINKTYPE_IPOIB wants, and PPP, of which it gives none. */
};

uint16_t link_type(unsigned hatype)
{
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
        if (links[i].hatype == hatype)
            return links[i].linktype;
    return LINKTYPE_LINUX_SLL2;
}

static bool is_plain(uint16_t linktype)
{
    return linktype == LINKTYPE_ETHERNET || linktype == LINKTYPE_RAW;
}

uint16_t link_plain(size_t i)
{
    return is_plain(links[i].linktype) ? links[i].hatype : 0;
}

bool link_is_plain(unsigned hatype)
{
    return is_plain(link_type(hatype));
}

bool link_is_repeated(unsigned hatype)
{
    return hatype == ARPHRD_LOOPBACK || hatype == ARPHRD_CAN;
}

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* Protocol, reserved, index, type of device, kind of packet, length of the address, address. */
static void cook_sll2(const struct packet *packet, struct link_header *header)
{
    uint8_t *at = header->bytes;
    const struct bpf_metadata *metadata = &packet->metadata;

    put16(at, metadata->protocol);
    put16(at + 2, 0);
    put16(at + 4, metadata->ifindex >> 16);
    put16(at + 6, metadata->ifindex);
    put16(at + 8, metadata->hatype);
    at[10] = (uint8_t)metadata->pkttype;
    at[11] = packet->address->sll_halen;
    memcpy(at + 12, packet->address->sll_addr, 8);
    header->length = 20;
}

/* Kind of packet, type of device, ten bytes that mean nothing, family. */
static void cook_netlink(const struct packet *packet, struct link_header *header)
{
    memset(header->bytes, 0, 16);
    put16(header->bytes, packet->metadata.pkttype);
    put16(header->bytes + 2, packet->metadata.hatype);
    put16(header->bytes + 14, packet->metadata.protocol);
    header->length = 16;
}

void link_cook(uint16_t linktype, const struct packet *packet, struct link_header *ret_header)
{
    *ret_header = (struct link_header){.length = 0};
    if (linktype == LINKTYPE_LINUX_SLL2)
        cook_sll2(packet, ret_header);
    else if (linktype == LINKTYPE_NETLINK)
        cook_netlink(packet, ret_header);
    if (ret_header->length)
        ret_header->replaces = packet->network;
}

void link_mend(const struct packet *packet, uint8_t *bytes, uint32_t length)
{
    uint32_t id;

    if (packet->metadata.hatype != ARPHRD_CAN || length < CAN_FRAME_MIN)
        return;
    memcpy(&id, bytes, sizeof(id));
    id = htobe32(id);
    memcpy(bytes, &id, sizeof(id));
    if (packet->metadata.protocol == ETH_P_CANFD)
        bytes[offsetof(struct canfd_frame, flags)] |= CAN_FD_FRAME;
}

void link_as_ethernet(const struct packet *packet, struct link_header *ret_header)
{
    *ret_header = (struct link_header){.length = ETH_HLEN, .replaces = packet->network};
    put16(ret_header->bytes + 12, packet->metadata.protocol);
}
