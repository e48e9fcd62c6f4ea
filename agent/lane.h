/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recorder is a supervisor and, for each target that is there, a process that writes its
 * segments. What they tell each other stands in memory that they share: numbers, each written by
 * one of them alone, or put there once.
 */
#ifndef KSNIFF_AGENT_LANE_H
#define KSNIFF_AGENT_LANE_H

#include <stdint.h>

struct record_options;

/* One target's. All are read and written whole, by shared_get() and shared_set(). */
struct lane {
    uint64_t granted; /* by the supervisor: segments of lower numbers may be begun, others have to
                       * wait until it has made room */

    /* By the writer. */
    uint64_t next;      /* the number of its next segment */
    uint64_t open;      /* the one before it is still being written */
    uint64_t begun;     /* of that one: the time of its first packet */
    uint64_t packets;   /* of that one, as far as they are written */
    uint64_t bytes;     /* the same */
    uint64_t newest;    /* the time of the last packet */
    uint64_t dropped;   /* packets, since the ring was begun */
    uint64_t recording; /* it has found its namespace */
    uint64_t namespace; /* its inode */
};

/* All targets'. */
struct shared {
    uint64_t triggered;    /* the time of the packet that has triggered; 0: none has */
    uint64_t freeze_after; /* the time of the last packet that is still wanted; 0: of all */
    uint64_t trigger_target;
};

static inline uint64_t shared_get(const uint64_t *number)
{
    return __atomic_load_n(number, __ATOMIC_ACQUIRE);
}

static inline void shared_set(uint64_t *number, uint64_t value)
{
    __atomic_store_n(number, value, __ATOMIC_RELEASE);
}

/*
 * lane_write - be the writer of a target, until SIGTERM
 * @target: its number
 * @dir: the directory of its segments
 *
 * It wakes the supervisor by what it says on standard error, be it an empty line. Signals are
 * blocked, and caught by the caller's handler: @stop is what it sets. Return: AGENT_EXIT_*, after a
 * message.
 */
int lane_write(const struct record_options *options, uint64_t target, int dir, struct lane *lane,
               struct shared *shared, const volatile int *stop);

#endif
