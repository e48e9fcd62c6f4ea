/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which segments a recorder keeps: all targets' have one bound in bytes, and one in age. The oldest
 * go first, whosever they are, so that the ring holds the same time of every target. Those that are
 * being written count as what they may become, and the next ones, too, and so does one that was
 * removed, which somebody may still read (shelf.h): so what there is is never more than the bound,
 * whenever it is looked at. Only the oldest segment of each target is known;
 * the others are looked at when it is their turn. No I/O here.
 */
#ifndef KSNIFF_AGENT_KEEPER_H
#define KSNIFF_AGENT_KEEPER_H

#include <stddef.h>
#include <stdint.h>

#include "common/recording.h"

#define KEEPER_NONE    SIZE_MAX
#define KEEPER_AHEAD   2           /* segments of a target that nobody has counted yet, at most */
#define KEEPER_REMOVED 1           /* segments that were removed, and may still be read, at most */
#define KEEPER_ELSE    (64u << 10) /* bytes of what is no segment: the state and directories */

/* What a closed segment is. */
struct keeper_segment {
    uint64_t number;
    uint64_t bytes;
    uint64_t packets;
    uint64_t begun,
        ended; /* nanoseconds since 1970; of a torn one, of which nobody knows, begun is 0 */
};

/* The closed segments of a target. All zero: there is none. */
struct keeper_target {
    uint64_t segments, bytes, packets;
    uint64_t held;                /* bytes, as whole blocks */
    struct keeper_segment oldest; /* where there are any */
};

struct keeper {
    uint64_t keep;    /* bytes */
    uint64_t age;     /* nanoseconds; 0: any */
    uint64_t segment; /* bytes that one may become */
    size_t count;     /* of targets */
    struct keeper_target targets[RECORDING_TARGETS_MAX];
};

/* keeper_add - a segment has been closed; they come in the order of their numbers. */
void keeper_add(struct keeper *keeper, size_t target, const struct keeper_segment *segment);

/* keeper_choose - Return: the target whose oldest segment is to go; KEEPER_NONE: all may stay.
 * @now: nanoseconds since 1970 */
size_t keeper_choose(const struct keeper *keeper, uint64_t now);

/* keeper_remove - the oldest one has gone; @next: what is the oldest then, if there are any. */
void keeper_remove(struct keeper *keeper, size_t target, const struct keeper_segment *next);

#endif
