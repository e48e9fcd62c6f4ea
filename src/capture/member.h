/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One target's life in a capture: the choice of a method, its agent, cuts and resuming, its end and
 * what was lost of it. Its run steps it, outside of any event, until nothing more can be done.
 */
#ifndef KSNIFF_CAPTURE_MEMBER_H
#define KSNIFF_CAPTURE_MEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "capture/drain.h"
#include "capture/track.h"
#include "method/clock.h"
#include "settings/settings.h"
#include "target/target.h"

struct choice;
struct facts;
struct keylog;
struct loop;
struct loop_timer;
struct method;
struct session;
struct timeline;
struct session_env;

enum member_state {
    MEMBER_WAITING,  /* for its turn */
    MEMBER_CHOOSING, /* a method */
    MEMBER_TRYING,   /* one: its agent does not capture yet */
    MEMBER_RUNNING,  /* its agent captures, or did and ends */
    MEMBER_CUT,      /* its agent is lost; another may follow */
    MEMBER_ENDED,
};

struct member {
    enum member_state state;
    struct error error;          /* why it ended; ERROR_NONE: as asked */
    bool left;                   /* and what had been captured by then was waited for */
    struct drain drain;          /* its end, and what was lost */
    struct target *target;       /* owned */
    const struct method *method; /* that is tried, or captures; NULL: none yet */
    bool found;                  /* it is to be tried as soon as the key log is followed */
    bool works;                  /* it has captured, if only before member_reset() */
    unsigned cuts;

    struct loop *loop;
    const struct session_env *env;
    struct facts *facts;
    struct settings settings; /* the run's, but for what is this target's own */
    char *filter_text;        /* owned: the user's filter, and what keeps our own stream out */
    struct filter filter;     /* owned: the same */
    bool several;             /* there are other members: messages name this one */
    char who[304];            /* stands before messages: "pod \"web\": "; "": no other is there */
    char *prefix;             /* owned: "shop/web" */
    char *description;        /* owned: of its interfaces */

    struct choice *choice; /* owned; NULL: the method is known */
    struct keylog *keylog; /* owned; NULL: none is read, or not yet */
    struct session *session;
    struct track track;
    struct timeline *timeline;
    unsigned source;  /* its number there */
    uint64_t began;   /* loop_time(): its agent captures; 0: not yet */
    uint64_t answers; /* that the clock has had */
    bool begun;       /* it has captured */
    bool again;       /* its pod was tried before, and could not be captured then */
    bool stopping;    /* the user or a limit has ended it */

    bool planned;   /* the time of the next try is set */
    bool untold;    /* the cut: its pod may be gone, and is asked for first */
    bool due;       /* and has come */
    bool gone;      /* there is no use in trying */
    bool departing; /* its pod is being deleted, or was: then its end is no failure */
    bool departed;  /* it is gone, or no target any more */
    struct target_question *question; /* is the target still there? */
    bool answered, running;           /* the answer: its container's state, or the error */
    struct error answer;
    unsigned backoff;    /* milliseconds, of the next wait */
    uint64_t resumed;    /* loop_now() */
    uint64_t refused;    /* for patience_doubts() */
    uint64_t until;      /* ns since 1970: nothing is missing before the gap up to here */
    uint64_t gap_length; /* milliseconds, of all gaps */
    bool gap_open;       /* how long the last is is not known yet */
    struct clock clock;  /* of the last agent, when its session is gone */
    char why[300];
    struct loop_timer *retry;
};

/*
 * member_new - nothing is asked for yet
 * @env, @facts: of the run; must outlive it
 * @target: allocated; taken over, also when it fails
 *
 * Return: owned by the caller; NULL with the error.
 */
struct member *member_new(const struct session_env *env, struct facts *facts,
                          const struct settings *settings, struct target *target,
                          struct timeline *timeline, bool several, struct error *err);
void member_free(struct member *member);

/* member_start - its turn has come. */
void member_start(struct member *member);

/* member_step - do what is to be done now; not from within an event. Return: was anything? */
bool member_step(struct member *member);

/*
 * member_stop - end it; at once where it does not capture yet. Again: with less patience.
 * @wanted: what its agent still has is waited for
 */
void member_stop(struct member *member, bool wanted);

/*
 * member_refilter - capture by another filter from now on
 * @text: NULL: none; borrowed, as is what is in @filter: both must outlive the member
 *
 * On failure, which is that of a filter with our own stream left out, the present one stays.
 */
int member_refilter(struct member *member, const char *text, const struct filter *filter,
                    struct error *err);

/* member_give_up - what is still to come is not waited for, for the reason @why. */
void member_give_up(struct member *member, const char *why);

/* member_depart - its pod is being deleted, or is @gone: it ends with that, and what was cut is
 * taken up again only as long as the pod runs. */
void member_depart(struct member *member, bool gone);

/* member_cut - end it now, whatever its agent still has. */
void member_cut(struct member *member);

/* member_to_come - packets that its agent still has, as far as it has said so.
 * @ret_unsure: set where it may be fewer
 * Return: false where it has not said anything, or has nothing. */
bool member_to_come(const struct member *member, uint64_t *ret_packets, bool *ret_unsure);

/* member_clock - what its node's clock is ahead of ours, give or take: nanoseconds. Return: is that
 * known? */
bool member_clock(const struct member *member, int64_t *ret_offset, int64_t *ret_bound);

/* member_is_gone - has it ended with its pod, as of those that are followed any may? */
bool member_is_gone(const struct member *member);

/* member_is_starting - is it on its way to its first packet? */
bool member_is_starting(const struct member *member);

/* member_close - it has ended: away with its agent, and with what is left of it in the cluster. */
void member_close(struct member *member);

/* member_reset - as before the first capture, but for the target and the method that was found; its
 * timeline is a new one. Return: 0; -1 with the error. */
int member_reset(struct member *member, struct error *err);

#endif
