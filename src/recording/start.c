/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pod for each group of targets (groups.h), which the helpers of the node method are: images,
 * privileges and machines are tried as for those. It is not enough that a pod runs: its recorder is
 * asked until all its targets are recorded.
 */
#include "recording/start.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/system.h"
#include "base/text.h"
#include "kube/client.h"
#include "kube/name.h"
#include "kube/node.h"
#include "method/agent_binary.h"
#include "method/facts.h"
#include "method/helper_pod.h"
#include "method/helper_pods.h"
#include "method/own_traffic.h"
#include "method/preflight.h"
#include "method/report.h"
#include "recording/annotation.h"
#include "recording/arguments.h"
#include "recording/fresh.h"
#include "recording/groups.h"
#include "recording/program.h"
#include "recording/recordings.h"
#include "recording/rivals.h"
#include "recording/room.h"
#include "recording/who.h"
#include "settings/settings.h"
#include "target/target.h"

#define ASK_MS   200 /* between two questions whether all is recorded */
#define RUN_SIZE 17

/* One pod that is to record. */
struct part {
    struct start *of;
    const struct recording_group *group;
    struct settings settings; /* its filter may be its own */
    char *filter_text;        /* owned; NULL: the settings' own */
    struct helper_user user;
    enum { PART_STARTS, PART_RUNS, PART_RECORDS } state;
    char waits[400]; /* what for; safe to print */

    struct helper_work work;
    json_t *arguments, *labels, *annotations; /* owned */
};

struct start {
    struct kube_client *client;
    const struct settings *settings; /* those of the kind that is recorded already */
    const char *name;
    char made_name[RECORDING_NAME_SIZE];
    char *who, *when; /* owned */
    char run[RUN_SIZE];
    struct facts *facts;
    struct fresh fresh;
    struct recording_groups groups;
    struct helper_pods *pods;
    struct part *parts; /* owned */
    size_t part_count;
    struct error failure; /* ERROR_NONE: none */
    bool parted;          /* all records, and stays */
};

/* ---- what a pod is to do ---- */

static int describe(struct part *part, struct error *err)
{
    const struct start *start = part->of;
    cleanup_free char *text =
        annotation_text(&part->settings, part->group->targets, part->group->count, start->who,
                        start->when, start->run);

    json_decref(part->arguments);
    json_decref(part->labels);
    json_decref(part->annotations);
    part->labels = json_pack("{s:s}", RECORDING_LABEL, start->name);
    part->annotations = text ? json_pack("{s:s}", RECORDING_ANNOTATION, text) : NULL;
    part->arguments = arguments_make(&part->settings, part->group, part->user.ring,
                                     part->user.despite_shell, err);
    if (!part->arguments)
        return -1;
    return part->labels && part->annotations ? 0 : error_set(err, ERROR_INTERNAL, "out of memory");
}

static const struct helper_work *on_work(void *data, struct error *err)
{
    struct part *part = data;
    const struct recording_settings *recording = &part->settings.recording;

    if (describe(part, err) < 0)
        return NULL;
    part->work = (struct helper_work){.program = RECORDER_FILE,
                                      .find = recorder_binary_find,
                                      .arguments = part->arguments,
                                      .labels = part->labels,
                                      .annotations = part->annotations,
                                      .directory = RECORDING_DIRECTORY,
                                      .size = recording->keep_bytes,
                                      .in_memory = recording->in_memory,
                                      .seconds = recording->seconds};
    return &part->work;
}

/* ---- what becomes of it ---- */

static void on_ready(void *data)
{
    struct part *part = data;

    part->state = PART_RUNS;
}

static void on_waits(void *data, const char *why)
{
    struct part *part = data;

    text_escape(part->waits, sizeof(part->waits), why, strlen(why));
}

static void fail(struct start *start, const struct error *err)
{
    if (start->failure.kind == ERROR_NONE)
        start->failure = *err;
}

static void on_failed(void *data, enum helper_failure how, const struct error *err)
{
    struct part *part = data;

    (void)how;
    fail(part->of, err);
}

static void on_ends(void *data, const char *why)
{
    struct part *part = data;
    struct error err;

    error_set(&err, ERROR_TARGET, "%s", why);
    error_remedy(&err, "record for longer, with --for");
    fail(part->of, &err);
}

static const struct helper_user_events user_events = {
    .ready = on_ready, .waits = on_waits, .failed = on_failed, .ends = on_ends, .work = on_work};

/* ---- does it record? ---- */

static void judge(struct part *part, const struct recording_pod *pod)
{
    const struct recording_state *state = &pod->state;

    if (error_is_refusal(&pod->error)) {
        fail(part->of, &pod->error);
        return;
    }
    if (pod->error.kind != ERROR_NONE) { /* it may have ended: its pod is looked at */
        text_escape(part->waits, sizeof(part->waits), pod->error.text, strlen(pod->error.text));
        part->state = PART_STARTS;
        helper_user_wait(&part->user, true);
        return;
    }
    for (size_t i = 0; i < part->group->count; i++) {
        if (state->targets[i].condition > RECORDING_WAITING)
            continue;
        snprintf(part->waits, sizeof(part->waits), "the network of %s is not found yet",
                 part->group->targets[i]->label);
        return;
    }
    part->state = PART_RECORDS;
}

/* Asks those that run and do not record yet, as far as is known. */
static int ask(struct start *start, struct error *err)
{
    struct recordings asked = {.pods = calloc(start->part_count, sizeof(*asked.pods))};
    cleanup_free struct part **parts = calloc(start->part_count, sizeof(struct part *));
    int result;

    if (!asked.pods || !parts) {
        free(asked.pods);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < start->part_count; i++) {
        struct part *part = &start->parts[i];

        if (part->state != PART_RUNS)
            continue;
        parts[asked.count] = part;
        asked.pods[asked.count++] = (struct recording_pod){.namespace = part->user.pod->namespace,
                                                           .name = part->user.pod->name,
                                                           .container = HELPER_CONTAINER,
                                                           .runs = true};
    }
    result = recordings_ask(start->client, &asked, "status", err);
    for (size_t i = 0; i < asked.count && result == 0; i++)
        if (parts[i]->state == PART_RUNS) /* nothing has happened to it meanwhile */
            judge(parts[i], &asked.pods[i]);
    free(asked.pods);
    return result;
}

/* The ConfigMap is to have its owner before nobody looks at it any more. */
static bool is_done(const struct start *start)
{
    for (size_t i = 0; i < start->part_count; i++)
        if (start->parts[i].state != PART_RECORDS || start->parts[i].user.pod->owner)
            return false;
    return true;
}

static bool any_runs(const struct start *start)
{
    for (size_t i = 0; i < start->part_count; i++)
        if (start->parts[i].state == PART_RUNS)
            return true;
    return false;
}

/* No more time helps where the node is not ready. */
static int node_too_late(const struct start *start, const struct part *part, struct error *err)
{
    const char *name = part->group->targets[0]->node_name, *trouble = NULL;
    struct kube_node *node = NULL;
    struct error unknown;

    if (kube_node_get(start->client, name, &node, &unknown) == 0)
        trouble = kube_node_trouble(node);
    error_set(err, ERROR_TIMEOUT, "nothing is recorded on node \"%s\" yet%s%s", name,
              *part->waits ? ": " : "", part->waits);
    if (trouble)
        error_remedy(err, "that node is not ready: %s", trouble);
    else
        error_remedy(err, "give it more time with --pod-creation-timeout");
    kube_node_free(node);
    return -1;
}

static int too_late(const struct start *start, struct error *err)
{
    for (size_t i = 0; i < start->part_count; i++)
        if (start->parts[i].state != PART_RECORDS)
            return node_too_late(start, &start->parts[i], err);
    return error_set(err, ERROR_TIMEOUT, "the recorders are not done with their start");
}

/* Return: 0 once all is recorded; -1 with the error. */
static int await_all(struct start *start, struct error *err)
{
    uint64_t limit = start->settings->creation_timeout;
    uint64_t end = limit ? loop_now() + limit : UINT64_MAX;
    struct loop *loop = kube_client_loop(start->client);

    while (!is_done(start)) {
        if (loop_interrupted(loop))
            return error_set(err, ERROR_INTERRUPTED, "interrupted before all was recorded");
        if (start->failure.kind != ERROR_NONE) {
            *err = start->failure;
            return -1;
        }
        if (loop_now() >= end)
            return too_late(start, err);
        if (any_runs(start) && ask(start, err) < 0)
            return -1;
        if (!is_done(start) && target_pass_time(loop, ASK_MS, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- has somebody else begun the same? ---- */

static int step_back(const struct start *start, const struct recording_pod *rival,
                     struct error *err)
{
    const char *by = json_string_value(json_object_get(rival->described, "by"));

    error_set(
        err, ERROR_CONFLICT,
        "the recording \"%s\" was begun at the same moment by another client, for %s%s%s, with "
        "pod \"%s\": what was begun here is removed",
        start->name, by && *by ? "\"" : "", by && *by ? by : "somebody", by && *by ? "\"" : "",
        rival->name);
    return error_remedy(err,
                        "see: kubectl sniff --recordings -n %s; the same command takes in what "
                        "is not recorded there",
                        rival->namespace);
}

static const char *place_of(const struct start *start, size_t at)
{
    return start->parts[at].user.pod->namespace;
}

static bool looked_at(const struct start *start, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(place_of(start, i), place_of(start, at)) == 0)
            return true;
    return false;
}

/* @ret_newest: seconds since 1970 of the last of our pods, in all namespaces */
static int look_for_rivals(struct start *start, int64_t *ret_newest, struct error *err)
{
    *ret_newest = 0;
    for (size_t i = 0; i < start->part_count; i++) {
        CLEANUP(recordings_free) struct recordings there = {0};
        int64_t newest;

        if (looked_at(start, i))
            continue;
        if (recordings_look(start->client, place_of(start, i), start->name, &there, err) < 0)
            return -1;
        const struct recording_pod *rival = rival_find(&there, start->run, &newest);
        if (rival)
            return step_back(start, rival, err);
        if (newest > *ret_newest)
            *ret_newest = newest;
    }
    return 0;
}

/* The server's time is known to the second. */
static int check_rivals(struct start *start, struct error *err)
{
    struct loop *loop = kube_client_loop(start->client);
    int64_t newest, looked;

    do {
        looked = kube_client_time(start->client);
        if (look_for_rivals(start, &newest, err) < 0)
            return -1;
    } while (looked < newest + 2 && target_pass_time(loop, ASK_MS, err) == 0);
    return looked < newest + 2 ? -1 : 0;
}

/* ---- its parts ---- */

/* A node's interfaces: who fetches from it, or captures, passes there, too. */
static int take_filter(struct part *part, const struct start *start, struct error *err)
{
    const struct target *first = part->group->targets[0];

    if (!first->host_network || start->settings->own_traffic)
        return 0;
    part->filter_text = own_traffic_filter(start->facts, first, start->settings->filter_text);
    if (!part->filter_text)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    part->settings.filter = (struct filter){0};
    part->settings.filter_text = part->filter_text;
    if (filter_compile(part->filter_text, start->settings->snaplen, &part->settings.filter, err) <
        0)
        return -1;
    log_info("the interfaces are those of node '%s': what passes between it and the API server is "
             "left out by the filter '%s' (--include-own-traffic keeps it)",
             first->node_name, part->filter_text);
    return 0;
}

static int begin_part(struct start *start, struct part *part, const struct recording_group *group,
                      struct error *err)
{
    *part = (struct part){.of = start, .group = group, .settings = *start->settings};
    part->user = (struct helper_user){.events = &user_events, .data = part, .alone = group->count};
    start->part_count++;
    if (take_filter(part, start, err) < 0)
        return -1;
    return helper_pods_join(start->pods, &part->user, group->targets[0], err);
}

static int begin_parts(struct start *start, struct error *err)
{
    start->pods = helper_pods_new(start->client, start->settings, 0);
    if (!start->pods ||
        groups_make(start->settings, start->fresh.targets, start->fresh.count, &start->groups) <
            0 ||
        !(start->parts = calloc(start->groups.count, sizeof(*start->parts))))
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (room_check(start->settings, &start->groups, err) < 0)
        return -1;
    for (size_t i = 0; i < start->groups.count; i++)
        if (begin_part(start, &start->parts[i], &start->groups.list[i], err) < 0)
            return -1;
    return 0;
}

static void end_part(struct start *start, struct part *part)
{
    if (start->parted)
        helper_user_part(&part->user);
    else
        helper_user_leave(&part->user);
    if (part->filter_text)
        filter_free(&part->settings.filter);
    free(part->filter_text);
    json_decref(part->arguments);
    json_decref(part->labels);
    json_decref(part->annotations);
}

/* ---- may it be? ---- */

static int check_target(struct start *start, const struct target *target, struct error *err)
{
    struct preflight preflight = {
        .facts = start->facts, .settings = start->settings, .target = (struct target *)target};
    struct method_report report = {.name = preflight_method_name(METHOD_NODE)};

    if (preflight_gather(&preflight, METHOD_NODE, err) < 0)
        return -1;
    report.verdict = preflight_judge(&preflight, METHOD_NODE, report.obstacles,
                                     REPORT_OBSTACLES_MAX, &report.count);
    return report.verdict == PREFLIGHT_IMPOSSIBLE
               ? report_refuse(&report, target, "record",
                               "no other method records: --check tells more", err)
               : 0;
}

/* All the nodes' facts first, side by side where they can be. */
static int check_targets(struct start *start, struct error *err)
{
    start->facts = facts_new(start->client);
    if (!start->facts)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    for (size_t i = 0; i < start->fresh.count; i++)
        if (check_target(start, start->fresh.targets[i], err) < 0)
            return -1;
    return 0;
}

/* ---- what is told ---- */

static void say_end(const struct start *start, char *out, size_t size)
{
    time_t end = time(NULL) + (time_t)start->settings->recording.seconds;
    struct tm parts;

    if (!localtime_r(&end, &parts) || strftime(out, size, "%Y-%m-%d %H:%M", &parts) == 0)
        *out = '\0';
}

static void tell(const struct start *start)
{
    size_t there = start->fresh.set.count - start->fresh.count;
    char where[KUBE_NAMESPACE_MAX + 4], end[32];

    fresh_where(&start->fresh, where, sizeof(where));
    say_end(start, end, sizeof(end));
    if (start->fresh.count == 0)
        printf("recording \"%s\": nothing is new, %zu target%s recorded already\n", start->name,
               there, there == 1 ? " is" : "s are");
    else if (there)
        printf("recording \"%s\": %zu new target%s, until %s, beside %zu that %s recorded "
               "already\n",
               start->name, start->fresh.count, start->fresh.count == 1 ? "" : "s", end, there,
               there == 1 ? "is" : "are");
    else
        printf("recording \"%s\": %zu target%s, until %s\n", start->name, start->fresh.count,
               start->fresh.count == 1 ? "" : "s", end);
    printf("  to list it:   kubectl sniff --recordings %s\n"
           "  to fetch it:  kubectl sniff --fetch %s %s\n"
           "  to end it:    kubectl sniff --end %s %s\n",
           where, start->name, where, start->name, where);
}

/* ---- all together ---- */

static int run(struct start *start, struct error *err)
{
    if (fresh_find(&start->fresh, err) < 0)
        return -1;
    if (start->fresh.count > 0) {
        if (check_targets(start, err) < 0)
            return -1;
        start->who = who_am_i(start->client);
        if (begin_parts(start, err) < 0 || await_all(start, err) < 0 ||
            check_rivals(start, err) < 0)
            return -1;
    }
    start->parted = true;
    return 0;
}

static void start_free(struct start *start)
{
    for (size_t i = 0; i < start->part_count; i++)
        end_part(start, &start->parts[i]);
    helper_pods_free(start->pods);
    groups_free(&start->groups);
    facts_free(start->facts);
    fresh_free(&start->fresh);
    free(start->parts);
    free(start->who);
    free(start->when);
}

static void choose_name(struct start *start)
{
    time_t now = time(NULL);
    struct tm parts = {.tm_mday = 1};

    localtime_r(&now, &parts);
    recording_name_make(start->settings, &parts, start->made_name);
    start->name =
        start->settings->recording.name ? start->settings->recording.name : start->made_name;
    start->fresh.name = start->name;
}

/* Return: -1: there is no randomness. */
static int name_run(char run[static RUN_SIZE])
{
    unsigned char bytes[(RUN_SIZE - 1) / 2];

    if (system_random(bytes, sizeof(bytes)) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(run + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

int recording_start(struct kube_client *client, const struct settings *settings, struct error *err)
{
    struct start start = {
        .client = client, .settings = &start.fresh.kind.settings, .fresh = {.client = client}};
    char now[32];

    kind_begin(&start.fresh.kind, settings);
    choose_name(&start);
    start.when = strdup(text_format_time(now, sizeof(now), (int64_t)time(NULL)));
    if (!start.when || name_run(start.run) < 0) {
        free(start.when);
        return error_set(err, ERROR_INTERNAL, "there is no memory, or no randomness");
    }
    int result = run(&start, err);

    if (result == 0)
        tell(&start);
    start_free(&start);
    return result;
}
