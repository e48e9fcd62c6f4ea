/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/member.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "capture/choice.h"
#include "capture/keylog.h"
#include "capture/recorder.h"
#include "capture/timeline.h"
#include "kube/client.h"
#include "kube/patience.h"
#include "method/method.h"
#include "method/facts.h"
#include "method/own_traffic.h"
#include "method/session.h"
#include "recording/fetch.h"

#define BACKOFF_FIRST_MS 500
#define BACKOFF_MOST_MS  30000
#define HOLD_NS          200000000u /* for the clocks, before anything of it is written */
#define STEADY_MS        10000 /* a capture that ran for so long begins with the first wait again */

/* What stands before a message where there are several targets. */
#define WHO(member) (member)->several ? (member)->target->label : "", (member)->several ? ": " : ""

/* ---- its end ---- */

static void end(struct member *member, const struct error *err)
{
    member->state = MEMBER_ENDED;
    timeline_close(member->timeline, member->source);
    if (err && member->error.kind == ERROR_NONE)
        member->error = *err;
}

static void await_end(struct member *member)
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
        await_end(member);
}

void member_give_up(struct member *member, const char *why)
{
    drain_give_up(&member->drain, why);
}

void member_depart(struct member *member, bool gone)
{
    member->departing = true;
    /* One that captures is ended by that: upload's agent has died with it, and node's is told to
     * stop by who looks after the pod. */
    if (gone && member->state != MEMBER_ENDED && member->state != MEMBER_RUNNING)
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

bool member_is_starting(const struct member *member)
{
    return member->state == MEMBER_CHOOSING || member->state == MEMBER_TRYING;
}

/* ---- what its agent sends ---- */

static void on_begun(struct member *member)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    member->until = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    member->begun = member->works = true;
    member->state = MEMBER_RUNNING;
    /* It is large, and not needed any more. */
    choice_free(member->choice);
    member->choice = NULL;
}

/* The new agent's first item after a cut. */
static void on_resumed(struct member *member)
{
    member->state = MEMBER_RUNNING;
    member->resumed = loop_now();
    if (member->target->keeper) {
        log_info("%s%sfetching again, where it was cut", WHO(member));
        return;
    }
    member->gap_open = true;
    track_follow(&member->track);
}

/* A segment of what was recorded begins. Why one before it is missing is not known: it may be
 * overwritten, or its recorder was killed before it had written anything. */
static void on_segment(struct member *member)
{
    const struct session *session = member->session;
    const struct segments *segments = &session->segments;

    track_segment(&member->track, segments->repeated);
    if (segments->missed == 0)
        return;
    if (session->account.latest)
        member->until = session->account.latest;
    member->gap_open = true;
    snprintf(member->why, sizeof(member->why),
             "%" PRIu64 " segment%s of the recording %s not in its ring any more", segments->missed,
             segments->missed == 1 ? "" : "s", segments->missed == 1 ? "is" : "are");
    log_warning("%s%smissing: %s", WHO(member), member->why);
}

/* Its first one with a time. By the clock of the packets: ours may have stood still meanwhile. */
static void on_gap(struct member *member, uint64_t timestamp)
{
    uint64_t gap = timestamp > member->until ? (timestamp - member->until) / 1000000 : 0;

    member->gap_open = false;
    member->gap_length += gap;
    if (!member->target->keeper)
        log_info("%s%scapturing again, after %" PRIu64 ".%" PRIu64 " s", WHO(member), gap / 1000,
                 gap % 1000 / 100);
    track_gap(&member->track, gap, member->why);
}

/* ", addresses: 10.0.0.1 fd00::1", as far as they fit. Return: @out. */
static const char *addresses_of(const struct target *target, char *out, size_t size)
{
    const json_t *addresses =
        target->pod ? json_object_get(json_object_get(target->pod->json, "status"), "podIPs")
                    : NULL;
    size_t i, used = 0;
    json_t *each;

    *out = '\0';
    json_array_foreach(addresses, i, each)
    {
        const char *address = json_string_value(json_object_get(each, "ip"));

        if (address && used < size)
            used += (size_t)snprintf(out + used, size - used, "%s%s",
                                     used ? " " : ", addresses: ", address);
    }
    return out;
}

/* Of its interfaces, as they are written. */
static void describe(struct member *member)
{
    const struct target *target = member->target;
    const char *container = target->pod ? target->container->name : NULL;
    char clock[100], addresses[160];

    timeline_clock_text(member->timeline, member->source, clock, sizeof(clock));
    free(member->description);
    member->description = text_format(
        "node: %s%s%s, method: %s%s%s%s", target->node_name, container ? ", container: " : "",
        container ? container : "", member->method->name,
        addresses_of(target, addresses, sizeof(addresses)), *clock ? ", clock: " : "", clock);
    member->track.share.description = member->description;
}

static bool on_item(void *data, enum capture_item_kind kind, const struct capture_item *item)
{
    struct member *member = data;

    if (member->state == MEMBER_CUT)
        on_resumed(member);
    else if (!member->begun)
        on_begun(member);
    if (kind == CAPTURE_SEGMENT) {
        on_segment(member);
        return true;
    }
    if (kind == CAPTURE_INTERFACE)
        describe(member);
    if (member->gap_open && kind == CAPTURE_PACKET)
        on_gap(member, item->packet.timestamp);
    else if (member->gap_open && kind == CAPTURE_STATISTICS)
        on_gap(member, item->statistics.timestamp);
    return track_item(&member->track, kind, item);
}

/* ---- choosing a method ---- */

/* Of several nodes' clocks it is said at the interfaces how they differ, and from the first packet
 * on they are corrected. */
static bool waits_for_clocks(const struct member *member)
{
    return member->several && member->settings.clock_sync && !member->settings.tcpdump_path;
}

static bool try_method(struct member *member, const struct method *method)
{
    struct error err = {0};

    member->method = method;
    member->state = MEMBER_TRYING;
    member->backoff = BACKOFF_FIRST_MS;
    member->session = session_start(member->env, method, member->target, &member->settings, on_item,
                                    member, &err);
    if (member->session) {
        if (waits_for_clocks(member))
            session_hold(member->session);
        return true;
    }
    if (member->choice)
        choice_failed(member->choice, NULL, &err);
    end(member, &err);
    return true;
}

/* On the node's own interfaces the stream would be captured, and that again. */
static int keep_own_traffic_out(struct member *member, struct error *err)
{
    struct settings *settings = &member->settings;

    if (!member->target->host_network || settings->own_traffic || member->filter_text)
        return 0;
    const char *asked = settings->filter_text;
    member->filter_text = own_traffic_filter(member->facts, member->target, asked);
    if (!member->filter_text)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (filter_compile(member->filter_text, settings->snaplen, &member->filter, err) < 0)
        return -1;
    member->track.share.filter = settings->filter_text = member->filter_text;
    settings->filter = member->filter;
    settings->asked_filter = asked;
    settings->leave_own_out = true;
    log_info("%s%sthe interfaces are the node's own: this capture's stream is left out by the "
             "filter '%s' (--include-own-traffic keeps it)",
             WHO(member), member->filter_text);
    return 0;
}

/* Its secrets are to be in front of its packets: so it is followed before these are captured. */
static bool awaits_keylog(struct member *member, const struct method *method)
{
    const struct target *target = member->target;
    const struct keylog_of of = {.env = member->env,
                                 .settings = &member->settings,
                                 .target = target,
                                 .method = method,
                                 .recorder = member->track.recorder,
                                 .share = &member->track.share,
                                 .who = member->who};
    struct error err;

    if (member->settings.keylog && !member->keylog && target->pod) {
        member->keylog = keylog_start(&of, &err);
        if (!member->keylog)
            log_warning("%s%s", member->who, err.text);
    }
    return keylog_is_awaited(member->keylog);
}

/* It is known by now. */
static bool use_method(struct member *member, const struct method *method)
{
    member->method = method;
    member->found = awaits_keylog(member, method);
    return member->found ? false : try_method(member, method);
}

int member_refilter(struct member *member, const char *text, const struct filter *filter,
                    struct error *err)
{
    struct settings *settings = &member->settings;
    struct filter own = {0};
    char *own_text = NULL;

    if (member->filter_text) {
        own_text = own_traffic_filter(member->facts, member->target, text);
        if (!own_text)
            return error_set(err, ERROR_INTERNAL, "out of memory");
        if (filter_compile(own_text, settings->snaplen, &own, err) < 0) {
            free(own_text);
            return -1;
        }
        filter_free(&member->filter);
        free(member->filter_text);
        member->filter = own;
        member->filter_text = own_text;
        settings->asked_filter = text;
    }
    settings->filter = own_text ? own : *filter;
    settings->filter_text = own_text ? own_text : text;
    member->track.share.filter = settings->filter_text;
    if (member->session)
        session_refilter(member->session);
    return 0;
}

static bool step_choosing(struct member *member)
{
    const struct method *method = member->method;
    struct error err = {0};

    if (member->stopping) {
        end(member, NULL);
        return true;
    }
    if (member->target->keeper)
        return try_method(member, &method_recording);
    if (member->works || member->found)
        return use_method(member, method);
    if (!member->choice)
        member->choice =
            choice_new(member->facts, &member->settings, member->target, member->several);
    enum choice_answer answer =
        member->choice ? choice_next(member->choice, &method, &err) : CHOICE_NONE;
    if (answer == CHOICE_ASKING)
        return false;
    if (!member->choice)
        error_set(&err, ERROR_INTERNAL, "out of memory");
    if (answer == CHOICE_FOUND && keep_own_traffic_out(member, &err) == 0)
        return use_method(member, method);
    end(member, &err);
    return true;
}

/* The agent has ended before it captured. */
static bool step_failed(struct member *member)
{
    struct session *session = member->session;
    struct error err = session->error;

    if (err.kind == ERROR_NONE || member->stopping) {
        end(member, err.kind == ERROR_NONE ? NULL : &err);
    } else if (!member->choice || !choice_failed(member->choice, session, &err)) {
        end(member, &err);
    } else {
        drain_end(&member->drain);
        member->session = NULL;
        session_free(session);
        member->found = false;
        member->state = MEMBER_CHOOSING;
    }
    return true;
}

/* ---- taking up a cut capture ---- */

static bool may_resume(struct member *member)
{
    const struct session *session = member->session;
    bool lost = member->target->keeper && session->error.kind == ERROR_NOT_FOUND;
    bool doubtful =
        patience_doubts(&member->refused, &session->error) && member->state == MEMBER_CUT;

    return member->begun && member->settings.reconnect && !lost && (session->cut || doubtful) &&
           session->error.kind != ERROR_NONE && !member->stopping && !member->gone &&
           !member->departing;
}

static void on_retry(void *data)
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
    return member->settings.follow && member->session->died;
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

static bool plan_retry(struct member *member)
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

static bool ask_for_target(struct member *member)
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

static bool try_again(struct member *member)
{
    struct session *session = member->session;
    const struct error *err = &member->answer;

    member->planned = member->answered = false;
    member->gone = err->kind != ERROR_NONE && !error_is_passing(err) &&
                   !patience_doubts(&member->refused, err);
    member->departing = member->settings.follow && member->gone && err->kind == ERROR_TARGET;
    if (member->untold && !member->departing)
        tell_cut(member);
    if (err->kind != ERROR_NONE) {
        session->error = *err;
    } else if (!member->running && session->method == &method_upload) {
        error_set(&session->error, ERROR_TARGET, "container \"%s\" of pod \"%s\" does not run",
                  member->target->container->name, member->target->name);
        session->cut = true;
    } else {
        session_resume(session); /* its end tells, at once or later */
    }
    return true;
}

/* ---- its steps ---- */

static void judge(struct member *member)
{
    const struct session *session = member->session;
    bool cut = member->state == MEMBER_CUT;

    /* The last cut is none, if nothing could follow it. */
    member->cuts -= cut && !member->stopping;
    /* A cut that was being mended when it was ended as asked is no failure. */
    if (session->error.kind != ERROR_NONE && !(cut && member->stopping)) {
        end(member, &session->error);
        return;
    }
    member->left = session->reason.kind != ERROR_NONE;
    end(member, member->left ? &session->reason : NULL);
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
        on_begun(member);
    else if (member->state == MEMBER_CUT && session->state == SESSION_RUNNING)
        on_resumed(member);
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
    if (session->reason.kind != ERROR_NONE)
        await_end(member);
    if (session->paused && recorder_has_room(member->track.recorder)) {
        session_pump(session);
        return !session->paused;
    }
    if (session->state != SESSION_ENDED || session->paused)
        return false;
    if (!member->begun)
        return step_failed(member);
    if (!may_resume(member))
        return step_close(member);
    if (member->due)
        return ask_for_target(member);
    if (member->answered)
        return try_again(member);
    return !member->planned && plan_retry(member);
}

bool member_step(struct member *member)
{
    bool moved = keylog_step(member->keylog);

    if (member->state == MEMBER_CHOOSING)
        return step_choosing(member) || moved;
    if (member->state == MEMBER_WAITING && member->stopping) {
        end(member, NULL);
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
    member->retry = loop_add_timer(member->loop, 0, on_retry, member);
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

    return timeline_put(member->timeline, member->source, kind, item, loop_time());
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
