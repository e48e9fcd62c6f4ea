/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the targets' tracks to the recorder: what all of them give, in the order of time
 * (capture/merge.h), by clocks that agree (capture/clocks.h), and with --dedup each packet once
 * (capture/dedup.h). Times are those of loop_time().
 */
#ifndef KSNIFF_CAPTURE_TIMELINE_H
#define KSNIFF_CAPTURE_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/clocks.h"
#include "capture/dedup.h"
#include "capture/merge.h"
#include "pcapng/item.h"

struct error;
struct recorder;
struct settings;
struct timeline_source;

struct timeline {
    const struct settings *settings;
    struct recorder *recorder;
    struct merge merge;
    struct clocks clocks;
    struct dedup dedup;
    struct timeline_source *sources; /* by the merge's numbers */
    size_t count;
};

/* timeline_init - settings and recorder have been set. Return: 0; -1 with the error. */
int timeline_init(struct timeline *timeline, struct error *err);
void timeline_free(struct timeline *timeline);

/* timeline_add - a target of which something may come. Return: its source's number; -1 when out of
 * memory. */
int timeline_add(struct timeline *timeline);

/*
 * timeline_begin - its agent captures, on this node
 * @node: whose clock it is
 * @is_end: it has a network of its own: what it sends and receives is not only passed on
 */
void timeline_begin(struct timeline *timeline, unsigned source, const char *node, bool is_end,
                    uint64_t now);

/* timeline_clock - by its agent's answers, what its node's clock is ahead of ours, give or take
 * @bound nanoseconds. */
void timeline_clock(struct timeline *timeline, unsigned source, int64_t offset, int64_t bound,
                    uint64_t now);

/* timeline_knows_clocks - of the nodes on which agents capture all have answered, or are not
 * expected to any more. */
bool timeline_knows_clocks(const struct timeline *timeline, uint64_t now);

/* timeline_clock_text - what an interface's description says of it, as clocks_text(). Return: @out,
 * empty: nothing. */
const char *timeline_clock_text(const struct timeline *timeline, unsigned source, char *out,
                                size_t size);

/* timeline_put - take a packet or statistics, numbered as in the section. Return: false when it
 * cannot be taken now. */
bool timeline_put(struct timeline *timeline, unsigned source, enum capture_item_kind kind,
                  const struct capture_item *item, uint64_t now);

/* timeline_live - of what was recorded of it all has come: it goes on from now on. */
void timeline_live(struct timeline *timeline, unsigned source);

/* timeline_is_fetching - what was recorded is waited for, and no time tells anything of it. */
bool timeline_is_fetching(const struct timeline *timeline);

/* timeline_invites - as merge_invites() */
bool timeline_invites(struct timeline *timeline);

/* timeline_close - its agent has ended, or is cut off: nobody waits for it. */
void timeline_close(struct timeline *timeline, unsigned source);

/* timeline_step - write what is due. Return: false when the recorder did not take all of it. */
bool timeline_step(struct timeline *timeline, uint64_t now);

/* timeline_flush - write all that waits, as far as the recorder takes it. */
void timeline_flush(struct timeline *timeline);

/* timeline_wait - Return: milliseconds until timeline_step() has something to do; -1: not by the
 * time. */
int timeline_wait(const struct timeline *timeline, uint64_t now);

/* timeline_end - all sources come to their ends, not at once: they are waited for somewhat longer,
 * so that the last packets are in order, too. */
void timeline_end(struct timeline *timeline);

/* timeline_remove - nothing has come of it, and nothing will. */
void timeline_remove(struct timeline *timeline, unsigned source);

/* timeline_holds - is anything of this one still to be written? */
bool timeline_holds(const struct timeline *timeline, unsigned source);

/* timeline_is_empty - everything has been written. */
bool timeline_is_empty(const struct timeline *timeline);

/* timeline_late - packets that came too late for their place. */
uint64_t timeline_late(const struct timeline *timeline, unsigned source);

/* timeline_offset - what its node's clock is ahead of ours, give or take @ret_bound nanoseconds.
 * Return: false when it is not known. */
bool timeline_offset(const struct timeline *timeline, unsigned source, int64_t *ret_offset,
                     int64_t *ret_bound);

#endif
