/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agents send, written: items into blocks, blocks into the sink, as far as the limits
 * allow. Agents may follow each other: each brings interfaces of its own.
 */
#ifndef KSNIFF_CAPTURE_RECORDER_H
#define KSNIFF_CAPTURE_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/counters.h"
#include "base/error.h"
#include "pcapng/item.h"
#include "pcapng/writer.h"

struct settings;
struct sink;

struct recorder {
    const struct settings *settings;
    struct sink *sink;
    const char *comment; /* of the section; borrowed until it has begun */
    const char *title;   /* of Wireshark's window; the same */
    const char *subject; /* whose packets they are, in a word; the same */
    const char *prefix;  /* what stands before an interface's name: "default/web" */

    bool begun;           /* the sink is open */
    bool limited;         /* --count or --max-size is reached */
    bool discarding;      /* recorder_discard() */
    bool sink_ended;      /* nobody reads it any more */
    bool behind;          /* and what read it was late: packets waited for it */
    struct error failure; /* of writing */
    struct buf out;
    struct capture_writer writer;
    uint32_t base; /* interfaces of the agents before this one */
    char gap[600]; /* comment for the next packet; "": none */

    const char *limit;        /* the flag whose limit is reached; NULL: none */
    uint64_t packets, bytes;  /* written, of packets */
    uint64_t left_out;        /* packets that the format cannot hold */
    struct buf unfit;         /* of each interface a byte: 1: its packets are left out */
    struct counters recorded; /* packets of each interface */
    struct counters received; /* of each interface: as its last statistics say */
    struct counters drops;    /* the same */
    uint64_t dropped;         /* their sum, and what was lost on the way */
    uint64_t lost;            /* of it */
    uint64_t discarded;       /* packets that came and were not written, but for the limits */
    struct buf ends;          /* of packets that the sink may not have taken: a uint64_t each, the
                                 place in the output behind it */

    bool holding;               /* recorder_hold() */
    struct capture_packet held; /* its data stands in held_bytes */
    struct buf held_bytes;
    bool holds;

    void (*started)(void *data); /* capturing has really begun */
    void (*enough)(void *data);  /* a limit is reached, or nobody reads any more */
    void (*failed)(void *data);  /* nothing can be written any more */
    void *data;
};

/* recorder_init - the settings, the sink, the texts and the events have been set. */
void recorder_init(struct recorder *recorder);
void recorder_free(struct recorder *recorder);

/* recorder_abandon - what the sink has not taken by now is not for whoever reads from it next. */
void recorder_abandon(struct recorder *recorder);

/* recorder_reset - what was recorded is finished; another capture goes into the same sink. */
void recorder_reset(struct recorder *recorder);

/* recorder_item - take an item. Return: false when a packet cannot be taken now. */
bool recorder_item(struct recorder *recorder, enum capture_item_kind kind,
                   const struct capture_item *item);

/* recorder_flush - give the sink what it takes. */
void recorder_flush(struct recorder *recorder);

/* recorder_has_room - would a packet be taken? */
bool recorder_has_room(const struct recorder *recorder);

/* recorder_follow - another agent follows: its interfaces are new ones. */
void recorder_follow(struct recorder *recorder);

/*
 * recorder_gap - the next packet says what is missing before it
 * @milliseconds: how long the gap is
 * @why: one line
 */
void recorder_gap(struct recorder *recorder, uint64_t milliseconds, const char *why);

/* recorder_hold - from now on keep the last packet back, so that a comment can be put on it. */
void recorder_hold(struct recorder *recorder);

/* recorder_discard - from now on count packets, and write none. */
void recorder_discard(struct recorder *recorder);

/* What the last agent did not come to say itself. */
struct recorder_end {
    uint64_t dropped;    /* packets that it could not capture */
    uint64_t lost;       /* packets that it captured and that are not here */
    uint64_t timestamp;  /* of the statistics that say so, nanoseconds since 1970 */
    const char *comment; /* of these, and of the packet that is held back; NULL: none */
};

/* recorder_close - the last agent has ended: write the packet that is held back, and @end. NULL: it
 * has said all itself. */
void recorder_close(struct recorder *recorder, const struct recorder_end *end);

/* recorder_unwritten - packets that have been written, but that nobody has got: the sink has not
 * taken them, or whoever read it has left them in the pipe. */
uint64_t recorder_unwritten(const struct recorder *recorder);

/* recorder_dropped - packets that the agents could not take in time, so far; those that were lost
 * on the way are not among them. */
uint64_t recorder_dropped(const struct recorder *recorder);

#endif
