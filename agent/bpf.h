/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A classic BPF machine, for packets that the kernel's own cannot judge: those whose VLAN tag it
 * has stripped, and all of them where it takes no filter.
 *
 * Source: linux/filter.h, linux/bpf_common.h; the kernel's bpf_check_classic().
 */
#ifndef KSNIFF_AGENT_BPF_H
#define KSNIFF_AGENT_BPF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/agent.h"

/* What the ancillary loads (SKF_AD_*) give. */
struct bpf_metadata {
    uint32_t hatype;  /* ARPHRD_* */
    uint32_t pkttype; /* PACKET_* of linux/if_packet.h */
    uint32_t ifindex;
    uint32_t protocol; /* EtherType, host order */
};

/*
 * bpf_valid - may this program be run? Every jump stays inside it, every path ends in a return,
 * scratch memory and divisions are in bounds.
 */
bool bpf_valid(const struct agent_bpf_insn *program, size_t length);

/*
 * bpf_run - judge a packet with a valid program
 * @packet: @captured bytes
 * @original: the packet's length on the wire
 *
 * Return: bytes of the packet to keep, 0: none.
 */
uint32_t bpf_run(const struct agent_bpf_insn *program, const uint8_t *packet, uint32_t captured,
                 uint32_t original, const struct bpf_metadata *metadata);

#endif
