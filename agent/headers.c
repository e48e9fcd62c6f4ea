/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/headers.h"

#include <linux/can.h>
#include <linux/if_ether.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "agent/link.h"
#include "agent/source.h"
#include "common/pcapng.h"

#define IPV4_HEADER    20u
#define IPV4_PIECE     0x1fff /* of a halfword: where in the whole packet this begins */
#define IPV6_HEADER    40u
#define IPV6_PIECE     0xfff8
#define TCP_HEADER     20u
#define GRE_WORDS      0xb000 /* a word each: checksum, key, number */
#define GRE_VERSION    0x0007

#define ETH_P_QINQ_OLD 0x9100
#define PPP_IPV4       0x0021
#define PPP_IPV6       0x0057

/* What numbers stand for what follows. */
enum space { ETHERTYPE, PROTOCOL };

/* A way through a packet, header by header. */
struct walk {
    const uint8_t *data;
    uint32_t at, end; /* behind the last header; behind the last byte that may be one */
    enum space space; /* of the next header */
    unsigned kind;
};

static unsigned half(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

/* Takes @length bytes as a header's. Return: where they begin; NULL when there are fewer: all of
 * them are taken then. */
static const uint8_t *take(struct walk *walk, uint32_t length)
{
    const uint8_t *header = walk->data + walk->at;

    if (length > walk->end - walk->at) {
        walk->at = walk->end;
        return NULL;
    }
    walk->at += length;
    return header;
}

/* Return: true, for the next header. */
static bool go_on(struct walk *walk, enum space space, unsigned kind)
{
    walk->space = space;
    walk->kind = kind;
    return true;
}

/* A packet's own length, from @start: behind it a frame is filled up. 0: it is too long for the
 * field. */
static void limit(struct walk *walk, uint32_t start, uint32_t length)
{
    if (length > 0 && length < walk->end - start)
        walk->end = start + length < walk->at ? walk->at : start + length;
}

/* ---- one function a header: takes it. Return: false when it is the last. ---- */

static bool take_ethernet(struct walk *walk)
{
    const uint8_t *header = take(walk, ETH_HLEN);

    return header && go_on(walk, ETHERTYPE, half(header + 12));
}

static bool take_tag(struct walk *walk)
{
    const uint8_t *header = take(walk, 4);

    return header && go_on(walk, ETHERTYPE, half(header + 2));
}

/* Without an IP header of this version, nothing more is known. */
static bool is_version(const struct walk *walk, unsigned version)
{
    return walk->at < walk->end && walk->data[walk->at] >> 4 == version;
}

static bool take_ipv4(struct walk *walk)
{
    uint32_t start = walk->at;
    const uint8_t *header = is_version(walk, 4) ? take(walk, IPV4_HEADER) : NULL;

    if (!header)
        return false;
    uint32_t length = 4u * (header[0] & 15);
    if (length < IPV4_HEADER || !take(walk, length - IPV4_HEADER))
        return false;
    limit(walk, start, half(header + 2));
    return (half(header + 6) & IPV4_PIECE) == 0 && go_on(walk, PROTOCOL, header[9]);
}

static bool take_ipv6(struct walk *walk)
{
    uint32_t start = walk->at;
    const uint8_t *header = is_version(walk, 6) ? take(walk, IPV6_HEADER) : NULL;

    if (!header)
        return false;
    if (half(header + 4) > 0)
        limit(walk, start, IPV6_HEADER + half(header + 4));
    return go_on(walk, PROTOCOL, header[6]);
}

static bool take_arp(struct walk *walk)
{
    const uint8_t *header = take(walk, 8);

    if (header)
        take(walk, 2u * (header[4] + header[5]));
    return false;
}

/* IP behind what does not say which. */
static bool guess_ip(struct walk *walk)
{
    if (is_version(walk, 4))
        return go_on(walk, ETHERTYPE, ETH_P_IP);
    return is_version(walk, 6) && go_on(walk, ETHERTYPE, ETH_P_IPV6);
}

static bool take_mpls(struct walk *walk)
{
    const uint8_t *header = take(walk, 4);

    if (!header)
        return false;
    return (header[2] & 1) == 0 || guess_ip(walk); /* its last label */
}

static bool take_pppoe(struct walk *walk)
{
    const uint8_t *header = take(walk, 8);
    unsigned kind = header ? half(header + 6) : 0;

    if (kind == PPP_IPV4)
        return go_on(walk, ETHERTYPE, ETH_P_IP);
    return kind == PPP_IPV6 && go_on(walk, ETHERTYPE, ETH_P_IPV6);
}

static bool take_extension(struct walk *walk)
{
    const uint8_t *header = take(walk, 8);

    return header && take(walk, 8u * header[1]) && go_on(walk, PROTOCOL, header[0]);
}

static bool take_fragment(struct walk *walk)
{
    const uint8_t *header = take(walk, 8);

    return header && (half(header + 2) & IPV6_PIECE) == 0 && go_on(walk, PROTOCOL, header[0]);
}

static bool take_authentication(struct walk *walk)
{
    const uint8_t *header = take(walk, 8);

    return header && take(walk, 4u * header[1]) && go_on(walk, PROTOCOL, header[0]);
}

static bool take_inner_ip(struct walk *walk)
{
    return guess_ip(walk);
}

static bool take_gre(struct walk *walk)
{
    const uint8_t *header = take(walk, 4);

    if (!header)
        return false;
    for (unsigned flags = half(header) & GRE_WORDS; flags; flags &= flags - 1)
        take(walk, 4);
    return (half(header) & GRE_VERSION) == 0 && go_on(walk, ETHERTYPE, half(header + 2));
}

static bool take_tcp(struct walk *walk)
{
    const uint8_t *header = take(walk, TCP_HEADER);
    uint32_t length = header ? 4u * (header[12] >> 4) : 0;

    if (length > TCP_HEADER)
        take(walk, length - TCP_HEADER);
    return false;
}

static bool take_8(struct walk *walk)
{
    take(walk, 8);
    return false;
}

static bool take_12(struct walk *walk)
{
    take(walk, 12);
    return false;
}

/* Unreachable, quench, redirect, time exceeded, parameter problem. */
static bool take_icmp(struct walk *walk)
{
    const uint8_t *header = take(walk, 8);
    const unsigned errors = 1u << 3 | 1u << 4 | 1u << 5 | 1u << 11 | 1u << 12;

    return header && header[0] < 32 && (errors >> header[0] & 1) &&
           go_on(walk, ETHERTYPE, ETH_P_IP);
}

/* Below 128: errors. 130 to 143: groups, routers, neighbours. */
static bool take_icmpv6(struct walk *walk)
{
    const uint8_t *header = take(walk, 8);

    if (header && header[0] >= 130 && header[0] <= 143)
        walk->at = walk->end;
    return header && header[0] < 128 && go_on(walk, ETHERTYPE, ETH_P_IPV6);
}

static const struct {
    enum space space;
    unsigned kind;
    bool (*take)(struct walk *walk);
} headers[] = {
    {ETHERTYPE, ETH_P_TEB, take_ethernet},
    {ETHERTYPE, ETH_P_IP, take_ipv4},
    {ETHERTYPE, ETH_P_IPV6, take_ipv6},
    {ETHERTYPE, ETH_P_ARP, take_arp},
    {ETHERTYPE, ETH_P_RARP, take_arp},
    {ETHERTYPE, ETH_P_8021Q, take_tag},
    {ETHERTYPE, ETH_P_8021AD, take_tag},
    {ETHERTYPE, ETH_P_QINQ_OLD, take_tag},
    {ETHERTYPE, ETH_P_MPLS_UC, take_mpls},
    {ETHERTYPE, ETH_P_PPP_SES, take_pppoe},
    {PROTOCOL, IPPROTO_TCP, take_tcp},
    {PROTOCOL, IPPROTO_UDP, take_8},
    {PROTOCOL, IPPROTO_UDPLITE, take_8},
    {PROTOCOL, IPPROTO_SCTP, take_12},
    {PROTOCOL, IPPROTO_ICMP, take_icmp},
    {PROTOCOL, IPPROTO_ICMPV6, take_icmpv6},
    {PROTOCOL, IPPROTO_IGMP, take_8},
    {PROTOCOL, IPPROTO_ESP, take_8},
    {PROTOCOL, IPPROTO_HOPOPTS, take_extension},
    {PROTOCOL, IPPROTO_ROUTING, take_extension},
    {PROTOCOL, IPPROTO_DSTOPTS, take_extension},
    {PROTOCOL, IPPROTO_MH, take_extension},
    {PROTOCOL, IPPROTO_FRAGMENT, take_fragment},
    {PROTOCOL, IPPROTO_AH, take_authentication},
    {PROTOCOL, IPPROTO_IPIP, take_inner_ip},
    {PROTOCOL, IPPROTO_IPV6, take_inner_ip},
    {PROTOCOL, IPPROTO_GRE, take_gre},
};

static bool take_next(struct walk *walk)
{
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        if (headers[i].space == walk->space && headers[i].kind == walk->kind)
            return headers[i].take(walk);
    return false;
}

/* ---- devices ---- */

/* What they carry has headers of its own, which the kernel does not count as the link's. */
static const struct {
    uint16_t linktype;
    uint8_t length;
} fixed[] = {
    {LINKTYPE_CAN_SOCKETCAN, offsetof(struct can_frame, data)},
    {LINKTYPE_NETLINK, 16}, /* struct nlmsghdr */
    {LINKTYPE_VSOCK, 32},   /* struct af_vsockmon_hdr */
};

static bool begin(struct walk *walk, const struct packet *packet, uint16_t linktype)
{
    if (linktype == LINKTYPE_ETHERNET)
        return go_on(walk, ETHERTYPE, ETH_P_TEB);
    if (linktype == LINKTYPE_RAW)
        return guess_ip(walk);
    take(walk, packet->network);
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        if (fixed[i].linktype == linktype) {
            take(walk, fixed[i].length);
            return false;
        }
    return go_on(walk, ETHERTYPE, packet->metadata.protocol);
}

uint32_t headers_end(const struct packet *packet, unsigned hatype)
{
    struct walk walk = {.data = packet->data, .end = packet->captured};

    for (bool more = begin(&walk, packet, link_type(hatype)); more;)
        more = take_next(&walk);
    return walk.at;
}
