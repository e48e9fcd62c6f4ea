/* SPDX-License-Identifier: Apache-2.0 */
/* Who talks with whom in a packet, as far as its IP header says. */
#ifndef KSNIFF_AGENT_FLOW_H
#define KSNIFF_AGENT_FLOW_H

#include <stdbool.h>
#include <stdint.h>

struct packet;

#define FLOW_TEXT 112 /* bytes that flow_text() needs at most, NUL included */

struct flow {
    uint8_t version;  /* of IP: 4, 6 */
    uint8_t protocol; /* IPPROTO_* */
    struct flow_end {
        uint8_t address[16]; /* network order; IPv4: the first four, then zeros */
        uint16_t port;       /* 0: the protocol has none, or it is not to be seen */
    } source, target;
};

/*
 * flow_of - read a packet's IP header, and the ports of TCP, UDP and SCTP
 * @ret_payload: where the bytes behind the TCP or UDP header begin in packet->data; that of another
 *               protocol, those behind the IP header; never behind what was captured
 *
 * Of IPv6 only packets without extension headers have ports. Return: false when it is no IP.
 */
bool flow_of(const struct packet *packet, struct flow *ret_flow, uint32_t *ret_payload);

/* flow_is - is it the same conversation, in either direction? */
bool flow_is(const struct flow *flow, const struct flow *other);

/* flow_text - "tcp 127.0.0.1 40000 127.0.0.1 10250": protocol, then address and port of both.
 * Return: @out, of FLOW_TEXT bytes. */
char *flow_text(char *out, const struct flow *flow);

#endif
