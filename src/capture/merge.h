/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What many agents send, in the order of time: N sources in, one stream out. No I/O, and no clock:
 * the time is given.
 *
 * A packet is given out when every source that could still bring an earlier one has brought a
 * later one, or when it has waited the window since it arrived. "Could still": a source of which
 * nothing has come for half a window is silent. It is taken to have nothing older than its items
 * usually are when they come, with two fifths of a window to spare, so that silent ones do not make
 * the others wait the whole window for ever. A source whose items come a window and more after
 * those of most others cannot be waited for, and is not. One that is closed is not, either.
 *
 * What comes when a later packet has been given out is given out at once, and is late. So is what
 * lies half a window and more in the future, seen from most sources: it changes nothing for the
 * others.
 *
 * An agent's packets are only nearly in order: its processors stamp and queue them side by side.
 * They are put in order as far as they wait anyway, and a source's word that it has come to a time
 * holds for a twentieth of a window before it. Its statistics stay behind the packets that came
 * before them; they tell nothing of what is still in its ring, and are waited for by nobody.
 *
 * With one source nothing waits and nothing is copied, unless the merge is `patient`: then each
 * packet waits for the window since it arrived, whatever the others do, so that something else can
 * still get in front of it.
 *
 * What was recorded comes as quickly as it is read: no time tells anything of it. While it is being
 * fetched, a packet is given out when every open source has brought a later one, however long that
 * takes. A source that is ahead of one that is waited for is turned away when much is held, and
 * that one never is: so memory is bounded, and something always moves. A source may go on, with
 * what is recorded from now on; it is waited for no longer than that takes to come. When all that
 * are open do so, the merge becomes the usual one.
 */
#ifndef KSNIFF_CAPTURE_MERGE_H
#define KSNIFF_CAPTURE_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/heap.h"
#include "capture/shelf.h"
#include "pcapng/item.h"

#define MERGE_HELD_MAX ((size_t)16 << 20) /* bytes; above it the earliest do not wait any more */
#define MERGE_NEVER    UINT64_MAX

struct merge_source;

/* Times are nanoseconds. `now` is a clock that never steps; it begins near the time of day, by
 * which is judged, where all else is equal, whose clock is the wrong one. */
struct merge {
    uint64_t window;
    size_t held_max; /* bytes */
    bool patient;    /* everything waits for the window, also with one source */
    /* Takes an item, whose time is corrected. Return: false when a packet cannot be taken now. It
     * calls nothing of the merge. */
    bool (*take)(void *data, unsigned source, enum capture_item_kind kind,
                 const struct capture_item *item);
    void *data;

    struct merge_source **sources; /* by number; NULL: free */
    size_t count;
    size_t added; /* those that are not free */
    size_t open;  /* those that are not closed */
    bool ending;  /* merge_end() */
    size_t held;  /* items */

    struct shelf shelf;
    struct heap heads; /* sources that hold something, by the corrected time of the first */
    struct heap marks; /* those that are waited for, by the time that they have come to or later */
    uint64_t given;    /* the latest corrected time that was given out in order */
    bool refused;      /* something could not be taken: merge_advance() tries again */
    bool fetching;     /* merge_fetch() */
    bool turned_away;  /* a source was, for what is held, and nothing was given out since */
    bool invites;      /* but now something was: merge_invites() */

    uint64_t looked; /* when the lags were compared */
    bool compared;   /* there are any */
    int64_t usual;   /* the least lag of most sources */
    uint64_t late;   /* packets of all sources */
    struct capture_item item;
};

/* merge_init - @window: how long an item may wait, 0: none does. Release with merge_free(). */
void merge_init(struct merge *merge, uint64_t window,
                bool (*take)(void *data, unsigned source, enum capture_item_kind kind,
                             const struct capture_item *item),
                void *data);
void merge_free(struct merge *merge);

/* merge_add - a source, from which something may come soon. Return: its number, that of a removed
 * one perhaps; -1 when out of memory. */
int merge_add(struct merge *merge);

/* merge_correct - add @shift to its times, as capture/slew.h has it; also to those that wait. Then
 * call merge_advance(). */
void merge_correct(struct merge *merge, unsigned source, int64_t shift);

/*
 * merge_put - an item has come
 * @now: not less than ever before
 *
 * An interface is given out at once, unless something of its source waits.
 * Return: false when it was not taken: call again, with the same item, after merge_advance().
 */
bool merge_put(struct merge *merge, unsigned source, enum capture_item_kind kind,
               const struct capture_item *item, uint64_t now);

/* merge_advance - give out what is due. Return: false when something was not taken. */
bool merge_advance(struct merge *merge, uint64_t now);

/* merge_deadline - Return: when merge_advance() is to be called, if nothing comes before;
 * MERGE_NEVER: not by the time. */
uint64_t merge_deadline(const struct merge *merge);

/* merge_close - the source has ended or is cut: nobody waits for it. What is put in opens it. */
void merge_close(struct merge *merge, unsigned source);

/* merge_open - something may come of it soon, as after merge_add(). */
void merge_open(struct merge *merge, unsigned source);

/* merge_remove - it is closed, and merge_holds() nothing of it. */
void merge_remove(struct merge *merge, unsigned source);

/* merge_fetch - what the sources bring was recorded: none is waited for by the time. */
void merge_fetch(struct merge *merge);

/* merge_live - of this source all that was recorded has come: it goes on with what is recorded from
 * now on. */
void merge_live(struct merge *merge, unsigned source);

/* merge_invites - has room been made since a source was turned away? Asked once, it is said once.
 * Then what merge_put() has not taken may be offered again. */
bool merge_invites(struct merge *merge);

/* merge_holds - Return: how many of its items wait. */
size_t merge_holds(const struct merge *merge, unsigned source);

/* merge_late - Return: how many of its packets came too late for their place. */
uint64_t merge_late(const struct merge *merge, unsigned source);

/* merge_end - all sources come to their ends, not at once: they are waited for until they are
 * closed, for at least @window, so that the last items are in order, too. */
void merge_end(struct merge *merge, uint64_t window);

/* merge_flush - give out all that waits. Return: false when something was not taken. */
bool merge_flush(struct merge *merge);

#endif
