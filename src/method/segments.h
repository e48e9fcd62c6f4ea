/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a recording has been fetched: in which segment (common/recording.h), and how many packets
 * of it have been taken. A fetch that is cut is taken up with that segment, and those packets are
 * left out the second time. No I/O here.
 */
#ifndef KSNIFF_METHOD_SEGMENTS_H
#define KSNIFF_METHOD_SEGMENTS_H

#include <stdbool.h>
#include <stdint.h>

/* All zero: nothing has come. */
struct segments {
    bool begun;
    uint64_t number; /* of the present one */
    uint64_t taken;  /* packets of it */
    uint64_t skip;   /* packets that come again */
    bool ended;      /* and there are no others in it */
    bool resumed;    /* segments_resume(), and none has begun since */
    bool repeated;   /* the present one has come before, as far as it was taken */
    uint64_t missed; /* segments between the one before and the present one, not all there */
};

/*
 * segments_begin - another one comes
 *
 * Return: 0; -1 when it stands before the present one, which no recorder does.
 */
int segments_begin(struct segments *segments, uint64_t number);

/* segments_skips - a packet has come. Return: was it taken before the cut? */
bool segments_skips(struct segments *segments);

/* segments_took - a packet has been taken. */
void segments_took(struct segments *segments);

/* segments_end - the present one has its last statistics. */
void segments_end(struct segments *segments);

/* segments_resume - a cut is taken up: with the present one, if there is one. */
void segments_resume(struct segments *segments);

#endif
