/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/drain.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "capture/recorder.h"
#include "method/session.h"
#include "sink/sink.h"

#define SAY_MS      1000 /* then it is worth a word */
#define PATIENCE_MS 1000 /* with a reader that takes nothing, once it was given up */

/* ---- how much there is ---- */

const char *drain_status(const struct drain *drain, char *out, size_t size)
{
    const struct session *session = drain->session;

    *out = '\0';
    if (session && session->account.told)
        snprintf(out, size, "%s%" PRIu64 " packets still to come",
                 session->account.at_most ? "up to " : "",
                 account_missing(&session->account) + recorder_unwritten(drain->recorder));
    else if (session && session->state == SESSION_STOPPING)
        snprintf(out, size, "waiting for what is still to come");
    return out;
}

static void on_say(void *data)
{
    struct drain *drain = data;
    char what[80];

    if (drain->given_up || drain->session->unwanted ||
        (drain->session->state == SESSION_ENDED && drain->recorder->out.length == 0))
        return;
    drain->told = true;
    log_info("the capture has ended; %s: Ctrl-C gives them up",
             drain->session->account.told ? drain_status(drain, what, sizeof(what))
                                          : "packets are still to come");
}

/* ---- its course ---- */

static void on_limit(void *data)
{
    drain_give_up(data, "--drain-timeout has passed");
}

void drain_begin(struct drain *drain, struct loop *loop, struct session *session,
                 struct recorder *recorder, uint64_t timeout)
{
    if (drain->session)
        return;
    drain->session = session;
    drain->recorder = recorder;
    recorder_hold(recorder);
    drain->say = loop_add_timer(loop, SAY_MS, on_say, drain);
    if (timeout)
        drain->limit = loop_add_timer(loop, timeout, on_limit, drain);
}

void drain_give_up(struct drain *drain, const char *why)
{
    if (!drain->session || drain->given_up)
        return;
    drain->given_up = true;
    drain->progress = loop_now();
    recorder_discard(drain->recorder);
    session_give_up(drain->session, why);
}

void drain_close(struct drain *drain, const struct session *session, struct recorder *recorder)
{
    drain->closed = true;
    drain->lossy = loss_find(session, recorder, &drain->loss);
    loss_record(session, drain->lossy ? &drain->loss : NULL, recorder);
}

bool drain_is_stuck(struct drain *drain, const struct recorder *recorder)
{
    if (!drain->given_up)
        return false;
    if (drain->written != recorder->sink->written)
        drain->progress = loop_now();
    drain->written = recorder->sink->written;
    return loop_now() >= drain->progress + PATIENCE_MS;
}

int drain_judge(struct drain *drain, const struct recorder *recorder, struct error *err)
{
    /* What waited for a reader that takes nothing. */
    if (!recorder->sink_ended && recorder->out.length > 0) {
        drain->loss.unwritten = recorder_unwritten(recorder);
        if (!drain->lossy)
            snprintf(drain->loss.why, sizeof(drain->loss.why), "who reads them did not take them");
        drain->loss.packets += drain->loss.unwritten;
        drain->lossy = drain->lossy || drain->loss.unwritten > 0;
    }
    return drain->lossy ? loss_error(&drain->loss, err) : 0;
}

void drain_end(struct drain *drain)
{
    loop_remove_timer(drain->say);
    loop_remove_timer(drain->limit);
    drain->say = drain->limit = NULL;
    drain->session = NULL;
}
