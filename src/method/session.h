/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One agent, from the first request for it to its exit code: its byte stream in, checked items out.
 *
 * A method (method.h) gets the agent beside the pod and hands over its output with the session_*
 * functions marked "for methods". The owner hears of items and of changes of state, and frees the
 * session from outside of any event.
 */
#ifndef KSNIFF_METHOD_SESSION_H
#define KSNIFF_METHOD_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "method/account.h"
#include "method/agent_stream.h"
#include "method/clock.h"
#include "method/segments.h"
#include "kube/status.h"
#include "pcapng/reader.h"

struct helper_pods;
struct method;
struct kube_client;
struct relays;
struct loop;
struct loop_timer;
struct settings;
struct target;
struct upload;

enum session_state {
    SESSION_STARTING,
    SESSION_RUNNING,  /* the agent captures */
    SESSION_STOPPING, /* it has been asked to end */
    SESSION_ENDED,    /* error.kind says whether it failed */
};

/* What the sessions of a run have in common. */
struct session_env {
    struct kube_client *client;
    struct helper_pods *helpers; /* of the node method; NULL where that is not used */
    struct relays *relays;       /* that its agents may share; NULL: each has an exec of its own */
};

/* Where the agent runs: the target's own container, an ephemeral one, or a helper pod. */
struct session_place {
    const char *namespace, *pod, *container;
};

struct session {
    enum session_state state;
    struct error error;  /* why it ended; ERROR_NONE: as asked */
    struct error reason; /* why it was told to end, where that is a failure: session_leave() */
    bool elsewhere;      /* it never ran, and another method may do better */
    bool has_shell;      /* its container was seen to have one */
    bool exec_works;     /* an exec into the target's pod was seen to reach a container's runtime */
    bool refused;        /* an exec was refused, and not for want of a right */
    bool cut;            /* beginning again may help, if it ran once: session_resume() */
    bool died;           /* it was: a signal has ended it, as when its container ends */

    struct account account;   /* of the agent that runs, or was the last */
    struct clock clock;       /* that agent's, against loop_time() */
    struct segments segments; /* of what was recorded: how far it has come, whatever was cut */
    bool live;                /* all that was recorded has come, and it goes on */
    bool frozen;              /* nothing is recorded any more: it ends with what is there */
    bool asked;               /* it was told to end, while it captured */
    bool unwanted;            /* its packets are, from then on: only what it says counts */
    char cut_short[300];      /* why its end was not waited for; "": it was */

    struct loop *loop;
    struct kube_client *client;
    struct helper_pods *helpers;
    struct relays *relays;
    const struct target *target;
    const struct settings *settings;
    const struct method *method;
    void *method_data;
    struct upload *upload; /* upload.c's: not only its own method puts an agent into a container */

    struct session_place place; /* of the agent; set before its stream is opened */
    char where[400];            /* what messages call the place: container "app" of pod "web" */

    bool shares;                 /* its agent is run over an exec that others share (relay.h) */
    const char *first_line;      /* that the agent wants to hear before it begins; NULL: none */
    const char *farewell;        /* why the method has told the agent to end; NULL: it has not */
    struct agent_stream stream;  /* the agent's, once the method has it */
    struct agent_stream retired; /* one that has ended: it cannot be closed in its own event */
    struct capture_reader *reader;
    struct buf complaint;           /* the unfinished last line of standard error */
    char last_complaint[512];       /* the last whole one */
    unsigned complaints;            /* lines that were to be shown */
    unsigned unanswered;            /* filters that were sent to it */
    struct loop_timer *stage_timer; /* how long the present stage may take */
    bool resumed;                   /* after a cut */
    bool unreached;                 /* its exec has reached nobody so far, which was told */
    const char *stage;              /* what is waited for, for the message of the time-out */
    const char *stage_flag;         /* that gives it more time; NULL: none */
    struct loop_timer *heartbeat;
    unsigned beats; /* since the agent runs */
    uint64_t came;  /* loop_time() when what is given out came; 0: nothing is */
    bool paused;    /* the owner could not take a packet: it stays in the reader */
    bool refilter;  /* the agent was started with another filter than the settings have now */
    bool held;      /* the owner takes nothing yet: session_hold() */

    /* Takes an item. Return: false when a packet cannot be taken now: it is given again later. */
    bool (*item)(void *data, enum capture_item_kind kind, const struct capture_item *item);
    void *data;
};

/*
 * session_start - get an agent beside the target; goes on in the loop
 *
 * Everything given must outlive the session, but for @env itself. Return: owned by the caller; NULL
 * with the error.
 */
struct session *session_start(const struct session_env *env, const struct method *method,
                              const struct target *target, const struct settings *settings,
                              bool (*item)(void *data, enum capture_item_kind kind,
                                           const struct capture_item *item),
                              void *data, struct error *err);

/*
 * session_resume - begin again after a cut: same target, same method, another agent
 *
 * Not from within an event, and only when every item has been given out. What goes wrong ends the
 * session, at once or later.
 */
void session_resume(struct session *session);

/* session_hang_up - close the streams of a session that has ended; not from within an event. */
void session_hang_up(struct session *session);

/*
 * session_stop - ask the agent to end; at once if it does not capture yet
 * @wanted: it writes what it still has, for as long as any of it comes; else not for long
 */
void session_stop(struct session *session, bool wanted);

/* session_refilter - capture by the filter of the settings, which has changed: at once, or as soon
 * as the agent captures. */
void session_refilter(struct session *session);

/* session_give_up - do not wait for what it still has any more, for the reason @why: only, not for
 * long, for its word of how much that is. */
void session_give_up(struct session *session, const char *why);

/* session_cut_short - what will be missing is missing for the reason @why; the first one counts. */
void session_cut_short(struct session *session, const char *why);

/* session_progress - bytes have come: where it was told to end, the next ones are waited for. */
void session_progress(struct session *session);

/* session_cut - end it now, whatever it still has. */
void session_cut(struct session *session);

/* session_hold - give out nothing before session_release(), but go on reading, as long as it is not
 * much that has come. */
void session_hold(struct session *session);
void session_release(struct session *session);

/* session_may_tell - is one more message that this agent has caused to be shown? There is an end of
 * them: it may be anybody's. */
bool session_may_tell(struct session *session);

/* session_pump - give out the items that are there, and read on if all were taken. Also after the
 * end: what came before it is still to be given out while `paused` says so. */
void session_pump(struct session *session);

void session_free(struct session *session);

/* ---- for methods ---- */

/* Milliseconds that a request of the session may take, as kube_request has it: after a cut the way
 * may be dead. */
uint64_t session_request_timeout(const struct session *session);

/* The stage that begins now, and how many milliseconds it may take; NULL: no limit any more. What a
 * flag limits says so in stage_flag after that. */
void session_stage(struct session *session, const char *stage, uint64_t milliseconds);
/* Where the agent will run, and what messages call it. */
void session_set_place(struct session *session, const struct session_place *place);
/* The stream has ended, but not the session: there will be another. */
void session_retire_stream(struct session *session);
/* The first bytes of a capture have come. */
void session_running(struct session *session);
void session_packets(struct session *session, const unsigned char *bytes, size_t length);
void session_complaint(struct session *session, const unsigned char *bytes, size_t length);
/* It is over: session->error tells how, unless it is given here. Later calls change nothing. An
 * error that passes (error_is_passing()) is a cut. */
void session_end(struct session *session, const struct error *err);
/* There is nothing more to capture, and @why tells: what was captured is still waited for. */
void session_leave(struct session *session, const struct error *why);
/* The exec was not taken: ends the session with @err. Another method may do better, unless whoever
 * refused this one refuses every exec. */
void session_refused(struct session *session, const struct error *err);
/* The agent's stream is closed: turns its exit into the end of the session. */
void session_closed(struct session *session, const struct kube_exit *exit, const struct error *err);

#endif
