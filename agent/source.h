/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where packets come from: one AF_PACKET socket for all interfaces of the network namespace, with a
 * TPACKET_V3 ring, or recvmmsg() where there is none (gVisor).
 *
 * Source: Linux Documentation/networking/packet_mmap.rst, linux/if_packet.h, packet(7).
 */
#ifndef KSNIFF_AGENT_SOURCE_H
#define KSNIFF_AGENT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/bpf.h"
#include "agent/kernel_filter.h"

struct options;
struct sockaddr_ll;
struct tpacket3_hdr;

/* The kernel hands over a block of the ring that is not full after so many milliseconds. */
#define SOURCE_RETIRE_MS  20
#define SOURCE_PATIENT_MS 50 /* with options.patient: fewer times to wake up */

struct packet {
    const uint8_t *data;
    uint32_t captured; /* bytes of data */
    uint32_t original; /* bytes on the wire, without a stripped VLAN tag */
    uint32_t network;  /* where the network header begins in it: <= captured */
    uint32_t seconds, nanoseconds;
    struct bpf_metadata metadata;
    uint32_t status; /* TP_STATUS_* */
    bool has_vlan;   /* the kernel has stripped a tag */
    uint16_t vlan_tpid, vlan_tci;
    const struct sockaddr_ll *address; /* of the device and the sender, as the kernel gave it */
};

struct source {
    int fd;
    const struct options *options;
    bool can_filter; /* the kernel has socket filters */
    bool filtered;   /* the kernel runs the whole filter, the chosen interfaces included */
    struct kernel_filter_rules rules;

    uint8_t *ring; /* NULL: recvmmsg() */
    size_t block_size, block_count;
    size_t block;                    /* the one to be read next */
    uint32_t block_left;             /* packets of it that are still to be read */
    const struct tpacket3_hdr *next; /* the first of them */

    unsigned batch_count, batch_next; /* recvmmsg(): messages received, and read */
    uint32_t batch_room;              /* bytes kept of a message */

    /* Packets since source_start(). */
    uint64_t accepted; /* into the ring or the queue, as far as the kernel was asked */
    uint64_t taken;    /* out of it, the block or batch at hand included */
    uint64_t dropped;  /* by the kernel, for want of room */
};

/* source_open - socket and ring, nothing captured yet. Return: AGENT_EXIT_*, after a message. */
int source_open(struct source *source, const struct options *options);

/* source_start - capture from now on, with the filter in place and nothing from before. */
int source_start(struct source *source, const struct kernel_filter_rules *rules);

/* source_refilter - put a filter by source->rules, which have changed, in place of the present one.
 * Return: false when the kernel does not take it and the present one stays. */
bool source_refilter(struct source *source);

/* source_reprogram - the same with the user's program of source->options, which has changed. */
bool source_reprogram(struct source *source);

/* source_fits - is a program made for the packets of such a device (ARPHRD_*), as they come?
 * @ethernet_only: it is for Ethernet frames, not for IP packets, too */
bool source_fits(bool ethernet_only, unsigned hatype);

/*
 * source_judged - must the caller run the user's program on this packet?
 *
 * The kernel runs it on Ethernet frames and, where the program is made for them, on IP packets.
 * A packet that must be judged has all of its bytes, whatever the snaplen: the program may look
 * beyond it.
 */
bool source_judged(const struct source *source, const struct packet *packet);

/* source_next - Return: true with the next packet, valid until the next call; false: none now. */
bool source_next(struct source *source, struct packet *ret_packet);

/* source_is_crowded - is half of the ring filled, or is there none? */
bool source_is_crowded(const struct source *source);

/* source_stop - let no further packet in; what is in the ring stays to be read. A kernel without
 * socket filters lets them in all the same. */
void source_stop(struct source *source);

/* source_update_statistics - ask the kernel for source->accepted and source->dropped. */
void source_update_statistics(struct source *source);

/* source_left - Return: packets that source_next() has still to give, as of the last
 * source_update_statistics(). */
uint64_t source_left(const struct source *source);

#endif
