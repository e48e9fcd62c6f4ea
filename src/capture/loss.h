/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a capture: did everything come that an agent has captured? If not, how much, and why.
 */
#ifndef KSNIFF_CAPTURE_LOSS_H
#define KSNIFF_CAPTURE_LOSS_H

#include <stdbool.h>
#include <stdint.h>

struct error;
struct recorder;
struct session;
struct share;
struct track;

struct loss {
    uint64_t packets;   /* captured, and not in the output */
    uint64_t unwritten; /* of them, given to the output, but taken from it by nobody */
    enum { LOSS_EXACTLY, LOSS_AT_MOST, LOSS_AT_LEAST } sure;
    char why[400];
};

/*
 * loss_find - compare, when the session has ended and has given out everything
 *
 * Return: false when nothing was lost: all is there, or what is missing was not wanted, since a
 * limit was reached, or who read it closed it without being late.
 */
bool loss_find(const struct session *session, const struct track *track, struct loss *ret_loss);

/*
 * loss_settle - all have ended: what was still on its way to the output then, and did not get there
 * @loss, @lossy: what loss_find() has found
 * @before: packets of the share that had been discarded, and were counted, by then
 * @why: the rest was given up; NULL: it was not
 *
 * Return: is anything lost?
 */
bool loss_settle(struct loss *loss, bool lossy, const struct recorder *recorder,
                 const struct share *share, uint64_t before, const char *why);

/* loss_add - the same of another target, into a sum. */
void loss_add(struct loss *sum, const struct loss *loss);

/* loss_text - "12 packets", "at least 12 packets", as part of a sentence. Return: @out. */
const char *loss_text(const struct loss *loss, char *out, unsigned long size);

/* loss_record - close the track: in the file stands what its reader must know. @loss: NULL: none.
 * Return: false when that cannot be taken now: do it again. */
bool loss_record(const struct session *session, const struct loss *loss, struct track *track);

/* loss_error - Return: -1 with the error, always. */
int loss_error(const struct loss *loss, struct error *err);

#endif
