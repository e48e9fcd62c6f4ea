/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a packet's headers end and what the programs say to each other begins.
 *
 * Headers are followed as far as they are known: the link's, tags, IP with options and extension
 * headers, IP in IP, GRE, up to and including the transport header. What a router or a host reports
 * (the errors of ICMP) holds headers again. ARP, and of ICMPv6 what looks for neighbours and
 * groups, are headers alone.
 *
 * Source: IEEE 802.1Q; RFC 791, 792, 826, 2516, 2784, 2890, 3032, 4302, 4303, 4443, 8200, 9260,
 * 9293; linux/can.h, linux/netlink.h, linux/vsockmon.h.
 */
#ifndef KSNIFF_AGENT_HEADERS_H
#define KSNIFF_AGENT_HEADERS_H

#include <stdint.h>

struct packet;

#define HEADERS_MOST 512 /* bytes of a packet that are looked at: longer chains are cut there */

/*
 * headers_end - Return: the bytes of a packet up to the end of the last header that is known; of
 * one that is not whole, all that was captured of it
 * @hatype: ARPHRD_* of its device
 */
uint32_t headers_end(const struct packet *packet, unsigned hatype);

#endif
