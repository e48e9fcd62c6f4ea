/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a packet is the same wherever it is seen: behind a router, behind kube-proxy, which
 * rewrites addresses and ports, in a frame of another kind. Of IP packets only. No I/O.
 *
 * Left out: link headers, addresses, ports, checksums, the time to live, what routers mark
 * (DSCP, ECN), TCP options but for the time stamps (RFC 7323).
 */
#ifndef KSNIFF_CAPTURE_IDENTITY_H
#define KSNIFF_CAPTURE_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

struct capture_packet;

struct identity {
    uint64_t hash;
    uint64_t from, to; /* hashes of address and port of both ends */
    bool strong; /* something in it is a number of its own: of TCP, or IPv4's identification */
};

/*
 * identity_of - look at a packet
 * @key: of SIPHASH_KEY bytes
 * @linktype: LINKTYPE_* of its interface
 * @payload: bytes behind the transport header that are looked at, at most
 *
 * Return: false when it is no IP packet, or its headers are not whole.
 */
bool identity_of(const uint8_t *key, uint16_t linktype, const struct capture_packet *packet,
                 uint32_t payload, struct identity *ret_identity);

#endif
