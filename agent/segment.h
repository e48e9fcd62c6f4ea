/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment of a recording as `fetch` reads it: bytes in, whole blocks out, and what they say. What
 * is there need not be what a recorder has written, so nothing in it is trusted; a segment may end
 * amid a block, and go on later. No I/O here.
 *
 * Source: common/recording.h, common/pcapng.h.
 */
#ifndef KSNIFF_AGENT_SEGMENT_H
#define KSNIFF_AGENT_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/agent.h"

struct sieve;

/* Bytes of a block at most: as much room as an output keeps for a packet. */
#define SEGMENT_BLOCK_MAX (AGENT_SNAPLEN_MAX + 512u)
/* Interfaces of one segment. The packets of those behind them are taken, whatever they are. */
#define SEGMENT_INTERFACES_MAX 4096u

struct segment_interface {
    uint64_t dropped;  /* packets, as its last statistics say */
    uint64_t left_out; /* packets that the sieve did not take */
    uint16_t linktype; /* LINKTYPE_* */
};

struct segment {
    bool begun;   /* its section header has come */
    bool ended;   /* the last block is statistics with isb_endtime */
    bool damaged; /* what comes next is no block that could stand there: nothing more is taken */
    uint32_t described; /* interfaces */

    /* Of all segments so far. */
    uint64_t packets; /* that were taken */
    uint64_t dropped;

    struct segment_interface interfaces[SEGMENT_INTERFACES_MAX];
};

/* segment_begin - another one begins. */
void segment_begin(struct segment *segment);

/*
 * segment_take - take the whole blocks that @bytes begin with
 * @sieve: NULL: every packet is wanted, and no byte is written to. Else those that are not are
 * removed from @bytes, what is kept moves up, and the statistics are made to say how many there are
 * @ret_kept: bytes that are left of those taken
 *
 * Return: bytes taken. What is left is the beginning of a block, of which the rest has not come or
 * has not been written yet, or segment->damaged.
 */
size_t segment_take(struct segment *segment, const struct sieve *sieve, uint8_t *bytes,
                    size_t length, size_t *ret_kept);

/*
 * segment_started - when a segment began, by the @length bytes that it begins with
 *
 * Return: nanoseconds since 1970: the time of its first packet, or what its first statistics say;
 * 0: not to be seen there.
 */
uint64_t segment_started(const uint8_t *bytes, size_t length);

/* segment_finished - when a segment ended, by its last block. Return: 0: it is not the one that a
 * whole segment ends with. */
uint64_t segment_finished(const uint8_t *block, size_t length);

/* segment_option - an option of a block of statistics, which is known to have @total bytes.
 * Return: where its @size bytes are; NULL: there is none. */
const uint8_t *segment_option(const uint8_t *isb, uint32_t total, uint16_t code, size_t size);

#endif
