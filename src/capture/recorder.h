/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is captured of all targets, written: items into the blocks of one section, blocks into the
 * sink, as far as the limits allow. Interfaces are numbered over the whole capture here; track.h
 * makes a target's items such ones. In a section each has the number of its turn: where files
 * follow each other, each file has a section of its own (next_file.h), and where each target has a
 * file, so has that.
 */
#ifndef KSNIFF_CAPTURE_RECORDER_H
#define KSNIFF_CAPTURE_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "capture/keyring.h"
#include "capture/outlet.h"
#include "pcapng/item.h"
#include "sink/pattern.h"

struct settings;
struct sink;

/* One target's share of the capture. */
struct share {
    const char *prefix;      /* what stands before an interface's name: "default/web"; borrowed */
    const char *description; /* of each of its interfaces; NULL: none; borrowed, like: */
    const char *filter;      /* what its packets have passed; NULL: none */
    struct pattern_values values; /* for the name of its file; borrowed */

    struct outlet *outlet;   /* where it goes; NULL: nothing has come yet */
    uint64_t packets, bytes; /* written; bytes: as long as the packets were on the wire */
    uint64_t kept;           /* of these bytes, those that were captured */
    uint64_t dropped;        /* that its agents could not take in time, and what was lost */
    uint64_t lost;           /* of them, on the way */
    uint64_t left_out;       /* packets that the format cannot hold */
    uint64_t discarded;      /* that came and were not written, but for the limits */
    uint64_t duplicates; /* packets that another target has shown before, and that are left out */
};

/* recorder_room - bytes that a packet takes in a section, at most. */
uint64_t recorder_room(const struct capture_packet *packet);

#define RECORDER_NO_NUMBER UINT32_MAX

/* One interface of the capture. */
struct recorder_interface {
    struct share *share;
    char *name; /* as it stands in the section; owned */
    uint16_t linktype;
    uint32_t snaplen;
    bool has_mac;
    uint8_t mac[6];
    uint64_t speed;
    char *hardware;             /* owned; "": unknown */
    uint32_t number;            /* in its section; RECORDER_NO_NUMBER: it does not stand there */
    bool unfit;                 /* the format cannot hold its packets */
    bool ended;                 /* a file that begins need not have it */
    bool untold;                /* this file has no statistics of it yet, but earlier ones do */
    uint64_t recorded;          /* packets */
    uint64_t received, dropped; /* as its last statistics say */
    uint64_t received_before, dropped_before; /* of them, what stands in earlier files */
};

struct recorder {
    const struct settings *settings;
    struct sink *sink;
    const char *title;   /* of Wireshark's window; borrowed until it has begun */
    const char *subject; /* whose packets they are, in a word; the same */

    bool begun;                            /* the sink is open */
    bool limited;                          /* --count or --max-size is reached */
    bool discarding;                       /* recorder_discard() */
    bool paused;                           /* recorder_pause() */
    uint64_t skipped, skipped_before;      /* packets, in all pauses, and in those before this */
    char *notice;                          /* for the next packet; owned; NULL: none */
    bool sink_ended;                       /* nobody reads it any more */
    bool behind;                           /* and what read it was late: packets waited for it */
    struct error failure;                  /* of writing */
    struct outlet outlet;                  /* of all targets, unless: */
    bool apart;                            /* each has one of its own */
    struct pattern_names names;            /* of their files */
    struct recorder_file *files;           /* these; owned */
    struct recorder_interface *interfaces; /* owned; interface_count of them */
    size_t interface_count, interface_room;

    struct keyring keyring; /* of the targets whose key logs are read */
    bool names_due;         /* there are names that a section does not have yet */

    const char *limit;       /* the flag whose limit is reached; NULL: none */
    uint64_t packets, bytes; /* the sums of all shares, as is: */
    uint64_t left_out;

    /* Return: the comment of the section of this share, NULL: of all; owned by the caller. */
    char *(*describe)(void *data, const struct share *share);
    /* As names_next(): those that the section of @cursor does not have yet; NULL: there are none.
     */
    size_t (*next_names)(void *data, uint64_t *cursor, struct capture_address *ret_addresses,
                         size_t most);
    void (*started)(void *data); /* capturing has really begun */
    void (*enough)(void *data);  /* a limit is reached, or nobody reads any more */
    void (*failed)(void *data);  /* nothing can be written any more */
    void *data;
};

/* recorder_init - the settings, the sink, the texts and the events have been set. */
void recorder_init(struct recorder *recorder);
void recorder_free(struct recorder *recorder);

/* recorder_is_flushed - has the sink taken everything? */
bool recorder_is_flushed(const struct recorder *recorder);

/* recorder_files - Return: how many files have been begun; @ret_last: the path of the last, good as
 * long as it is open; NULL: each target has others. */
uint64_t recorder_files(const struct recorder *recorder, const char **ret_last);

/* recorder_finish - close the sink in order, and each target's. */
int recorder_finish(struct recorder *recorder, struct error *err);

/* recorder_end - nothing more comes of this target: a file of its own is closed in order. */
void recorder_end(struct recorder *recorder, const struct share *share);

/* recorder_abandon - what the sink has not taken by now is not for whoever reads from it next. */
void recorder_abandon(struct recorder *recorder);

/* recorder_reset - what was recorded is finished; another capture goes into the same sink. */
void recorder_reset(struct recorder *recorder);

/* recorder_write_interface - write it into its share's section. Return: 0, -1 with the error. */
int recorder_write_interface(struct recorder_interface *row, struct error *err);

/* recorder_name - what an interface is called in the section: @out, @size bytes. @name: by its
 * agent */
void recorder_name(const struct share *share, const char *name, char *out, size_t size);

/*
 * recorder_interface - add an interface; the first begins the section
 * @share: whose it is; it must outlive the recorder's interfaces
 *
 * Make room for it before: it is written at once.
 * Return: its number in the section; -1 when nothing is written any more.
 */
int64_t recorder_interface(struct recorder *recorder, struct share *share,
                           const struct capture_interface *interface);

/* recorder_begin - begin the output without a packet, nor an interface. */
void recorder_begin(struct recorder *recorder, struct share *share);

/* recorder_packet - take a packet, its interface numbered as in the section. Return: false when it
 * cannot be taken now. */
bool recorder_packet(struct recorder *recorder, const struct capture_packet *packet);

/* In the place of `received`: as many as have been recorded, and those that were dropped. */
#define RECORDER_AS_RECORDED UINT64_MAX

/* recorder_statistics - take statistics, which count from the section's beginning. Return: false
 * when they cannot be taken now. */
bool recorder_statistics(struct recorder *recorder, const struct capture_statistics *statistics);

/* recorder_names - there are new names: each section gets them. */
void recorder_names(struct recorder *recorder);

/* recorder_write_names - write those that the outlet's section does not have yet, as many as it
 * takes now; recorder_flush() writes the rest. Return: 0, -1 with the error. */
int recorder_write_names(struct recorder *recorder, struct outlet *outlet, struct error *err);

/* recorder_flush - give the sink what it takes. */
void recorder_flush(struct recorder *recorder);

/* recorder_has_room - would a packet be taken? */
bool recorder_has_room(const struct recorder *recorder);

/* recorder_make_room - the same of this share, where the sink may take what is there already. */
bool recorder_make_room(struct recorder *recorder, const struct share *share);

/* recorder_pause - write no packet for a while: they are counted, and the next one that is written
 * says how many have passed. */
void recorder_pause(struct recorder *recorder, bool paused);

/* recorder_notice - have the next packet that is written say this in its comment. */
void recorder_notice(struct recorder *recorder, const char *text);

/* recorder_discard - from now on count packets, and write none. */
void recorder_discard(struct recorder *recorder);

/*
 * recorder_unwritten - packets that have been written, but that nobody has got: the sink has not
 * taken them, or whoever read it has left them in the pipe
 * @share: of this target; NULL: of all
 */
uint64_t recorder_unwritten(const struct recorder *recorder, const struct share *share);

/* share_dropped - packets that the agents could not take in time, so far; those that were lost on
 * the way are not among them. */
uint64_t share_dropped(const struct share *share);

#endif
