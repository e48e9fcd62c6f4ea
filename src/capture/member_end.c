/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/member_parts.h"

#include "base/log.h"
#include "capture/keylog.h"
#include "capture/timeline.h"
#include "method/method.h"
#include "method/session.h"

void member_end(struct member *member, const struct error *err)
{
    member->state = MEMBER_ENDED;
    timeline_close(member->timeline, member->source);
    if (err && member->departing)
        log_debug("%s: %s", member->target->label, err->text);
    else if (err && member->error.kind == ERROR_NONE)
        member->error = *err;
}

void member_await_end(struct member *member)
{
    drain_begin(&member->drain, member->loop, member->session, &member->track,
                member->settings.drain_timeout);
}

void member_stop(struct member *member, bool wanted)
{
    member->stopping = true;
    if (!member->session)
        return;
    session_stop(member->session, wanted);
    if (wanted)
        member_await_end(member);
}

void member_give_up(struct member *member, const char *why)
{
    drain_give_up(&member->drain, why);
}

void member_depart(struct member *member, bool gone)
{
    member->departing = true;
    member->departed |= gone;
    /* An agent in the pod has died with it: its own end says more. */
    if (gone && member->state != MEMBER_ENDED &&
        (member->state != MEMBER_RUNNING || member->method->outside))
        member_stop(member, true);
}

void member_cut(struct member *member)
{
    member->stopping = true;
    keylog_cut(member->keylog);
    if (member->session)
        session_cut(member->session);
}

bool member_to_come(const struct member *member, uint64_t *ret_packets, bool *ret_unsure)
{
    const struct session *session = member->session;

    if (!session || !session->account.told || member->state == MEMBER_ENDED)
        return false;
    *ret_packets = account_missing(&session->account);
    *ret_unsure |= session->account.at_most;
    return true;
}

bool member_clock(const struct member *member, int64_t *ret_offset, int64_t *ret_bound)
{
    const struct clock *clock = member->session ? &member->session->clock : &member->clock;

    if (timeline_offset(member->timeline, member->source, ret_offset, ret_bound))
        return true;
    *ret_offset = clock->offset;
    *ret_bound = clock->bound;
    return clock->valid;
}

bool member_is_gone(const struct member *member)
{
    return member->state == MEMBER_ENDED && member->departing;
}

bool member_is_starting(const struct member *member)
{
    return member->state == MEMBER_CHOOSING || member->state == MEMBER_TRYING;
}
