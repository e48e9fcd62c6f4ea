/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recorder is a supervisor and, for each target that is there, a process that writes its
 * segments. What they tell each other stands in memory that they share: numbers, each written by
 * one of them alone, or put there once.
 */
#ifndef KSNIFF_AGENT_LANE_H
#define KSNIFF_AGENT_LANE_H

#include <stdbool.h>
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
    uint64_t triggered; /* the time of the packet that has triggered; it counts where `trigger` has
                         * this target */
};

/* All targets'. */
struct shared {
    uint64_t trigger; /* the number of the target whose packet has triggered, and 1; 0: none has */
    struct lane lanes[];
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
 * shared_trigger - a packet of a target has triggered: the first one of all targets' counts
 * @time: of the packet
 *
 * What is to be known of it is there before it counts, so a writer that is killed amid this has
 * triggered, or has not. Return: does this one count?
 */
static inline bool shared_trigger(struct shared *shared, uint64_t target, uint64_t time)
{
    uint64_t none = 0;

    shared_set(&shared->lanes[target].triggered, time);
    return __atomic_compare_exchange_n(&shared->trigger, &none, target + 1, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

/* shared_triggered - Return: the time of the packet that has triggered; 0: none has, and
 * @ret_target is untouched. */
static inline uint64_t shared_triggered(const struct shared *shared, uint64_t *ret_target)
{
    uint64_t trigger = shared_get(&shared->trigger);

    if (trigger == 0)
        return 0;
    *ret_target = trigger - 1;
    return shared_get(&shared->lanes[trigger - 1].triggered);
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
int lane_write(const struct record_options *options, uint64_t target, int dir,
               struct shared *shared, const volatile int *stop);

#endif
