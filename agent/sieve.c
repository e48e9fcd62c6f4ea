/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sieve.h"

#include <linux/if_ether.h>
#include <net/if_arp.h>
#include <stddef.h>
#include <string.h>

#include "agent/bpf.h"
#include "common/pcapng.h"

/* What stands in front of a packet's network header, and where in it the protocol is. */
static const struct {
    uint16_t linktype;
    uint8_t length, protocol;
} cooked[] = {
    {LINKTYPE_LINUX_SLL2, 20, 0},
    {LINKTYPE_NETLINK, 16, 14},
};

static uint32_t ip_protocol(const uint8_t *packet, uint32_t captured)
{
    unsigned version = captured > 0 ? packet[0] >> 4 : 0;

    return version == 4 ? ETH_P_IP : version == 6 ? ETH_P_IPV6 : 0;
}

/* Return: bytes in front of the network header. */
static uint32_t find_protocol(uint16_t linktype, const uint8_t *packet, uint32_t captured,
                              uint32_t *ret_protocol)
{
    *ret_protocol = linktype == LINKTYPE_RAW ? ip_protocol(packet, captured) : 0;
    for (size_t i = 0; i < sizeof(cooked) / sizeof(cooked[0]); i++) {
        const uint8_t *at = packet + cooked[i].protocol;

        if (cooked[i].linktype == linktype && captured >= cooked[i].length) {
            *ret_protocol = (uint32_t)at[0] << 8 | at[1];
            return cooked[i].length;
        }
    }
    return 0;
}

static bool run(const struct sieve *sieve, const uint8_t *packet, uint32_t captured,
                uint32_t original, uint32_t hatype, uint32_t protocol)
{
    const struct bpf_metadata metadata = {.hatype = hatype, .protocol = protocol};

    return bpf_run(sieve->program.insns, packet, captured, original, &metadata) > 0;
}

/* There is more room in front of a packet, in its block, than the header needs. */
static bool takes_as_ethernet(const struct sieve *sieve, uint16_t linktype, uint8_t *packet,
                              const struct pcapng_epb *epb)
{
    uint32_t protocol;
    uint32_t replaced = find_protocol(linktype, packet, epb->captured_len, &protocol);
    uint8_t *frame = packet + replaced - ETH_HLEN, saved[ETH_HLEN];

    memcpy(saved, frame, sizeof(saved));
    memset(frame, 0, ETH_HLEN - 2);
    frame[ETH_HLEN - 2] = (uint8_t)(protocol >> 8);
    frame[ETH_HLEN - 1] = (uint8_t)protocol;
    bool takes = run(sieve, frame, epb->captured_len - replaced + ETH_HLEN,
                     epb->original_len - replaced + ETH_HLEN, ARPHRD_ETHER, protocol);
    memcpy(frame, saved, sizeof(saved));
    return takes;
}

_Static_assert(sizeof(struct pcapng_epb) >= ETH_HLEN, "room in front of a packet");

bool sieve_takes(const struct sieve *sieve, uint16_t linktype, uint8_t *block)
{
    struct pcapng_epb epb;
    uint8_t *packet = block + sizeof(epb);

    memcpy(&epb, block, sizeof(epb));
    if (linktype == LINKTYPE_ETHERNET)
        return run(sieve, packet, epb.captured_len, epb.original_len, ARPHRD_ETHER,
                   epb.captured_len >= ETH_HLEN ? (uint32_t)packet[12] << 8 | packet[13] : 0);
    if (linktype == LINKTYPE_RAW && !sieve->ethernet_only)
        return run(sieve, packet, epb.captured_len, epb.original_len, ARPHRD_NONE,
                   ip_protocol(packet, epb.captured_len));
    return takes_as_ethernet(sieve, linktype, packet, &epb);
}
