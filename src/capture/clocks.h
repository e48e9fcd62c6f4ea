/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far the nodes' clocks are apart, and what is to be added to the times of their packets. No
 * I/O, and no clock: the time is given.
 *
 * Two things bound what a node's clock is ahead of ours: the round trips of its agents' answers
 * (method/clock.h), and packets that are seen at two nodes. What node a has sent at its x and node
 * b has received at its y was on its way for some time: b's clock is ahead of a's by y - x at most.
 * Packets the other way bound it from below, as NTP's two way exchange does. All bounds hold at
 * once; they are carried from node to node until nothing changes.
 *
 * A correction stays as long as it is within the bounds, and none is a correction of 0: so nothing
 * is corrected that does not exceed its bound. Times are put to those of the greater part of the
 * nodes, or where no greater part agrees, to the clock of this machine. Clocks drift, so bounds
 * widen with time; what contradicts the others is dropped, and a node which does so again and
 * again is not believed for a while.
 */
#ifndef KSNIFF_CAPTURE_CLOCKS_H
#define KSNIFF_CAPTURE_CLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/siphash.h"

#define CLOCKS_NEVER UINT64_MAX

struct capture_packet;
struct clock_node;
struct clock_pair;
struct clock_sight;

/* Times are nanoseconds; `now` is a clock that never steps. */
struct clocks {
    uint8_t key[SIPHASH_KEY];
    struct clock_node *nodes;
    size_t count;
    struct clock_pair *pairs;
    size_t pair_count;
    struct clock_sight *sights; /* a table of packets that were seen lately */
    int64_t time;               /* the time that is kept, seen from this machine's */
    bool anchored;              /* it is that of a node: */
    size_t anchor;
    bool changed;         /* something is known that was not taken into account */
    uint64_t updated;     /* when that was done */
    uint64_t eager_until; /* every packet is looked at */
};

/* clocks_init - @key: random. Release with clocks_free(). */
void clocks_init(struct clocks *clocks, const uint8_t key[SIPHASH_KEY]);
void clocks_free(struct clocks *clocks);

/* clocks_node - the node of this name, which has one clock. Return: its number; -1 when out of
 * memory. */
int clocks_node(struct clocks *clocks, const char *name, uint64_t now);

/* clocks_estimate - by an agent's answers, the node's clock is ahead of ours by @offset, and that
 * is off by @bound at most. Several agents of a node are taken together. */
void clocks_estimate(struct clocks *clocks, unsigned node, int64_t offset, int64_t bound,
                     uint64_t now);

/* clocks_see - a packet of a pod with a network of its own was seen on this node. @linktype: of its
 * interface. Most of them cost nothing. */
void clocks_see(struct clocks *clocks, unsigned node, uint16_t linktype,
                const struct capture_packet *packet, uint64_t now);

/* clocks_update - take into account what is new. Return: true when a correction has changed. */
bool clocks_update(struct clocks *clocks, uint64_t now);

/* clocks_deadline - Return: when clocks_update() is to be called; CLOCKS_NEVER: there is nothing
 * new. */
uint64_t clocks_deadline(const struct clocks *clocks);

/* clocks_are_known - of every node an answer has come, or none is expected any more. Before that a
 * correction may turn out to be another's. */
bool clocks_are_known(const struct clocks *clocks, uint64_t now);

/* clocks_shift - Return: what is to be added to the times of the node's packets. */
int64_t clocks_shift(const struct clocks *clocks, unsigned node);

/* clocks_offset - what the node's clock is ahead of ours, and how far that may be off. Return:
 * false when it is not known. */
bool clocks_offset(const struct clocks *clocks, unsigned node, int64_t *ret_offset,
                   int64_t *ret_bound);

/*
 * clocks_text - "50.104 ms ahead (± 0.041 ms), corrected", for a log or an interface's description
 *
 * Of what is corrected it is the difference from the time that is kept, else from our clock.
 * Return: @out, empty when nothing is known.
 */
const char *clocks_text(const struct clocks *clocks, unsigned node, char *out, size_t size);

#endif
