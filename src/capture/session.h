/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One agent, from the first request for it to its exit code: its byte stream in, checked items out.
 *
 * A back-end (backend.h) gets the agent beside the pod and hands over its output with the session_*
 * functions marked "for back-ends". The owner hears of items and of changes of state, and frees the
 * session from outside of any event.
 */
#ifndef KSNIFF_CAPTURE_SESSION_H
#define KSNIFF_CAPTURE_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "kube/status.h"
#include "pcapng/reader.h"

struct backend;
struct kube_client;
struct kube_stream;
struct loop;
struct loop_timer;
struct settings;
struct target;

enum session_state {
    SESSION_STARTING,
    SESSION_RUNNING,  /* the agent captures */
    SESSION_STOPPING, /* it has been asked to end */
    SESSION_ENDED,    /* error.kind says whether it failed */
};

struct session {
    enum session_state state;
    struct error error; /* why it ended; ERROR_NONE: as asked */

    struct loop *loop;
    struct kube_client *client;
    const struct target *target;
    const struct settings *settings;
    const struct backend *backend;
    void *backend_data;

    struct kube_stream *stream; /* the agent's, once the back-end has it */
    struct capture_reader *reader;
    struct buf complaint;           /* the unfinished last line of standard error */
    char last_complaint[512];       /* the last whole one */
    unsigned complaints;            /* lines shown */
    struct loop_timer *stage_timer; /* how long the present stage may take */
    const char *stage;              /* what is waited for, for the message of the time-out */
    struct loop_timer *heartbeat;
    bool paused; /* the owner could not take a packet: it stays in the reader */

    /* Takes an item. Return: false when a packet cannot be taken now: it is given again later. */
    bool (*item)(void *data, enum capture_item_kind kind, const struct capture_item *item);
    void *data;
};

/*
 * session_start - get an agent beside the target; goes on in the loop
 *
 * Everything given must outlive the session. Return: owned by the caller; NULL with the error.
 */
struct session *session_start(struct kube_client *client, const struct backend *backend,
                              const struct target *target, const struct settings *settings,
                              bool (*item)(void *data, enum capture_item_kind kind,
                                           const struct capture_item *item),
                              void *data, struct error *err);

/* session_stop - ask the agent to write what it still has and to end; at once if it does not
 * capture yet. */
void session_stop(struct session *session);

/* session_cut - end it now, whatever it still has. */
void session_cut(struct session *session);

/* session_pump - give out the items that are there, and read on if all were taken. Also after the
 * end: what came before it is still to be given out while `paused` says so. */
void session_pump(struct session *session);

void session_free(struct session *session);

/* ---- for back-ends ---- */

/* The stage that begins now, and how many milliseconds it may take; NULL: no limit any more. */
void session_stage(struct session *session, const char *stage, unsigned milliseconds);
/* The first bytes of a capture have come. */
void session_running(struct session *session, struct capture_reader *reader);
void session_packets(struct session *session, const unsigned char *bytes, size_t length);
void session_complaint(struct session *session, const unsigned char *bytes, size_t length);
/* It is over: session->error tells how, unless it is given here. Later calls change nothing. */
void session_end(struct session *session, const struct error *err);
/* The agent's stream is closed: turns its exit into the end of the session. */
void session_closed(struct session *session, const struct kube_exit *exit, const struct error *err);

#endif
