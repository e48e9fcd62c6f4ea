/* SPDX-License-Identifier: Apache-2.0 */
#include "recording/fetch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "kube/pod.h"
#include "kube/stream.h"
#include "method/agent_exec.h"
#include "method/session.h"
#include "recording/program.h"
#include "recording/recordings.h"
#include "settings/filter.h"
#include "settings/settings.h"
#include "target/set.h"
#include "target/target.h"
#include "common/agent.h"
#include "common/recording.h"

#define START_MS     20000       /* from the exec's beginning to the first that is heard */
#define UNREACHED_MS 1000        /* until an exec that reached nobody is tried again */
#define PATIENCE_MS  30000       /* for a recorder that is started again */
#define WHOLE_MS     1000        /* for the exec's end, when all has come */
#define SILENT_MS    10000       /* for the rest, when it was said how much there is */
#define LIVE_MS      500         /* for packets, which are not on the way of the word about them */
#define MARGIN_NS    60000000000 /* that clocks may differ, of nodes and of their packets */
#define SECOND       1000000000ull
#define WORDS_MAX    20
#define NUMBER_SIZE  24

/* Of one session. */
struct fetch {
    uint64_t end;             /* loop_now() until which the recorder may come back */
    struct loop_timer *retry; /* of the exec */
    struct loop_timer *whole; /* the end of the exec is not waited for any longer */
    uint64_t silent;          /* milliseconds without a byte, after the last word */
    struct loop_timer *live;  /* what was recorded has arrived by then */
};

/* ---- the command line ---- */

struct words {
    const char *words[WORDS_MAX + 1];
    size_t count;
    char number[NUMBER_SIZE], segment[NUMBER_SIZE], since[NUMBER_SIZE], until[NUMBER_SIZE];
    char *program; /* owned */
};

static void add(struct words *words, const char *word)
{
    if (words->count < WORDS_MAX)
        words->words[words->count++] = word;
}

static void add_number(struct words *words, const char *flag, char *out, uint64_t number)
{
    snprintf(out, NUMBER_SIZE, "%" PRIu64, number);
    add(words, flag);
    add(words, out);
}

/* Whole segments are left out, by the clock of the node; packets are, when their times are known.
 */
static void add_times(struct words *words, const struct settings *settings, bool frozen)
{
    if (settings->since > MARGIN_NS)
        add_number(words, "-B", words->since, settings->since - MARGIN_NS);
    if (settings->until)
        add_number(words, "-U", words->until, settings->until + MARGIN_NS);
    if (settings->live && !frozen)
        add(words, "-L");
}

static int add_filter(struct words *words, const struct filter *filter, struct error *err)
{
    if (!filter->program)
        return 0;
    words->program = filter_encode(filter);
    if (!words->program)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    add(words, "-F");
    add(words, words->program);
    if (filter->vlan)
        add(words, "-V");
    if (filter->ethernet_only)
        add(words, "-E");
    return 0;
}

static int build(struct words *words, const struct session *session, struct error *err)
{
    add(words, RECORDER_PROGRAM);
    add(words, "fetch");
    add(words, "-d");
    add(words, RECORDING_DIRECTORY);
    add_number(words, "-t", words->number, session->target->keeper->number);
    if (session->segments.begun)
        add_number(words, "-a", words->segment, session->segments.number);
    add_times(words, session->settings, session->target->keeper->frozen);
    return add_filter(words, &session->settings->filter, err);
}

/* ---- its stream ---- */

/* While it was followed: else that was said before. */
static void tell_frozen(struct session *session)
{
    if (session->frozen)
        log_info("%s: its recording is frozen: nothing new will come of it",
                 session->target->label);
    session->frozen = false;
}

static void on_opened(void *data)
{
    struct session *session = data;

    session_stage(session, "the start of the recorder's answer", START_MS);
    agent_exec_heartbeat(session); /* its answer tells that it runs, also where nothing is there */
}

static void on_output(void *data, enum kube_channel channel, const unsigned char *bytes,
                      size_t length)
{
    struct session *session = data;
    struct fetch *fetch = session->method_data;
    uint64_t answers = session->clock.answers;

    if (session->state == SESSION_ENDED || length == 0)
        return;
    if (channel == KUBE_CHANNEL_STDERR) {
        session_complaint(session, bytes, length);
        tell_frozen(session);
        if (session->live)
            loop_set_timer(fetch->live, LIVE_MS);
        session->live = false;
        if (!session->reader && session->clock.answers != answers)
            session_running(session);
    } else {
        if (!session->reader)
            session_running(session);
        session_packets(session, bytes, length);
    }
    fetch->silent = 0;
    if (session->account.told && session->state != SESSION_ENDED)
        loop_set_timer(fetch->whole, WHOLE_MS);
}

static void on_closed(void *data, const struct kube_exit *exit, const struct error *err)
{
    session_closed(data, exit, err);
}

static void on_live(void *data)
{
    struct session *session = data;

    session->live = session->state == SESSION_RUNNING;
}

/* A command that ends without having read all of its standard input may leave its exec hanging. */
static void on_whole(void *data)
{
    struct session *session = data;
    struct fetch *fetch = session->method_data;
    const struct kube_exit well = {.kind = KUBE_EXIT_CODE};

    if (session->state == SESSION_ENDED)
        return;
    bool whole = session->account.told && session->account.came >= session->account.told_written;
    if (!session->paused) /* else the silence is our own */
        fetch->silent += WHOLE_MS;
    if (!whole && fetch->silent < SILENT_MS) {
        loop_set_timer(fetch->whole, WHOLE_MS);
        return;
    }
    if (!whole) /* what is missing is counted as lost */
        snprintf(session->cut_short, sizeof(session->cut_short),
                 "the recorder has said that all is sent, and nothing came any more");
    session_closed(session, &well, NULL);
}

static int run(struct session *session, struct error *err)
{
    static const struct kube_stream_events events = {
        .opened = on_opened, .output = on_output, .closed = on_closed};
    struct words words = {.count = 0};
    int result = build(&words, session, err);

    session_stage(session, "the start of the recorder's answer", START_MS);
    if (result == 0)
        result = agent_exec_open(session, words.words, &events, err);
    free(words.program);
    return result;
}

static void on_retry(void *data)
{
    struct session *session = data;
    struct error err;

    if (session->state == SESSION_STARTING && run(session, &err) < 0)
        session_end(session, &err);
}

/* ---- start and end ---- */

static int prepare(struct session *session, struct error *err)
{
    const struct target *keeper = &session->target->keeper->target;
    const struct session_place place = {keeper->namespace, keeper->name, HELPER_CONTAINER};
    struct fetch *fetch = calloc(1, sizeof(*fetch));

    if (!fetch)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    session->method_data = fetch;
    session_set_place(session, &place);
    fetch->retry = loop_add_timer(session->loop, 0, on_retry, session);
    fetch->whole = loop_add_timer(session->loop, 0, on_whole, session);
    fetch->live = loop_add_timer(session->loop, 0, on_live, session);
    if (!fetch->retry || !fetch->whole || !fetch->live)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    return 0;
}

static int start(struct session *session, struct error *err)
{
    struct fetch *fetch = session->method_data;

    if (!fetch && prepare(session, err) < 0)
        return -1;
    fetch = session->method_data;
    fetch->end = loop_now() + PATIENCE_MS;
    fetch->silent = 0;
    loop_stop_timer(fetch->retry);
    loop_stop_timer(fetch->whole);
    loop_stop_timer(fetch->live);
    session->account.by_word = true;
    if (session->resumed)
        segments_resume(&session->segments);
    return run(session, err);
}

static void release(struct session *session)
{
    struct fetch *fetch = session->method_data;

    if (!fetch)
        return;
    loop_remove_timer(fetch->retry);
    loop_remove_timer(fetch->whole);
    loop_remove_timer(fetch->live);
    free(fetch);
    session->method_data = NULL;
}

/* Its container may just be started again. */
static bool unreached(struct session *session)
{
    struct fetch *fetch = session->method_data;

    if (loop_now() + UNREACHED_MS >= fetch->end)
        return false;
    session_retire_stream(session);
    session_stage(session, "the recorder", fetch->end - loop_now());
    loop_set_timer(fetch->retry, UNREACHED_MS);
    return true;
}

static bool explain(struct session *session, const struct kube_exit *exit, struct error *err)
{
    if (exit->kind != KUBE_EXIT_CODE || exit->code != AGENT_EXIT_NO_FILE)
        return false;
    error_set(err, ERROR_TARGET, "%s has no recording of %s: %s", session->where,
              session->target->label, session->last_complaint);
    error_remedy(err, "see: kubectl sniff --recordings -n %s", session->place.namespace);
    return true;
}

const struct method method_recording = {
    .name = "recording",
    .recorded = true,
    .start = start,
    .stop = agent_exec_stop,
    .heartbeat = agent_exec_heartbeat,
    .unreached = unreached,
    .explain = explain,
    .release = release,
};

/* ---- targets ---- */

static int add_keeper(const struct recording_pod *pod, unsigned number, struct target *target,
                      struct error *err)
{
    struct target_keeper *keeper = calloc(1, sizeof(*keeper));
    struct target *recorder;

    if (!keeper)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    target->keeper = keeper;
    keeper->number = number;
    keeper->frozen = pod->state.condition == RECORDING_FROZEN;
    recorder = &keeper->target;
    if (kube_pod_read(pod->json, &recorder->pod, err) < 0)
        return -1;
    recorder->namespace = recorder->pod->namespace;
    recorder->name = recorder->pod->name;
    recorder->node_name = recorder->pod->node;
    recorder->container = kube_pod_container(recorder->pod, HELPER_CONTAINER);
    snprintf(recorder->label, sizeof(recorder->label), "pod \"%s\"", recorder->name);
    return recorder->container
               ? 0
               : error_set(err, ERROR_PROTOCOL, "pod \"%s\" has no container \"%s\"",
                           recorder->name, HELPER_CONTAINER);
}

static int add_target(const struct recording_pod *pod, unsigned number, struct target_set *set,
                      struct error *err)
{
    struct target **targets = realloc(set->targets, (set->count + 1) * sizeof(*targets));
    struct target *target = calloc(1, sizeof(*target));

    set->targets = targets ? targets : set->targets;
    if (!targets || !target) {
        free(target);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    if (recorded_target_make(pod, &pod->targets[number], target, err) == 0 &&
        add_keeper(pod, number, target, err) == 0) {
        set->targets[set->count++] = target;
        return 0;
    }
    target_free(target);
    free(target);
    return -1;
}

/* What one pod says of itself does not keep the others' from being fetched. */
static int add_targets(const struct recording_pod *pod, struct target_set *set, struct error *err)
{
    for (unsigned i = 0; i < pod->target_count; i++) {
        if (add_target(pod, i, set, err) == 0)
            continue;
        if (err->kind == ERROR_INTERNAL)
            return -1;
        log_warning(
            "pod \"%s\" does not say well what it records as number %u, which is left out: %s",
            pod->name, i, err->text);
    }
    return 0;
}

/* ---- recorders that have ended ---- */

/* A ring lives as long as its pod. Had it any of the time that is wanted? One that somebody deletes
 * is told, but no loss: so it is with each that is gone already. */
static bool is_gone(const struct recording_pod *pod, const struct settings *settings)
{
    uint64_t began = (uint64_t)pod->started * SECOND, ended = (uint64_t)pod->ended_at * SECOND;

    return pod->ended && !pod->deleted && !(ended && ended + MARGIN_NS < settings->since) &&
           !(settings->until && began > settings->until + MARGIN_NS);
}

size_t fetch_gone(const struct settings *settings)
{
    const struct recordings *recordings = settings->recordings;
    size_t count = 0;

    for (size_t i = 0; i < recordings->count; i++)
        count += is_gone(&recordings->pods[i], settings);
    return count;
}

static void tell_gone(const struct recording_pod *pod, const struct settings *settings)
{
    if (pod->deleted)
        log_warning(
            "the recorder '%s' on node '%s' is being deleted, and left out: what it has kept "
            "goes with it",
            pod->name, pod->node);
    else if (is_gone(pod, settings))
        log_warning("the recorder '%s' on node '%s' has ended, and what it had kept is gone: %s",
                    pod->name, pod->node, *pod->why ? pod->why : "nobody says why");
    else
        log_info("the recorder '%s' on node '%s' is left out: it has ended, and had nothing of the "
                 "time that is wanted",
                 pod->name, pod->node);
}

static int nothing_to_fetch(const struct settings *settings, struct error *err)
{
    const struct recordings *recordings = settings->recordings;
    size_t ended = 0;

    for (size_t i = 0; i < recordings->count; i++)
        ended += recordings->pods[i].ended;
    if (ended < recordings->count)
        return error_set(err, ERROR_TARGET,
                         "the pods of the recording do not say what they record");
    error_set(err, ERROR_GONE, "every recorder of \"%s\" has ended, and what they had kept is gone",
              settings->fetched);
    return settings->whole
               ? -1
               : error_remedy(err, "kubectl sniff --end %s removes what is left of them",
                              settings->fetched);
}

int fetch_targets(const struct settings *settings, struct target_set *ret_set, struct error *err)
{
    const struct recordings *recordings = settings->recordings;
    struct target_set set = {0};
    int result = 0;

    for (size_t i = 0; i < recordings->count && result == 0; i++)
        if (recordings->pods[i].ended)
            tell_gone(&recordings->pods[i], settings);
        else
            result = add_targets(&recordings->pods[i], &set, err);
    if (result == 0 && set.count == 0)
        result = nothing_to_fetch(settings, err);
    if (result < 0) {
        target_set_free(&set);
        return -1;
    }
    target_set_name_namespaces(&set);
    *ret_set = set;
    return 0;
}
