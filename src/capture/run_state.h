/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one run consists of, for the files that share it: run.c (the loop), members.c (who takes
 * part), ending.c (how it is ended), outcome.c (what came of it), status_line.c. Nobody else
 * includes this.
 */
#ifndef KSNIFF_CAPTURE_RUN_STATE_H
#define KSNIFF_CAPTURE_RUN_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rate.h"
#include "capture/loss.h"
#include "capture/recorder.h"
#include "capture/timeline.h"
#include "method/session.h"
#include "settings/settings.h"
#include "target/set.h"

struct capture_remote;
struct facts;
struct loop;
struct loop_timer;
struct member;
struct names;
struct sweep;
struct target_follow;

struct run {
    struct loop *loop;
    struct session_env env;
    const struct settings *settings;
    struct settings present; /* the same, but for the filter that holds now */
    struct facts *facts;
    struct target_set targets;
    struct target_follow *follow; /* NULL: they are all there are */
    struct member **members;      /* owned, each of them, too */
    size_t count;
    struct timeline timeline;
    struct recorder recorder;
    struct names *names; /* NULL: none are asked for */
    struct sweep *sweep; /* of what earlier clients left */
    bool sweep_due;

    bool stopping;    /* the user or a limit has ended it */
    bool interrupted; /* the user has */
    bool again;       /* it is not the first into this sink */
    uint64_t started; /* seconds since 1970 */
    uint64_t begun;   /* loop_now() of the first that could come */

    bool all_up;                /* none is on its way to its first packet any more */
    bool told;                  /* the user knows that the end takes time */
    bool given_up;              /* what is still to come is not waited for */
    const char *why;            /* that is so */
    uint64_t written, progress; /* bytes that the sink has, and loop_now() when they changed */
    struct loop_timer *say;
    struct loss loss;            /* of all members */
    const struct member *failed; /* with --fail-fast: that has ended all */
    bool lossy;

    struct capture_remote *remote; /* NULL: nobody */
    bool show_status;
    struct loop_timer *status_timer;
    struct rate rate; /* of bytes */
    struct loop_timer *duration;
};

#endif
