/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/drain.h"

#include "base/loop.h"
#include "capture/track.h"
#include "method/session.h"

static void on_limit(void *data)
{
    drain_give_up(data, "--drain-timeout has passed");
}

void drain_begin(struct drain *drain, struct loop *loop, struct session *session,
                 struct track *track, uint64_t timeout)
{
    if (drain->session)
        return;
    drain->session = session;
    track_hold(track);
    if (timeout)
        drain->limit = loop_add_timer(loop, timeout, on_limit, drain);
}

void drain_give_up(struct drain *drain, const char *why)
{
    if (!drain->session || drain->given_up)
        return;
    drain->given_up = true;
    session_give_up(drain->session, why);
}

bool drain_close(struct drain *drain, const struct session *session, struct track *track)
{
    drain->lossy = loss_find(session, track, &drain->loss);
    drain->discarded = track->share.discarded;
    drain->closed = loss_record(session, drain->lossy ? &drain->loss : NULL, track);
    return drain->closed;
}

void drain_end(struct drain *drain)
{
    loop_remove_timer(drain->limit);
    drain->limit = NULL;
    drain->session = NULL;
}
