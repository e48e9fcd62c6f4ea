/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/member_parts.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "capture/choice.h"
#include "capture/keylog.h"
#include "capture/recorder.h"
#include "capture/timeline.h"
#include "kube/client.h"
#include "method/session.h"

#define HOLD_NS 200000000u /* for the clocks, before anything of it is written */

/* ---- its steps ---- */

static void judge(struct member *member)
{
    const struct session *session = member->session;
    bool cut = member->state == MEMBER_CUT;

    /* The last cut is none, if nothing could follow it. */
    member->cuts -= cut && !member->stopping;
    /* A cut that was being mended when it was ended as asked is no failure. */
    if (session->error.kind != ERROR_NONE && !(cut && member->stopping)) {
        member_end(member, &session->error);
        return;
    }
    member->left = session->reason.kind != ERROR_NONE;
    member_end(member, member->left ? &session->reason : NULL);
}

/* The agent has ended for good, and all of it has been taken. */
static bool step_close(struct member *member)
{
    /* What it still has may be of use to the last packets, which wait. */
    if (!keylog_has_ended(member->keylog)) {
        keylog_stop(member->keylog);
        return keylog_has_ended(member->keylog);
    }
    if (!drain_close(&member->drain, member->session, &member->track))
        return false;
    judge(member);
    return true;
}

/* What is known of its agent's clock. */
static void note_clock(struct member *member)
{
    const struct target *target = member->target;
    const struct clock *clock = &member->session->clock;
    uint64_t now = loop_time();

    if (member->began == 0) {
        member->began = now;
        timeline_begin(member->timeline, member->source, target->node_name,
                       target->pod && !target->host_network, now);
    }
    if (!clock->valid || clock->answers == member->answers)
        return;
    member->answers = clock->answers;
    timeline_clock(member->timeline, member->source, clock->offset, clock->bound, now);
}

/* Are the clocks known, or not to be waited for? Return: whether the session gives out its items.
 */
static bool release(struct member *member)
{
    struct session *session = member->session;
    uint64_t now = loop_time();

    if (session->state != SESSION_ENDED && now - member->began < HOLD_NS &&
        (!session->clock.valid || !timeline_knows_clocks(member->timeline, now)))
        return false;
    session_release(session);
    return true;
}

/* What was recorded may be nothing; and no item tells that it is all there. */
static void note_recorder(struct member *member)
{
    struct session *session = member->session;

    if (!member->begun)
        member_has_begun(member);
    else if (member->state == MEMBER_CUT && session->state == SESSION_RUNNING)
        member_has_resumed(member);
    /* What has come, but was not given out, is still to be waited for. */
    if (session->live && !session->held && !session->paused) {
        session->live = false;
        timeline_live(member->timeline, member->source);
    }
}

static bool step_session(struct member *member)
{
    struct session *session = member->session;

    if (session->reader && member->target->keeper)
        note_recorder(member);
    if (session->reader && session->state != SESSION_STARTING)
        note_clock(member);
    if (session->held)
        return (session->reader || session->state == SESSION_ENDED) && release(member);

    /* Its method may have told it to. */
    if (session->reason.kind != ERROR_NONE) {
        member->departing |= member->settings.follow && session->reason.kind == ERROR_TARGET;
        member_await_end(member);
    }
    if (session->paused && recorder_has_room(member->track.recorder)) {
        session_pump(session);
        return !session->paused;
    }
    if (session->state != SESSION_ENDED || session->paused)
        return false;
    if (!member->begun)
        return member_step_failed(member);
    if (!member_may_resume(member))
        return step_close(member);
    if (member->due)
        return member_ask_for_target(member);
    if (member->answered)
        return member_try_again(member);
    return !member->planned && member_plan_retry(member);
}

bool member_step(struct member *member)
{
    bool moved = keylog_step(member->keylog);

    if (member->state == MEMBER_CHOOSING)
        return member_step_choosing(member) || moved;
    if (member->state == MEMBER_WAITING && member->stopping) {
        member_end(member, NULL);
        return true;
    }
    if (moved)
        return true;
    return member->state != MEMBER_ENDED && member->session && step_session(member);
}

void member_start(struct member *member)
{
    if (member->state == MEMBER_WAITING)
        member->state = MEMBER_CHOOSING;
}

/* ---- from nothing, and back ---- */

static int prepare(struct member *member, struct error *err)
{
    const struct target *target = member->target;

    if (target->pod)
        member->settings.namespace = target->namespace;
    member->prefix = text_format("%s/%s", target->pod ? target->namespace : "node", target->name);
    member->retry = loop_add_timer(member->loop, 0, member_on_retry, member);
    if (!member->prefix || !member->retry)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    loop_stop_timer(member->retry);
    if (target->container && !member->several)
        log_info("selected container: '%s'", target->container->name);
    else if (target->container)
        log_debug("%s: selected container: '%s'", target->label, target->container->name);
    if (member->several)
        snprintf(member->who, sizeof(member->who), "%s: ", target->label);
    member->track.share.prefix = member->prefix;
    member->track.share.filter = member->settings.filter_text;
    member->track.share.values =
        (struct pattern_values){.namespace = target->pod ? target->namespace : "node",
                                .pod = target->name,
                                .container = target->container ? target->container->name : "host"};
    return 0;
}

static bool give(void *data, enum capture_item_kind kind, const struct capture_item *item)
{
    const struct member *member = data;
    uint64_t came = member->session ? member->session->came : 0;

    return timeline_put(member->timeline, member->source, kind, item, came ? came : loop_time());
}

static int enter_timeline(struct member *member, struct error *err)
{
    int source = timeline_add(member->timeline);

    member->source = source < 0 ? 0 : (unsigned)source;
    return source < 0 ? error_set(err, ERROR_INTERNAL, "out of memory") : 0;
}

struct member *member_new(const struct session_env *env, struct facts *facts,
                          const struct settings *settings, struct target *target,
                          struct timeline *timeline, bool several, struct error *err)
{
    struct member *member = calloc(1, sizeof(*member));

    if (!member) {
        target_free(target);
        free(target);
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    *member =
        (struct member){.loop = kube_client_loop(env->client),
                        .env = env,
                        .facts = facts,
                        .settings = *settings,
                        .several = several,
                        .target = target,
                        .timeline = timeline,
                        .track = {.recorder = timeline->recorder, .give = give, .data = member}};
    track_init(&member->track);
    if (enter_timeline(member, err) == 0 && prepare(member, err) == 0)
        return member;
    member_free(member);
    return NULL;
}

void member_close(struct member *member)
{
    struct session *session = member->session;

    drain_end(&member->drain);
    loop_stop_timer(member->retry);
    if (session)
        member->clock = session->clock;
    member->session = NULL;
    session_free(session);
    keylog_free(member->keylog);
    member->keylog = NULL;
    target_forget(member->question);
    member->question = NULL;
    choice_free(member->choice);
    member->choice = NULL;
}

int member_reset(struct member *member, struct error *err)
{
    struct track *track = &member->track;
    struct track fresh = {.recorder = track->recorder,
                          .give = track->give,
                          .data = track->data,
                          .share = {.prefix = member->prefix,
                                    .description = member->description,
                                    .filter = track->share.filter,
                                    .values = track->share.values}};

    track_free(track);
    *track = fresh;
    track_init(track);
    member->state = MEMBER_WAITING;
    member->error = (struct error){0};
    member->drain = (struct drain){0};
    member->begun = member->stopping = member->left = member->planned = member->untold =
        member->due = member->gone = member->gap_open = member->answered = member->found = false;
    member->cuts = 0;
    member->resumed = member->gap_length = member->began = member->answers = 0;
    member->backoff = BACKOFF_FIRST_MS;
    return enter_timeline(member, err);
}

void member_free(struct member *member)
{
    if (!member)
        return;
    if (member->retry)
        member_close(member);
    loop_remove_timer(member->retry);
    track_free(&member->track);
    target_free(member->target);
    free(member->target);
    filter_free(&member->filter);
    free(member->filter_text);
    free(member->prefix);
    free(member->description);
    free(member);
}
