/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the moment a target's capture is to end until everything of it has come: what the agent and
 * the way to it still hold is waited for as long as any of it comes, and --drain-timeout allows;
 * the user may give it up.
 */
#ifndef KSNIFF_CAPTURE_DRAIN_H
#define KSNIFF_CAPTURE_DRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/loss.h"

struct loop;
struct loop_timer;
struct session;
struct track;

struct drain {
    struct session *session; /* NULL: it does not go on */
    bool given_up;           /* what is still to come is not waited for */
    bool closed;             /* drain_close() */
    bool lossy;
    uint64_t discarded; /* packets of it, when it was closed */
    struct loss loss;
    struct loop_timer *limit;
};

/* drain_begin - the session is told to end. Again: changes nothing. @timeout: milliseconds, 0: no
 * limit */
void drain_begin(struct drain *drain, struct loop *loop, struct session *session,
                 struct track *track, uint64_t timeout);

/* drain_give_up - wait no more. */
void drain_give_up(struct drain *drain, const char *why);

/* drain_close - the session has ended and given out everything: find out what was lost, and write
 * it down. Return: false when that cannot be taken now: close it again. */
bool drain_close(struct drain *drain, const struct session *session, struct track *track);

/* drain_end - release what it holds. */
void drain_end(struct drain *drain);

#endif
