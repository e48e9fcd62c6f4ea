/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "capture/caption.h"
#include "capture/ending.h"
#include "capture/member.h"
#include "capture/members.h"
#include "capture/names.h"
#include "capture/outcome.h"
#include "capture/recorder.h"
#include "capture/remote.h"
#include "capture/run_state.h"
#include "capture/status_line.h"
#include "capture/timeline.h"
#include "kube/client.h"
#include "method/facts.h"
#include "method/helper.h"
#include "method/helper_pods.h"
#include "method/relay.h"
#include "method/sweep.h"
#include "settings/settings.h"
#include "sink/sink.h"
#include "target/follow.h"

#define FOLLOW_ROOM     7     /* pods that may come to each node, and share its helper */
#define STARTING_MOST   16    /* members on their way to their first packet at once */
#define STUCK_LOOK_MS   250   /* between two looks at a reader that takes nothing */
#define SWEEP_LATEST_MS 10000 /* after the first packets can come */

/* ---- what is written ---- */

static char *describe(void *data, const struct share *share)
{
    const struct run *run = data;

    return caption_comment(run->members, run->count, share, kube_client_config(run->env.client));
}

static void on_duration(void *data)
{
    struct run *run = data;

    run->recorder.limit = "--duration";
    ending_stop(run);
}

/* The first packets can come. */
static void on_started(void *data)
{
    struct run *run = data;

    run->begun = loop_now();
    if (run->remote)
        run->remote->begun(run->remote->data);
    if (run->settings->duration)
        run->duration = loop_add_timer(run->loop, run->settings->duration, on_duration, run);
    if (run->settings->fetched && !run->settings->live)
        log_info("fetching what was recorded; Ctrl-C ends it");
    else if (loop_ignores(SIGINT))
        log_info("capturing; SIGTERM or a limit ends it (SIGINT is ignored in a background job)");
    else
        log_info("capturing; Ctrl-C ends it");
    run->sweep_due = !run->again && !run->settings->fetched;
}

/* ---- its members, step by step ---- */

/* Outside of any event, a member has ended: what is to be said, and away with its agent. */
static void leave(struct run *run, struct member *member)
{
    if (member->departing)
        log_info("%s is gone: its capture has ended", member->target->label);
    else if (!members_single(run) && member->error.kind != ERROR_NONE)
        members_failed(run, member);
    if (!members_single(run))
        member_close(member);
    if (member->error.kind != ERROR_NONE && run->settings->fail_fast && !run->stopping) {
        run->failed = member;
        ending_stop(run);
    }
}

static bool step_members(struct run *run)
{
    bool moved = false;
    size_t starting = 0;

    for (size_t i = 0; i < run->count; i++)
        starting += member_is_starting(run->members[i]);
    for (size_t i = 0; i < run->count; i++) {
        struct member *member = run->members[i];

        if (member->state == MEMBER_WAITING && !run->stopping && starting < STARTING_MOST) {
            member_start(member);
            starting++;
        }
        bool ended = member->state == MEMBER_ENDED;
        moved |= member_step(member);
        if (!ended && member->state == MEMBER_ENDED)
            leave(run, member);
        if (member->drain.given_up && (run->stopping || members_single(run)))
            ending_give_up(run, "--drain-timeout has passed");
    }
    return moved;
}

/* With --follow, in time, more targets have a file of their own than a process may have open. */
static void end_files(struct run *run)
{
    for (size_t i = 0; run->recorder.apart && i < run->count; i++) {
        const struct member *member = run->members[i];

        if (member->state == MEMBER_ENDED && !timeline_holds(&run->timeline, member->source))
            recorder_end(&run->recorder, &member->track.share);
    }
}

/* Is none on its way to its first packet any more? */
static bool is_settled(const struct run *run)
{
    for (size_t i = 0; i < run->count; i++)
        if (run->members[i]->state == MEMBER_WAITING || member_is_starting(run->members[i]))
            return false;
    return true;
}

/* Of several targets the first that runs has begun the capture; the last is worth a word, too. */
static void tell_when_all_are_up(struct run *run)
{
    size_t up = 0, present = 0;

    if (!is_settled(run))
        return;
    for (size_t i = 0; i < run->count; i++) {
        const struct member *member = run->members[i];

        up += member->begun && !member_is_gone(member);
        present += !member_is_gone(member);
    }
    run->all_up = true;
    log_info("%zu of %zu targets are being %s", up, present,
             run->settings->fetched ? "fetched" : "captured");
}

/* What killed clients have left is looked for where this one has its helpers; not before its own
 * requests are done, unless one of them takes for ever. */
static void sweep_in_time(struct run *run)
{
    if (!run->sweep_due || run->stopping ||
        (!is_settled(run) && loop_now() < run->begun + SWEEP_LATEST_MS))
        return;
    run->sweep_due = false;
    cleanup_free const char **namespaces = calloc(run->count, sizeof(*namespaces));
    for (size_t i = 0; namespaces && i < run->count; i++)
        namespaces[i] = helper_namespace_of(run->settings, run->members[i]->target);
    run->sweep = namespaces ? sweep_start(run->env.client, namespaces, run->count) : NULL;
}

/* ---- the loop ---- */

/* Return: milliseconds for which the loop may wait; -1: as long as it takes. */
static int patience(const struct run *run)
{
    int wait = timeline_wait(&run->timeline, loop_time());

    return run->given_up && (wait < 0 || wait > STUCK_LOOK_MS) ? STUCK_LOOK_MS : wait;
}

/* What somebody outside wants by now. */
static void obey(struct run *run)
{
    struct capture_remote *remote = run->remote;

    recorder_pause(&run->recorder, remote->paused);
    if (remote->filter)
        remote_refilter(remote, run->env.client, &run->present, &run->members, &run->count,
                        &run->recorder);
    if (remote->quit && !run->stopping)
        ending_stop(run);
}

/* Has every agent ended for good, and has the sink everything? */
static bool is_over(struct run *run)
{
    const struct recorder *recorder = &run->recorder;

    return members_ended(run) && timeline_is_empty(&run->timeline) &&
           (recorder_is_flushed(recorder) || !recorder->begun || ending_is_stuck(run));
}

/* One turn, before the loop may wait. Return: whether something has moved. */
static bool turn(struct run *run)
{
    if (run->remote)
        obey(run);
    recorder_flush(&run->recorder);
    bool moved = step_members(run);
    if (!run->all_up && !run->stopping && run->recorder.begun && !members_single(run))
        tell_when_all_are_up(run);
    sweep_in_time(run);
    timeline_step(&run->timeline, loop_time());
    end_files(run);
    return moved || timeline_invites(&run->timeline);
}

static void run_members(struct run *run)
{
    for (;;) {
        if (loop_interrupted(run->loop)) {
            if (!ending_interrupt(run))
                return;
        } else if (!turn(run)) {
            if (is_over(run))
                return;
            loop_step(run->loop, patience(run));
        }
    }
}

/* ---- once, and again ---- */

static int finish_sink(struct run *run, int result, struct error *err)
{
    struct sink *sink = run->recorder.sink;
    struct error later = {0};

    recorder_abandon(&run->recorder);
    sink->failure = result < 0 ? err->text : NULL;
    int finished = recorder_finish(&run->recorder, result < 0 ? &later : err);
    sink->failure = NULL;
    return finished < 0 ? -1 : result;
}

/* Everything as before the first capture, but for the targets. */
static int start_over(struct run *run, struct error *err)
{
    log_info("another capture begins, as Wireshark wants it");
    loop_remove_timer(run->duration);
    run->duration = NULL;
    run->again = true;
    run->stopping = run->interrupted = run->all_up = run->told = run->given_up = run->lossy = false;
    run->written = 0;
    run->failed = NULL;
    run->loss = (struct loss){0};
    run->rate = (struct rate){0};
    run->recorder.sink->interrupted = 0;
    run->recorder.sink->stopping = false;
    run->recorder.sink->again = false;
    recorder_reset(&run->recorder);
    members_forget_gone(run);
    timeline_free(&run->timeline);
    int result = timeline_init(&run->timeline, err);
    for (size_t i = 0; result == 0 && i < run->count; i++)
        result = member_reset(run->members[i], err);
    return result;
}

/* Nothing was recorded of what is wanted: that is what the output says, too. */
static void begin_empty(struct run *run)
{
    struct recorder *recorder = &run->recorder;

    if (!run->settings->fetched || recorder->begun || run->count == 0)
        return;
    for (size_t i = 0; i < run->count; i++)
        if (!run->members[i]->method || run->members[i]->error.kind != ERROR_NONE)
            return;
    log_warning("nothing was recorded of what is to be fetched");
    if (recorder->sink->output && !recorder->apart)
        recorder_begin(recorder, &run->members[0]->track.share);
}

/* Captures once. */
static int run_once(struct run *run, struct error *err)
{
    struct recorder *recorder = &run->recorder;

    run_members(run);
    begin_empty(run);
    log_status(NULL);
    loop_remove_timer(run->say);
    run->say = NULL;
    int result = outcome_judge(run, err);
    outcome_tell(run);
    /* First what is in the cluster: Wireshark may stay open for days. */
    for (size_t i = 0; i < run->count; i++)
        member_close(run->members[i]);
    helper_pods_settle(run->env.helpers);
    if (recorder->begun || run->again)
        result = finish_sink(run, result, err);
    return result;
}

/* ---- from nothing, and back ---- */

static int run_targets(struct run *run, struct error *err)
{
    cleanup_free char *title = caption_title(run->members, run->count);
    int result;

    run->recorder.title = title;
    run->recorder.subject = run->count ? run->members[0]->target->name : "targets";
    run->recorder.sink->several = !members_single(run);
    members_ask_names(run);
    run->recorder.sink->named = run->names != NULL;
    status_line_start(run);
    result = run_once(run, err);
    while (run->recorder.sink->again)
        result = start_over(run, err) < 0 ? -1 : run_once(run, err);
    sweep_end(run->sweep);
    run->recorder.next_names = NULL;
    names_free(run->names);
    status_line_end(run);
    loop_remove_timer(run->duration);
    return result;
}

int capture_run(struct kube_client *client, const struct settings *settings, struct sink *sink,
                bool status, struct capture_remote *remote, struct error *err)
{
    struct run run = {
        .loop = kube_client_loop(client),
        .env = {.client = client},
        .settings = settings,
        .present = *settings,
        .started = (uint64_t)time(NULL),
        .remote = remote,
        .show_status = status,
        .recorder = {.settings = settings,
                     .sink = sink,
                     .describe = describe,
                     .started = on_started,
                     .enough = ending_stop_at_once,
                     .failed = ending_cut},
    };

    run.recorder.data = &run;
    run.timeline.settings = settings;
    run.timeline.recorder = &run.recorder;
    sink->loop = run.loop;
    recorder_init(&run.recorder);
    run.facts = facts_new(client);
    run.env.helpers = helper_pods_new(client, settings, settings->follow ? FOLLOW_ROOM : 0);
    run.env.relays = relays_new(client);
    int result = run.facts && run.env.helpers && run.env.relays
                     ? timeline_init(&run.timeline, err)
                     : error_set(err, ERROR_INTERNAL, "out of memory");
    if (result == 0)
        result = members_find(&run, err);
    if (result == 0)
        result = run_targets(&run, err);
    result = outcome_write(&run, result, err);
    recorder_free(&run.recorder);
    target_follow_end(run.follow);
    members_free(&run);
    timeline_free(&run.timeline);
    helper_pods_free(run.env.helpers);
    relays_free(run.env.relays);
    target_set_free(&run.targets);
    facts_free(run.facts);
    return result;
}
