/* SPDX-License-Identifier: Apache-2.0 */
/* How a run is ended: in order, at once, or without waiting for what is still to come. */
#ifndef KSNIFF_CAPTURE_ENDING_H
#define KSNIFF_CAPTURE_ENDING_H

#include <stdbool.h>
#include <stddef.h>

struct run;

/* ending_stop - end it in order: what was captured is waited for. @data: the run */
void ending_stop(void *data);

/* ending_stop_at_once - a limit is reached, or nobody reads any more: what is still to come is not
 * wanted. @data: the run */
void ending_stop_at_once(void *data);

/* ending_cut - wait for nothing. @data: the run */
void ending_cut(void *data);

/* ending_give_up - do not wait for what is still to come. Again: changes nothing. @why: a string
 * that stays */
void ending_give_up(struct run *run, const char *why);

/*
 * ending_interrupt - the user has interrupted it
 *
 * The first interrupt ends the capture in order. The next one, or the first after the user was told
 * that it takes its time, gives up what is still to come; the one after that waits for nothing.
 *
 * Return: false when the run is over by that.
 */
bool ending_interrupt(struct run *run);

/* ending_is_stuck - was it given up, and takes who reads the output nothing any more? To be asked
 * again and again. */
bool ending_is_stuck(struct run *run);

/* ending_text - what is still to come, for one line. Return: @out, empty before the end. */
const char *ending_text(const struct run *run, char *out, size_t size);

#endif
