/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/flow.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "agent/message.h"
#include "agent/source.h"

#define IPV4_HEADER   20u
#define IPV6_HEADER   40u
#define FRAGMENT_MASK 0x1fff /* of the IPv4 field: where in the whole packet it stands */

static uint16_t half(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

/* Return: the length of the IPv4 header; 0: it is none. */
static uint32_t read_ipv4(const uint8_t *ip, uint32_t length, struct flow *flow, bool *ret_whole)
{
    uint32_t header = length < IPV4_HEADER ? 0 : 4u * (ip[0] & 15);

    if (header < IPV4_HEADER || header > length || ip[0] >> 4 != 4)
        return 0;
    flow->version = 4;
    flow->protocol = ip[9];
    memcpy(flow->source.address, ip + 12, 4);
    memcpy(flow->target.address, ip + 16, 4);
    *ret_whole = (half(ip + 6) & FRAGMENT_MASK) == 0;
    return header;
}

static uint32_t read_ipv6(const uint8_t *ip, uint32_t length, struct flow *flow)
{
    if (length < IPV6_HEADER || ip[0] >> 4 != 6)
        return 0;
    flow->version = 6;
    flow->protocol = ip[6];
    memcpy(flow->source.address, ip + 8, 16);
    memcpy(flow->target.address, ip + 24, 16);
    return IPV6_HEADER;
}

/* Return: bytes of the header with the ports; 0: there is none, or not all of it. */
static uint32_t read_ports(const uint8_t *at, uint32_t length, struct flow *flow)
{
    uint32_t header = flow->protocol == IPPROTO_TCP    ? 20
                      : flow->protocol == IPPROTO_UDP  ? 8
                      : flow->protocol == IPPROTO_SCTP ? 12
                                                       : 0;

    if (header == 0 || length < header)
        return 0;
    flow->source.port = half(at);
    flow->target.port = half(at + 2);
    if (flow->protocol == IPPROTO_TCP)
        header = 4u * (at[12] >> 4);
    return header < length ? header : length;
}

bool flow_of(const struct packet *packet, struct flow *ret_flow, uint32_t *ret_payload)
{
    const uint8_t *ip = packet->data + packet->network;
    uint32_t length = packet->captured - packet->network, header = 0;
    bool first = true;

    *ret_flow = (struct flow){0};
    if (packet->metadata.protocol == ETH_P_IP)
        header = read_ipv4(ip, length, ret_flow, &first);
    else if (packet->metadata.protocol == ETH_P_IPV6)
        header = read_ipv6(ip, length, ret_flow);
    if (header == 0)
        return false;
    *ret_payload = packet->network + header;
    if (first)
        *ret_payload += read_ports(ip + header, length - header, ret_flow);
    return true;
}

bool flow_is(const struct flow *flow, const struct flow *other)
{
    return flow->version == other->version && flow->protocol == other->protocol &&
           ((memcmp(&flow->source, &other->source, sizeof(flow->source)) == 0 &&
             memcmp(&flow->target, &other->target, sizeof(flow->target)) == 0) ||
            (memcmp(&flow->source, &other->target, sizeof(flow->source)) == 0 &&
             memcmp(&flow->target, &other->source, sizeof(flow->target)) == 0));
}

/* ---- as text ---- */

static char *put(char *out, const char *text)
{
    while (*text)
        *out++ = *text++;
    *out = '\0';
    return out;
}

static char *put_number(char *out, unsigned number)
{
    char digits[21];

    return put(out, decimal(digits, number));
}

static char *put_hex(char *out, unsigned number)
{
    for (int shift = 12; shift >= 0; shift -= 4)
        if (shift == 0 || number >> shift)
            *out++ = "0123456789abcdef"[number >> shift & 15];
    *out = '\0';
    return out;
}

/* The zeros at the front of an IPv6 address are left out (::1): elsewhere they do no harm. */
static char *put_address(char *out, const struct flow *flow, const uint8_t *address)
{
    int zeros = 0;

    if (flow->version == 4) {
        for (int i = 0; i < 4; i++)
            out = put_number(i ? put(out, ".") : out, address[i]);
        return out;
    }
    while (zeros < 7 && half(address + 2 * (size_t)zeros) == 0)
        zeros++;
    if (zeros > 1)
        out = put(out, ":");
    else
        zeros = 0;
    for (int i = zeros; i < 8; i++)
        out = put_hex(i ? put(out, ":") : out, half(address + 2 * (size_t)i));
    return out;
}

static char *put_end(char *out, const struct flow *flow, const struct flow_end *end)
{
    out = put_address(put(out, " "), flow, end->address);
    return put_number(put(out, " "), end->port);
}

char *flow_text(char *out, const struct flow *flow)
{
    char *at = out;

    if (flow->protocol == IPPROTO_TCP)
        at = put(at, "tcp");
    else if (flow->protocol == IPPROTO_UDP)
        at = put(at, "udp");
    else if (flow->protocol == IPPROTO_SCTP)
        at = put(at, "sctp");
    else
        at = put_number(at, flow->protocol);
    put_end(put_end(at, flow, &flow->source), flow, &flow->target);
    return out;
}
