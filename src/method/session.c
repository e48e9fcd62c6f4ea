/* SPDX-License-Identifier: Apache-2.0 */
#include "method/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "method/agent_exec.h"
#include "method/method.h"
#include "settings/settings.h"
#include "target/target.h"
#include "kube/client.h"

#define HEARTBEAT_MS  15000
#define AGAIN_MS      30    /* between some in a row: of their answers the fastest counts */
#define LAST_MS       45000 /* between those while it ends: session_stop() */
#define FIRST_ROW     8
#define ROW           4
#define STALL_MS      10000 /* without a byte, after the agent was told to end */
#define STOP_MS       5000  /* for its end, when what it still has is not wanted */
#define COMPLAINT_MAX 4096  /* bytes of one line of standard error */

/* ---- its time ---- */

/* It has been told to end, and nothing comes. */
static void on_stall(struct session *session)
{
    /* While we do not read, silence is our own. */
    if (session->paused && !session->unwanted) {
        loop_set_timer(session->stage_timer, STALL_MS);
        return;
    }
    log_debug("the agent did not end in time: its stream is cut");
    session_cut_short(session, "nothing came any more");
    session_end(session, NULL);
}

static void on_stage_timeout(void *data)
{
    struct session *session = data;
    struct error err;

    if (session->state == SESSION_STOPPING) {
        on_stall(session);
        return;
    }
    session->elsewhere = session->cut = true;
    error_set(&err, ERROR_TIMEOUT, "%s: %s took too long", session->where, session->stage);
    const char *flag = session->stage_flag, *says = session->last_complaint;

    if (flag || *says)
        error_remedy(&err, "%s%s%s%s%s", flag ? "give it more with " : "", flag ? flag : "",
                     flag && *says ? "; " : "", *says ? "it says: " : "", says);
    else
        error_remedy(&err, "try again, with -v to see more");
    session_end(session, &err);
}

/* Of a row of questions the next one comes soon. */
static uint64_t beat(struct session *session)
{
    session->method->heartbeat(session);
    session->beats++;
    if (session->settings->tcpdump_path)
        return HEARTBEAT_MS;
    return session->beats < FIRST_ROW || session->beats % ROW != 0 ? AGAIN_MS : HEARTBEAT_MS;
}

/* While it captures, and while it writes what it has captured. */
static void on_heartbeat(void *data)
{
    struct session *session = data;

    if (session->state == SESSION_STOPPING) {
        loop_set_timer(session->heartbeat, LAST_MS);
        if (!session->account.complete)
            session->method->heartbeat(session);
        return;
    }
    loop_set_timer(session->heartbeat,
                   session->state == SESSION_RUNNING ? beat(session) : HEARTBEAT_MS);
}

/*
 * The agent, and with it the exec, may end long before we have read what it has sent: a slow reader
 * holds us up, or a slow way the server's socket. The server has closed that by then, and answers
 * the next byte of ours by throwing away what it has not sent yet. So we keep as silent as the
 * agent allows (AGENT_SILENCE_SECONDS).
 */
static void fall_silent(struct session *session)
{
    loop_set_timer(session->heartbeat, LAST_MS);
    agent_stream_quiet(&session->stream);
}

void session_stage(struct session *session, const char *stage, uint64_t milliseconds)
{
    session->stage = stage;
    session->stage_flag = NULL;
    if (stage)
        loop_set_timer(session->stage_timer, milliseconds);
    else
        loop_stop_timer(session->stage_timer);
}

uint64_t session_request_timeout(const struct session *session)
{
    return session->resumed ? kube_client_doubtful(session->client) : 0;
}

/* ---- from nothing, and back ---- */

struct session *session_start(const struct session_env *env, const struct method *method,
                              const struct target *target, const struct settings *settings,
                              bool (*item)(void *data, enum capture_item_kind kind,
                                           const struct capture_item *item),
                              void *data, struct error *err)
{
    struct session *session = calloc(1, sizeof(*session));

    if (!session) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    session->loop = kube_client_loop(env->client);
    session->client = env->client;
    session->helpers = env->helpers;
    session->relays = env->relays;
    session->method = method;
    session->target = target;
    session->settings = settings;
    session->item = item;
    session->data = data;
    snprintf(session->where, sizeof(session->where), "%s", target->label);
    buf_init(&session->complaint, COMPLAINT_MAX);
    session->stage_timer = loop_add_timer(session->loop, 0, on_stage_timeout, session);
    session->heartbeat = loop_add_timer(session->loop, HEARTBEAT_MS, on_heartbeat, session);
    if (session->stage_timer)
        loop_stop_timer(session->stage_timer);
    if (!session->stage_timer || !session->heartbeat)
        error_set(err, ERROR_INTERNAL, "out of memory");
    else if (method->start(session, err) == 0)
        return session;
    session_free(session);
    return NULL;
}

void session_free(struct session *session)
{
    if (!session)
        return;
    session->state = SESSION_ENDED;
    session_hang_up(session);
    session->method->release(session);
    capture_reader_free(session->reader);
    account_free(&session->account);
    buf_free(&session->complaint);
    loop_remove_timer(session->stage_timer);
    loop_remove_timer(session->heartbeat);
    free(session);
}

void session_hang_up(struct session *session)
{
    agent_stream_close(&session->stream);
    agent_stream_close(&session->retired);
}

void session_resume(struct session *session)
{
    struct error err;

    session_hang_up(session);
    session->state = SESSION_STARTING;
    session->error = (struct error){0};
    session->cut = session->elsewhere = session->died = false;
    session->resumed = true;
    session->refilter = false; /* it begins with the present one */
    session->last_complaint[0] = '\0';
    session->complaints = session->unanswered = 0;
    buf_take(&session->complaint, session->complaint.length);
    capture_reader_free(session->reader);
    session->reader = NULL;
    account_free(&session->account);
    loop_set_timer(session->heartbeat, HEARTBEAT_MS);
    if (session->method->start(session, &err) < 0)
        session_end(session, &err);
}

void session_set_place(struct session *session, const struct session_place *place)
{
    session->place = *place;
    snprintf(session->where, sizeof(session->where), "container \"%s\" of pod \"%s\"",
             place->container, place->pod);
}

void session_retire_stream(struct session *session)
{
    agent_stream_close(&session->retired);
    session->retired = session->stream;
    session->stream = (struct agent_stream){0};
}

/* ---- it runs ---- */

void session_running(struct session *session)
{
    const struct settings *settings = session->settings;
    struct error err;

    session->reader =
        session->method->recorded ? capture_reader_segments()
        : settings->tcpdump_path
            ? capture_reader_pcap(settings->interface_count ? settings->interfaces[0] : "any")
            : capture_reader_pcapng();
    if (!session->reader) {
        error_set(&err, ERROR_INTERNAL, "out of memory");
        session_end(session, &err);
        return;
    }
    if (session->state == SESSION_STARTING)
        session->state = SESSION_RUNNING;
    session_stage(session, NULL, 0);
    session->beats = 0;
    clock_restarted(&session->clock);
    on_heartbeat(session);
    if (session->refilter)
        session_refilter(session);
}

void session_refilter(struct session *session)
{
    session->refilter = session->state == SESSION_STARTING;
    if (session->state == SESSION_RUNNING && !session->settings->tcpdump_path)
        agent_exec_refilter(session);
}

/* ---- it is ended ---- */

void session_end(struct session *session, const struct error *err)
{
    if (session->state == SESSION_ENDED)
        return;
    session->state = SESSION_ENDED;
    loop_stop_timer(session->stage_timer);
    loop_stop_timer(session->heartbeat);
    if (err && session->error.kind == ERROR_NONE) {
        session->error = *err;
        session->cut |= error_is_passing(err);
    }
}

void session_stop(struct session *session, bool wanted)
{
    if (session->state == SESSION_STARTING) {
        session_end(session, NULL);
        return;
    }
    if (session->state == SESSION_RUNNING) {
        session->state = SESSION_STOPPING;
        session->asked = true;
        session->method->stop(session);
        fall_silent(session);
        session_stage(session, "its end", STALL_MS);
    }
    if (session->state == SESSION_STOPPING && !wanted && !session->unwanted) {
        session->unwanted = true;
        session_stage(session, "its end", STOP_MS);
    }
}

void session_progress(struct session *session)
{
    if (session->state == SESSION_STOPPING && !session->unwanted)
        loop_set_timer(session->stage_timer, STALL_MS);
}

void session_leave(struct session *session, const struct error *why)
{
    if (session->state == SESSION_RUNNING)
        session->reason = *why;
    session_stop(session, true);
}

void session_cut_short(struct session *session, const char *why)
{
    if (!session->cut_short[0])
        snprintf(session->cut_short, sizeof(session->cut_short), "%.299s", why);
}

void session_give_up(struct session *session, const char *why)
{
    session_stop(session, false);
    if (session->state != SESSION_STOPPING)
        return;
    session_cut_short(session, why);
    if (session->account.told)
        session_end(session, NULL);
}

void session_cut(struct session *session)
{
    session_end(session, NULL);
}
