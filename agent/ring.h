/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The segments of one target in a recorder's ring, as files (common/recording.h). The recorder adds
 * to them and removes them all the while.
 */
#ifndef KSNIFF_AGENT_RING_H
#define KSNIFF_AGENT_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/recording.h"

#define RING_NONE UINT64_MAX

typedef char ring_segment_name[RECORDING_SEGMENT_DIGITS + 1];

struct ring {
    int base; /* the ring's directory */
    int dir;  /* the target's; -1: it is not there yet */
    char target[21];
};

/* ring_base - open a ring's directory. Return: a descriptor, or -1 after a message. */
int ring_base(const char *path);

/* ring_open - @target: a target's number. Return: 0, or -1 after a message. */
int ring_open(struct ring *ring, const char *path, uint64_t target);

/*
 * ring_look - which segments are there?
 * @from: the first that is of interest
 * @ret_first, @ret_last: numbers; RING_NONE: there is none from that one on; may be NULL
 */
void ring_look(struct ring *ring, uint64_t from, uint64_t *ret_first, uint64_t *ret_last);

/* ring_name - the name of a segment's file. Return: @out. */
const char *ring_name(ring_segment_name out, uint64_t number);

/* ring_file - open a regular file of a directory, following no link. Return: a descriptor, or -1
 * with errno. */
int ring_file(int dir, const char *name);

/* ring_segment - open a segment. Return: a descriptor, or -1 with errno. */
int ring_segment(const struct ring *ring, uint64_t number);

#endif
