/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/member_parts.h"

#include <stdio.h>

#include "base/log.h"
#include "base/loop.h"
#include "capture/timeline.h"
#include "kube/patience.h"
#include "method/method.h"
#include "method/session.h"

#define BACKOFF_MOST_MS 30000
#define STEADY_MS       10000 /* a capture that ran for so long begins with the first wait again */

bool member_may_resume(struct member *member)
{
    const struct session *session = member->session;
    bool lost = member->target->keeper && session->error.kind == ERROR_NOT_FOUND;
    bool doubtful =
        patience_doubts(&member->refused, &session->error) && member->state == MEMBER_CUT;

    return member->begun && member->settings.reconnect && !lost && (session->cut || doubtful) &&
           session->error.kind != ERROR_NONE && !member->stopping && !member->gone &&
           !(member->departing && session->died) && !member->departed;
}

void member_on_retry(void *data)
{
    struct member *member = data;

    member->due = true;
}

static void tell_cut(struct member *member)
{
    member->untold = false;
    log_warning("%s%s%s: taking it up again", WHO(member), member->why);
}

/* Of those that are followed the end of an agent is often that of its pod, as in a rollout; and the
 * watch may tell so a moment later. */
static bool may_be_gone(const struct member *member)
{
    return member->departing || (member->settings.follow && member->session->died);
}

static void on_cut(struct member *member)
{
    const struct error *error = &member->session->error;

    member->state = MEMBER_CUT;
    member->cuts++;
    if (!timeline_is_fetching(member->timeline))
        timeline_close(member->timeline, member->source);
    /* A gap that no packet has followed yet grows. */
    if (!member->gap_open && !member->track.gap[0] && member->session->account.latest)
        member->until = member->session->account.latest;
    if (!member->resumed || loop_now() - member->resumed > STEADY_MS)
        member->backoff = BACKOFF_FIRST_MS;
    snprintf(member->why, sizeof(member->why), "%.299s", error->text);
    member->untold = may_be_gone(member);
    if (!member->untold)
        tell_cut(member);
}

bool member_plan_retry(struct member *member)
{
    if (member->state != MEMBER_CUT)
        on_cut(member);
    else
        log_debug("%s%snot yet: %s", WHO(member), member->session->error.text);
    session_hang_up(member->session);
    member->planned = true;
    member->due = false;
    loop_set_timer(member->retry, member->backoff);
    member->backoff = 2 * member->backoff < BACKOFF_MOST_MS ? 2 * member->backoff : BACKOFF_MOST_MS;
    return true;
}

static void on_answer(void *data, bool running, const struct error *err)
{
    struct member *member = data;

    member->question = NULL;
    member->answered = true;
    member->running = running;
    member->answer = err ? *err : (struct error){0};
}

bool member_ask_for_target(struct member *member)
{
    struct error err;

    member->due = false;
    /* Who has recorded it is there as long as an exec finds it: another right is not needed. */
    if (member->target->keeper) {
        on_answer(member, true, NULL);
        return true;
    }
    member->question = target_ask(member->env->client, member->target, on_answer, member, &err);
    if (!member->question && !member->answered)
        on_answer(member, false, &err);
    return true;
}

/* Whether another agent may be started: who is uploaded needs a container that runs. */
static bool is_there(const struct member *member)
{
    return member->answer.kind == ERROR_NONE &&
           (member->running || member->session->method != &method_upload);
}

bool member_try_again(struct member *member)
{
    struct session *session = member->session;
    const struct error *err = &member->answer;

    member->planned = member->answered = false;
    member->gone = err->kind != ERROR_NONE && !error_is_passing(err) &&
                   !patience_doubts(&member->refused, err);
    member->departing |= member->settings.follow && member->gone && err->kind == ERROR_TARGET;
    if (member->untold && (is_there(member) || !member->departing))
        tell_cut(member);
    if (is_there(member)) {
        session_resume(session); /* its end tells, at once or later */
    } else if (err->kind != ERROR_NONE) {
        session->error = *err;
    } else {
        error_set(&session->error, ERROR_TARGET, "container \"%s\" of pod \"%s\" does not run",
                  member->target->container->name, member->target->name);
        session->cut = true;
        member->gone = member->departing; /* in such a pod nothing starts again */
    }
    return true;
}
