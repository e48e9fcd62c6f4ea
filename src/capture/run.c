/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/run.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/area.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/rate.h"
#include "base/text.h"
#include "capture/caption.h"
#include "capture/loss.h"
#include "capture/member.h"
#include "capture/names.h"
#include "capture/recorder.h"
#include "capture/remote.h"
#include "capture/summary.h"
#include "capture/tally.h"
#include "capture/telling.h"
#include "capture/timeline.h"
#include "kube/client.h"
#include "method/facts.h"
#include "method/helper_pods.h"
#include "method/method.h"
#include "method/session.h"
#include "method/sweep.h"
#include "recording/fetch.h"
#include "recording/recordings.h"
#include "settings/settings.h"
#include "sink/sink.h"
#include "target/find.h"
#include "target/follow.h"

#define STATUS_MS     250
#define SAY_MS        1000 /* the end takes so long: it is worth a word */
#define STUCK_MS      1000 /* with a reader that takes nothing, once the rest was given up */
#define FOLLOW_ROOM   7    /* pods that may come to each node, and share its helper */
#define STARTING_MOST 16   /* members on their way to their first packet at once */

struct run {
    struct loop *loop;
    struct session_env env;
    const struct settings *settings;
    struct settings present; /* the same, but for the filter that holds now */
    struct facts *facts;
    struct target_set targets;
    struct target_follow *follow; /* NULL: they are all there are */
    struct member **members;      /* owned, each of them, too */
    size_t count;
    struct timeline timeline;
    struct recorder recorder;
    struct names *names; /* NULL: none are asked for */
    struct sweep *sweep; /* of what earlier clients left */
    bool sweep_due;

    bool stopping;    /* the user or a limit has ended it */
    bool interrupted; /* the user has */
    bool again;       /* it is not the first into this sink */
    uint64_t started; /* seconds since 1970 */
    uint64_t begun;   /* loop_now() of the first that could come */

    bool all_up;                /* none is on its way to its first packet any more */
    bool told;                  /* the user knows that the end takes time */
    bool given_up;              /* what is still to come is not waited for */
    const char *why;            /* that is so */
    uint64_t written, progress; /* bytes that the sink has, and loop_now() when they changed */
    struct loop_timer *say;
    struct loss loss;            /* of all members */
    const struct member *failed; /* with --fail-fast: that has ended all */
    bool lossy;

    struct capture_remote *remote; /* NULL: nobody */
    bool show_status;
    struct loop_timer *status_timer;
    struct rate rate; /* of bytes */
    struct loop_timer *duration;
};

/* ---- the end, as asked ---- */

/* Return: packets that are still to come; 0 where no agent has said how many it has. */
static uint64_t to_come(const struct run *run, bool *ret_told, bool *ret_unsure)
{
    uint64_t sum = 0, packets;

    *ret_told = *ret_unsure = false;
    for (size_t i = 0; i < run->count; i++) {
        if (!member_to_come(run->members[i], &packets, ret_unsure))
            continue;
        *ret_told = true;
        sum += packets;
    }
    return *ret_told ? sum + recorder_unwritten(&run->recorder, NULL) : 0;
}

/* Return: what is still to come, for one line; @out, empty before the end. */
static const char *drain_text(const struct run *run, char *out, size_t size)
{
    bool told, unsure;
    uint64_t packets = to_come(run, &told, &unsure);

    *out = '\0';
    if (told)
        snprintf(out, size, "%s%" PRIu64 " packets still to come", unsure ? "up to " : "", packets);
    else if (run->stopping)
        snprintf(out, size, "waiting for what is still to come");
    return out;
}

static bool has_ended(const struct run *run)
{
    if (run->follow && !run->stopping)
        return false;
    for (size_t i = 0; i < run->count; i++)
        if (run->members[i]->state != MEMBER_ENDED)
            return false;
    return true;
}

static void on_say(void *data)
{
    struct run *run = data;
    bool told, unsure;
    char what[80];

    if (run->given_up || (has_ended(run) && recorder_is_flushed(&run->recorder)))
        return;
    run->told = true;
    to_come(run, &told, &unsure);
    log_info("the capture has ended; %s: Ctrl-C gives them up",
             told ? drain_text(run, what, sizeof(what)) : "packets are still to come");
}

static void stop(void *data)
{
    struct run *run = data;

    run->stopping = run->recorder.sink->stopping = true;
    timeline_end(&run->timeline);
    for (size_t i = 0; i < run->count; i++)
        member_stop(run->members[i], true);
    if (!run->say)
        run->say = loop_add_timer(run->loop, SAY_MS, on_say, run);
}

/* A limit is reached, or nobody reads any more: what is still to come is not wanted. */
static void stop_at_once(void *data)
{
    struct run *run = data;

    run->stopping = run->recorder.sink->stopping = true;
    for (size_t i = 0; i < run->count; i++)
        member_stop(run->members[i], false);
}

static void on_duration(void *data)
{
    struct run *run = data;

    run->recorder.limit = "--duration";
    stop(run);
}

static void cut_short(void *data)
{
    struct run *run = data;

    run->stopping = true;
    for (size_t i = 0; i < run->count; i++)
        member_cut(run->members[i]);
}

static void give_up(struct run *run, const char *why)
{
    if (run->given_up)
        return;
    run->given_up = true;
    run->why = why;
    run->progress = loop_now();
    timeline_flush(&run->timeline); /* what has come has come */
    recorder_discard(&run->recorder);
    for (size_t i = 0; i < run->count; i++)
        member_give_up(run->members[i], why);
}

/* Return: it was given up, and who reads the output takes nothing any more. */
static bool is_stuck(struct run *run)
{
    if (!run->given_up)
        return false;
    if (run->written != run->recorder.sink->written)
        run->progress = loop_now();
    run->written = run->recorder.sink->written;
    return loop_now() >= run->progress + STUCK_MS;
}

/* ---- what is written ---- */

static bool is_single(const struct run *run)
{
    return run->count == 1 && !run->members[0]->several;
}

static char *describe(void *data, const struct share *share)
{
    const struct run *run = data;

    return caption_comment(run->members, run->count, share, kube_client_config(run->env.client));
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
    /* Not here: a request may step the loop, and this is an event of the stream. */
    run->sweep_due = !run->again && !run->settings->fetched;
}

/* ---- what the user sees ---- */

/* What stands on the live line besides numbers. */
static const char *note(const struct run *run, char *out, size_t size)
{
    if (is_single(run) && run->members[0]->state == MEMBER_CUT)
        snprintf(out, size, "cut off, taking it up again");
    else
        drain_text(run, out, size);
    return out;
}

static uint64_t time_left(const struct run *run, uint64_t elapsed)
{
    uint64_t whole = run->settings->duration;

    if (!whole)
        return UINT64_MAX;
    return elapsed < whole ? whole - elapsed : 0;
}

static void on_status(void *data)
{
    struct run *run = data;
    struct summary summary;
    CLEANUP(buf_free) struct buf lines;
    char rest[80];

    buf_init(&lines, AREA_TEXT_MAX);
    loop_set_timer(run->status_timer, STATUS_MS);
    if (!run->recorder.begun || !tally_take(run->members, run->count, &summary))
        return;
    if (run->remote)
        run->remote->status(run->remote->data, &summary, run->recorder.skipped);
    summary.elapsed = loop_now() - run->begun;
    summary.left = time_left(run, summary.elapsed);
    summary.rate = rate_add(&run->rate, loop_now(), summary.total.bytes);
    summary.note = note(run, rest, sizeof(rest));
    summary_live(&summary, log_columns(), log_enabled(LOG_LEVEL_DEBUG), &lines);
    log_status(buf_string(&lines));
    tally_free(&summary);
}

static void sum_up(const struct run *run)
{
    struct summary summary;

    if (!run->recorder.begun || !tally_take(run->members, run->count, &summary))
        return;
    tell_results(&run->recorder, run->lossy ? &run->loss : NULL, &summary, !is_single(run));
    tally_free(&summary);
}

/* What --summary asks for. @result, @err: how the capture has ended. */
static int write_summary(const struct run *run, int result, struct error *err)
{
    const char *output = run->recorder.sink->output;
    struct summary summary;
    struct error failure;

    if (!run->settings->summary || !tally_take(run->members, run->count, &summary))
        return result;
    summary.context = kube_client_config(run->env.client)->context;
    summary.output = output;
    summary.started = run->started;
    summary.ended = (uint64_t)time(NULL);
    summary.exit_code = result < 0 ? error_exit_code(err) : 0;
    summary.error = result < 0 ? err->text : NULL;
    int written = summary_write(&summary, run->settings->summary, &failure);
    tally_free(&summary);
    if (written == 0 || result < 0)
        return result;
    *err = failure;
    return -1;
}

/* ---- the run ---- */

/*
 * The first interrupt ends the capture in order. The next one, or the first after the user was told
 * that it takes its time, gives up what is still to come; the one after that waits for nothing.
 */
static void on_interrupt(struct run *run)
{
    int number = loop_acknowledge(run->loop);
    bool again = run->interrupted || run->told;

    run->recorder.sink->interrupted = number;
    run->interrupted = true;
    if (run->given_up)
        cut_short(run);
    else
        stop(run);
    if (again)
        give_up(run, "a second interrupt has cut the end short");
}

/* Outside of any event, a member has ended: what is to be said, and away with its agent. */
static void leave(struct run *run, struct member *member)
{
    if (member->departing)
        log_info("%s is gone: its capture has ended", member->target->label);
    else if (!is_single(run) && member->error.kind != ERROR_NONE)
        log_warning("%s: %s", member->target->label, member->error.text);
    if (!is_single(run))
        member_close(member);
    if (member->error.kind != ERROR_NONE && run->settings->fail_fast && !run->stopping) {
        run->failed = member;
        stop(run);
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
        if (member->drain.given_up && (run->stopping || is_single(run)))
            give_up(run, "--drain-timeout has passed");
    }
    return moved;
}

/* Of several targets the first that runs has begun the capture; the last is worth a word, too. */
static void tell_when_all_are_up(struct run *run)
{
    size_t up = 0;

    for (size_t i = 0; i < run->count; i++) {
        if (run->members[i]->state == MEMBER_WAITING || member_is_starting(run->members[i]))
            return;
        up += run->members[i]->begun;
    }
    run->all_up = true;
    log_info("%zu of %zu targets are being %s", up, run->count,
             run->settings->fetched ? "fetched" : "captured");
}

/* Return: milliseconds for which the loop may wait; -1: as long as it takes. */
static int patience(const struct run *run)
{
    int wait = timeline_wait(&run->timeline, loop_time());

    return run->given_up && (wait < 0 || wait > STATUS_MS) ? STATUS_MS : wait;
}

/* What somebody outside wants by now. */
static void obey(struct run *run)
{
    struct capture_remote *remote = run->remote;

    recorder_pause(&run->recorder, remote->paused);
    if (remote->filter)
        remote_refilter(remote, run->env.client, &run->present, run->members, run->count,
                        &run->recorder);
    if (remote->quit && !run->stopping)
        stop(run);
}

/* Runs the loop until every agent has ended for good and the sink has everything. */
static void run_members(struct run *run)
{
    struct recorder *recorder = &run->recorder;

    for (;;) {
        if (loop_interrupted(run->loop)) {
            /* A reader that takes nothing cannot hold up the third Ctrl-C. */
            if (run->given_up && has_ended(run)) {
                loop_acknowledge(run->loop);
                return;
            }
            on_interrupt(run);
            continue;
        }
        if (run->sweep_due) {
            run->sweep_due = false;
            run->sweep = sweep_start(run->env.client, run->settings);
        }
        if (run->remote)
            obey(run);
        recorder_flush(recorder);
        bool moved = step_members(run);
        if (!run->all_up && !run->stopping && recorder->begun && !is_single(run))
            tell_when_all_are_up(run);
        timeline_step(&run->timeline, loop_time());
        if (moved || timeline_invites(&run->timeline))
            continue;
        if (has_ended(run) && timeline_is_empty(&run->timeline) &&
            (recorder_is_flushed(recorder) || !recorder->begun || is_stuck(run)))
            return;
        loop_step(run->loop, patience(run));
    }
}

/* ---- what came of it ---- */

static void sum_losses(struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        struct drain *drain = &run->members[i]->drain;

        drain->lossy = loss_settle(&drain->loss, drain->lossy, &run->recorder,
                                   &run->members[i]->track.share, drain->discarded, run->why);
        if (!drain->lossy)
            continue;
        loss_add(&run->loss, &drain->loss);
        run->lossy = true;
    }
}

/* Of one target: how it ended is how the run did. */
static int judge_single(const struct member *member, const struct run *run, struct error *err)
{
    bool failed = member->error.kind != ERROR_NONE;

    if (failed && !member->left && !run->recorder.sink_ended) {
        *err = member->error;
        return -1;
    }
    if (run->lossy) {
        if (member->left)
            log_warning("%s", member->error.text);
        return loss_error(&run->loss, err);
    }
    if (!member->left)
        return 0;
    *err = member->error;
    return -1;
}

/* Of several: as long as any was captured, the others' failures have been told. */
static int judge_several(const struct run *run, struct error *err)
{
    size_t captured = 0;

    for (size_t i = 0; i < run->count; i++)
        captured += run->members[i]->begun;
    if (run->lossy)
        return loss_error(&run->loss, err);
    if (run->failed) {
        *err = run->failed->error;
        return -1;
    }
    if (captured > 0 || run->interrupted)
        return 0;
    error_set(err, ERROR_TARGET, "none of %zu targets could be captured", run->count);
    return error_remedy(err, "the lines above say why each could not");
}

/* What was recorded is there as a whole, or it is a failure. */
static int judge_fetch(const struct run *run, struct error *err)
{
    const struct settings *settings = run->settings;
    size_t failed = 0;

    if (run->interrupted && !settings->live)
        return error_set(err, ERROR_INTERRUPTED,
                         "interrupted before all that was recorded had come");
    if (run->recorder.sink_ended && settings->whole)
        return error_set(err, ERROR_LOSS, "who read the packets ended before all had come");

    for (size_t i = 0; i < run->count; i++)
        failed += run->members[i]->error.kind != ERROR_NONE;
    if (failed == 0)
        return 0;
    error_set(err, ERROR_TARGET, "of %zu of %zu targets not all that was recorded has come", failed,
              run->count);
    return error_remedy(err, "the lines above say why");
}

static int judge(struct run *run, struct error *err)
{
    const struct recorder *recorder = &run->recorder;

    sum_losses(run);
    if (recorder->failure.kind != ERROR_NONE) {
        *err = recorder->failure;
        return -1;
    }
    int result = is_single(run) ? judge_single(run->members[0], run, err) : judge_several(run, err);
    if (result == 0 && run->settings->fetched)
        result = judge_fetch(run, err);
    if (result == 0 && run->interrupted && !recorder->begun)
        return error_set(err, ERROR_INTERRUPTED, "interrupted before the capture had begun");
    return result;
}

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

static void forget_what_is_gone(struct run *run)
{
    size_t kept = 0;

    for (size_t i = 0; i < run->count; i++) {
        if (run->members[i]->departing)
            member_free(run->members[i]);
        else
            run->members[kept++] = run->members[i];
    }
    run->count = kept;
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
    forget_what_is_gone(run);
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
    int result = judge(run, err);
    sum_up(run);
    /* First what is in the cluster: Wireshark may stay open for days. */
    for (size_t i = 0; i < run->count; i++)
        member_close(run->members[i]);
    helper_pods_settle(run->env.helpers);
    if (recorder->begun || run->again)
        result = finish_sink(run, result, err);
    return result;
}

/* ---- start ---- */

static int add_member(struct run *run, struct target *target, bool several, struct error *err)
{
    struct member **members = realloc(run->members, (run->count + 1) * sizeof(struct member *));

    if (!members) {
        target_free(target);
        free(target);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    run->members = members;
    if (!target->keeper)
        helper_pods_expect(run->env.helpers, target);
    members[run->count] =
        member_new(&run->env, run->facts, &run->present, target, &run->timeline, several, err);
    if (!members[run->count])
        return -1;
    run->count++;
    if (target->pod)
        names_pod(run->names, target->pod->json);
    return 0;
}

/* One more, which is followed. */
static void on_added(void *data, struct target *target)
{
    struct run *run = data;
    struct error err;

    if (add_member(run, target, true, &err) < 0)
        log_warning("%s", err.text);
    else if (run->stopping) /* it belongs to another capture, if there is one */
        member_stop(run->members[run->count - 1], true);
}

static void depart(struct run *run, const char *uid, bool gone)
{
    for (size_t i = 0; i < run->count; i++) {
        struct member *member = run->members[i];

        if (member->target->pod && strcmp(member->target->pod->uid, uid) == 0)
            member_depart(member, gone);
    }
}

static void on_leaving(void *data, const char *uid)
{
    depart(data, uid, false);
}

static void on_gone(void *data, const char *uid, const char *why)
{
    log_debug("the pod of the uid %s: %s", uid, why);
    depart(data, uid, true);
}

static int find_recorded(struct run *run, struct error *err)
{
    const struct settings *settings = run->settings;
    CLEANUP(recordings_free) struct recordings recordings = {0};

    if (recordings_find(run->env.client, settings->all_namespaces ? NULL : settings->namespace,
                        settings->fetched, &recordings, err) < 0)
        return -1;
    return fetch_targets(&recordings, &run->targets, err);
}

static int find_targets(struct run *run, struct error *err)
{
    static const struct target_follow_events events = {
        .added = on_added, .leaving = on_leaving, .gone = on_gone};

    if (run->settings->fetched)
        return find_recorded(run, err);
    return run->settings->follow ? target_follow_start(run->env.client, run->settings, &events, run,
                                                       &run->targets, &run->follow, err)
                                 : targets_find(run->env.client, run->settings, &run->targets, err);
}

/* Everything that was asked for becomes a member. */
static int find_members(struct run *run, struct error *err)
{
    struct target_set *set = &run->targets;

    if (find_targets(run, err) < 0)
        return -1;
    bool several = run->follow || set->count > 1;

    for (size_t i = 0; i < set->count; i++) {
        struct target *target = set->targets[i];

        set->targets[i] = NULL;
        if (target && add_member(run, target, several, err) < 0)
            return -1;
    }
    return 0;
}

static void on_names(void *data)
{
    struct run *run = data;

    recorder_names(&run->recorder);
}

static size_t next_names(void *data, uint64_t *cursor, struct capture_address *ret_addresses,
                         size_t most)
{
    const struct run *run = data;

    return names_next(run->names, cursor, ret_addresses, most);
}

/* Return: the namespaces of the targets, each once, *@ret_count of them; borrowed strings in an
 * array owned by the caller. */
static const char **namespaces_of(const struct run *run, size_t *ret_count)
{
    const char **namespaces = calloc(run->count + 1, sizeof(*namespaces));
    size_t count = 0, k;

    for (size_t i = 0; namespaces && i < run->count; i++) {
        const struct target *target = run->members[i]->target;

        for (k = 0; k < count && target->pod; k++)
            if (strcmp(namespaces[k], target->namespace) == 0)
                break;
        if (target->pod && k == count)
            namespaces[count++] = target->namespace;
    }
    if (namespaces && count == 0 && !run->settings->all_namespaces)
        namespaces[count++] = run->settings->namespace;
    *ret_count = count;
    return namespaces;
}

/* Nothing waits for them; without memory for them there are none. */
static void ask_for_names(struct run *run)
{
    size_t count = 0;

    if (!run->settings->names)
        return;
    if (!run->settings->format->names) {
        log_info("a %s file holds no names of pods and Services: --format pcapng does",
                 run->settings->format->name);
        return;
    }
    const char **namespaces = namespaces_of(run, &count);

    run->names = names_start(run->facts, namespaces, count, run->settings->follow, on_names, run);
    free(namespaces);
    for (size_t i = 0; i < run->count; i++)
        if (run->members[i]->target->pod)
            names_pod(run->names, run->members[i]->target->pod->json);
    run->recorder.next_names = run->names ? next_names : NULL;
}

static int run_targets(struct run *run, struct error *err)
{
    cleanup_free char *title = caption_title(run->members, run->count);
    int result;

    run->recorder.title = title;
    run->recorder.subject = run->count ? run->members[0]->target->name : "the targets";
    run->recorder.sink->several = !is_single(run);
    ask_for_names(run);
    run->recorder.sink->named = run->names != NULL;
    if (run->show_status || run->remote)
        run->status_timer = loop_add_timer(run->loop, STATUS_MS, on_status, run);
    result = run_once(run, err);
    while (run->recorder.sink->again)
        result = start_over(run, err) < 0 ? -1 : run_once(run, err);
    sweep_end(run->sweep);
    run->recorder.next_names = NULL;
    names_free(run->names);
    loop_remove_timer(run->status_timer);
    loop_remove_timer(run->duration);
    return result;
}

static void free_members(struct run *run)
{
    for (size_t i = 0; i < run->count; i++)
        member_free(run->members[i]);
    free(run->members);
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
                     .enough = stop_at_once,
                     .failed = cut_short},
    };

    run.recorder.data = &run;
    run.timeline.settings = settings;
    run.timeline.recorder = &run.recorder;
    sink->loop = run.loop;
    recorder_init(&run.recorder);
    run.facts = facts_new(client);
    run.env.helpers = helper_pods_new(client, settings, settings->follow ? FOLLOW_ROOM : 0);
    int result = run.facts && run.env.helpers ? timeline_init(&run.timeline, err)
                                              : error_set(err, ERROR_INTERNAL, "out of memory");
    if (result == 0)
        result = find_members(&run, err);
    if (result == 0)
        result = run_targets(&run, err);
    result = write_summary(&run, result, err);
    recorder_free(&run.recorder);
    target_follow_end(run.follow);
    free_members(&run);
    timeline_free(&run.timeline);
    helper_pods_free(run.env.helpers);
    target_set_free(&run.targets);
    facts_free(run.facts);
    return result;
}
