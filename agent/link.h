/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices and link types: what a packet socket gives of a device, and how it is written.
 *
 * Packets of most devices are written as they come, where pcapng has a name for that. Of the others
 * the link header is replaced by one of Linux's own making ("cooked", LINKTYPE_LINUX_SLL2), which
 * says what the socket said.
 *
 * Source: linux/if_arp.h; the registry of link types, draft-ietf-opsawg-pcaplinktype and
 * tcpdump.org/linktypes (LINUX_SLL2, NETLINK, CAN_SOCKETCAN); linux/can.h.
 */
#ifndef KSNIFF_AGENT_LINK_H
#define KSNIFF_AGENT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct packet;

/* What stands in place of a packet's first bytes. */
struct link_header {
    uint8_t bytes[20];
    uint32_t length;
    uint32_t replaces; /* bytes of the packet */
};

/* link_type - Return: LINKTYPE_* of a device's packets, by its ARPHRD_*. */
uint16_t link_type(unsigned hatype);

/* link_plain - the devices whose packets are Ethernet frames (they come first) or IP packets.
 * @i: counts from 0. Return: ARPHRD_*, 0 behind the last. */
uint16_t link_plain(size_t i);
bool link_is_plain(unsigned hatype);

/* link_is_repeated - does the device show each packet that goes out as one that comes in, too? */
bool link_is_repeated(unsigned hatype);

/* link_cook - the header to write in front of a packet that is not plain; it may be none. */
void link_cook(uint16_t linktype, const struct packet *packet, struct link_header *ret_header);

/* link_mend - put a copied packet into the form that its link type wants: CAN frames are big-endian
 * there. @bytes: those written, @length of them, behind their link_header. */
void link_mend(const struct packet *packet, uint8_t *bytes, uint32_t length);

/* link_as_ethernet - a packet's link header as an Ethernet frame would have it, without addresses:
 * for a filter that was made for Ethernet. */
void link_as_ethernet(const struct packet *packet, struct link_header *ret_header);

#endif
