/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the moment a capture is to end until everything is in the output: what the agent, the way to
 * it and the reader of the output still hold is waited for as long as any of it comes, and
 * --drain-timeout allows; the user may give it up.
 */
#ifndef KSNIFF_CAPTURE_DRAIN_H
#define KSNIFF_CAPTURE_DRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/loss.h"

struct error;
struct loop;
struct loop_timer;
struct recorder;
struct session;

struct drain {
    struct session *session; /* NULL: it does not go on */
    struct recorder *recorder;
    bool told;     /* the user knows that it takes time */
    bool given_up; /* what is still to come is not waited for */
    bool closed;   /* drain_close() */
    bool lossy;
    struct loss loss;
    uint64_t written, progress; /* bytes that the sink has, and loop_now() when they changed */
    struct loop_timer *say, *limit;
};

/* drain_begin - the session is told to end. Again: changes nothing. @timeout: milliseconds, 0: no
 * limit */
void drain_begin(struct drain *drain, struct loop *loop, struct session *session,
                 struct recorder *recorder, uint64_t timeout);

/* drain_give_up - wait no more. */
void drain_give_up(struct drain *drain, const char *why);

/* drain_close - the session has ended and given out everything: find out what was lost, and write
 * it down. */
void drain_close(struct drain *drain, const struct session *session, struct recorder *recorder);

/* drain_is_stuck - it was given up, and who reads the output takes nothing any more. */
bool drain_is_stuck(struct drain *drain, const struct recorder *recorder);

/* drain_status - what is still to come, for the status line. Return: @out, empty before the end. */
const char *drain_status(const struct drain *drain, char *out, size_t size);

/* drain_judge - Return: 0; -1 with the error when packets were lost. */
int drain_judge(struct drain *drain, const struct recorder *recorder, struct error *err);

/* drain_end - release what it holds. */
void drain_end(struct drain *drain);

#endif
