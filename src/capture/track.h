/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One target's way into the section: items as its agents number them in, items of the section out.
 * Agents follow each other after cuts: what is the same device stays the same interface, and its
 * statistics count on. So do segments of what was recorded (common/recording.h), each of which
 * numbers its interfaces and counts anew.
 */
#ifndef KSNIFF_CAPTURE_TRACK_H
#define KSNIFF_CAPTURE_TRACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "capture/recorder.h"
#include "pcapng/item.h"

/* Devices of one target, in all of its agents' or segments' lives together, and interfaces that one
 * of these names: an agent knows 1024 at a time. Packets of those behind them are counted as
 * discarded. */
#define TRACK_DEVICES_MAX 16384u

struct track {
    struct recorder *recorder;
    struct share share;
    /* Takes packets and statistics, numbered as in the section. Return: false when one cannot
     * be taken now. */
    bool (*give)(void *data, enum capture_item_kind kind, const struct capture_item *item);
    void *data;

    struct buf devices; /* struct track_device each */
    struct buf map;     /* uint32_t of each interface of the present agent: its device; no more
                           than TRACK_DEVICES_MAX */
    uint32_t agent;     /* its number */
    uint32_t same;      /* those from this on give the same segment */
    uint32_t next;      /* the device that is looked at first: they come in the same order */
    bool segments;      /* what was recorded: track_segment() */
    uint64_t latest;    /* ns since 1970, of its packets; 0: there was none */
    char gap[600];      /* comment for the next packet; "": none */

    bool holding;               /* track_hold() */
    bool holds;                 /* a packet: */
    struct capture_packet held; /* its data stands in held_bytes */
    char held_comment[CAPTURE_COMMENT_MAX];
    struct buf held_bytes;
};

/* track_init - recorder, share's texts, give and data have been set. */
void track_init(struct track *track);
void track_free(struct track *track);

/* track_item - take an item of the present agent. Return: false when it cannot be taken now:
 * give it again. */
bool track_item(struct track *track, enum capture_item_kind kind, const struct capture_item *item);

/* track_follow - another agent follows. */
void track_follow(struct track *track);

/*
 * track_segment - a segment of what was recorded begins
 * @repeated: the one before, once more: a cut has been taken up
 */
void track_segment(struct track *track, bool repeated);

/*
 * track_gap - the next packet says what is missing before it
 * @milliseconds: how long the gap is
 * @why: one line
 */
void track_gap(struct track *track, uint64_t milliseconds, const char *why);

/* track_hold - from now on keep the last packet back, so that a comment can be put on it. */
void track_hold(struct track *track);

/* What the last agent did not come to say itself. */
struct track_end {
    uint64_t dropped;    /* packets that it could not capture */
    uint64_t lost;       /* packets that it captured and that are not here */
    uint64_t timestamp;  /* of what says so, ns since 1970: it is never before the last packet */
    const char *comment; /* of these, and of the packet that is held back; NULL: none */
};

/* track_close - the last agent has ended: give the packet that is held back, and @end (NULL: it
 * has said all itself). Return: false when that cannot be taken now: close it again. */
bool track_close(struct track *track, const struct track_end *end);

#endif
