/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a ring on the recorder's side: what there is, what goes, and the state. */
#ifndef KSNIFF_AGENT_SHELF_H
#define KSNIFF_AGENT_SHELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/keeper.h"
#include "agent/ring.h"
#include "agent/state.h"

struct shelf {
    int base;
    int removed; /* the segment that was removed last; -1: none was */
    size_t count;
    struct ring rings[RECORDING_TARGETS_MAX];
};

/* shelf_open - make the directories of @count targets, where they are not there yet. Return:
 * AGENT_EXIT_*, after a message. */
int shelf_open(struct shelf *shelf, const char *path, size_t count);

/* shelf_look - what a closed segment is. @ret_segment: all of it. Return: false: there is none of
 * this number. */
bool shelf_look(const struct shelf *shelf, size_t target, uint64_t number,
                struct keeper_segment *ret_segment);

/* shelf_count - add all segments that an earlier recorder has left. @ret_next: the number behind
 * the last */
void shelf_count(struct shelf *shelf, struct keeper *keeper, size_t target, uint64_t *ret_next);

/*
 * shelf_remove - the oldest segment of a target
 * @next: the first number that is not counted yet
 *
 * Who fetches it may have it open, and read on. But it is cut when the next one is removed: however
 * many there are that fetch, and however slowly, the disk holds one removed segment at most.
 */
void shelf_remove(struct shelf *shelf, struct keeper *keeper, size_t target, uint64_t next);

/* shelf_read_state - what an earlier recorder has left; nothing of it: nothing is changed. */
void shelf_read_state(const struct shelf *shelf, struct ring_state *state);

/* shelf_write_state - Return: false, with errno. */
bool shelf_write_state(const struct shelf *shelf, const char *text, size_t length);

/* shelf_is_to_freeze - has somebody asked for it? */
bool shelf_is_to_freeze(const struct shelf *shelf);

#endif
