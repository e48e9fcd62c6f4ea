/* SPDX-License-Identifier: Apache-2.0 */
#include "recording/fresh.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "kube/client.h"
#include "kube/pod.h"
#include "method/helper.h"
#include "recording/recordings.h"
#include "target/find.h"
#include "target/target.h"

#define YOUNG_SECONDS 60 /* that a pod may take to start */

static bool is_recorded(const struct recorded_target *recorded, const struct target *target)
{
    const char *node = json_string_value(json_object_get(recorded->json, "node"));

    if (target->pod && strcmp(recorded->uid, target->pod->uid) == 0)
        return true;
    return target->host_network && json_is_true(json_object_get(recorded->json, "hostNetwork")) &&
           node && strcmp(node, target->node_name) == 0;
}

static bool has_target(const struct recording_pod *pod, const struct target *target)
{
    for (size_t i = 0; i < pod->target_count && !pod->ended; i++)
        if (is_recorded(&pod->targets[i], target))
            return true;
    return false;
}

static bool is_among(const struct recordings *recordings, const struct target *target)
{
    for (size_t i = 0; i < recordings->count; i++)
        if (has_target(&recordings->pods[i], target))
            return true;
    return false;
}

/* Whose node is away may record, and nobody can tell: the others are not kept waiting for it. */
static bool is_away(const struct recording_pod *pod)
{
    return pod->runs && error_is_bad_moment(&pod->error);
}

static bool is_young(const struct fresh *fresh, const struct recording_pod *pod)
{
    return kube_client_time(fresh->client) - pod->created < YOUNG_SECONDS;
}

static int not_recorded(const struct fresh *fresh, const struct recording_pod *pod,
                        struct error *err)
{
    char why[sizeof(pod->error.text) + 40];

    if (pod->state.condition != RECORDING_UNKNOWN)
        snprintf(why, sizeof(why), "it is %s", recording_condition_name(pod->state.condition));
    else if (pod->error.kind != ERROR_NONE)
        snprintf(why, sizeof(why), "%s", pod->error.text);
    else
        snprintf(why, sizeof(why), "it does not run: %s", *pod->why ? pod->why : "not yet");
    error_set(err, ERROR_TARGET, "the recorder \"%s\" of the recording \"%s\" does not record: %s",
              pod->name, fresh->name, why);
    if (!pod->runs && is_young(fresh, pod))
        return error_remedy(err,
                            "it was made a moment ago, by another client: try again when it runs");
    return error_remedy(err, "kubectl sniff --end %s, or record under another name", fresh->name);
}

/* Return: 0: it does, as far as can be told. */
static int check_recorder(const struct fresh *fresh, const struct recording_pod *pod,
                          struct error *err)
{
    if (pod->state.condition == RECORDING_RUNS)
        return 0;
    if (!is_away(pod))
        return not_recorded(fresh, pod, err);
    log_warning("the recorder '%s' on node '%s' cannot be asked whether it records: %s", pod->name,
                pod->node, pod->error.text);
    return 0;
}

static bool has_any(const struct recording_pod *pod, const struct fresh *fresh)
{
    for (size_t i = 0; i < fresh->count; i++)
        if (has_target(pod, fresh->targets[i]))
            return true;
    return false;
}

/* A target whose recorder is there, but does not record, would be missed without a word. */
static int check_recording(struct fresh *fresh, struct recordings *there, struct error *err)
{
    if (there->count == 0)
        return 0;
    if (recordings_ask(fresh->client, there, "status", err) < 0)
        return -1;
    for (size_t i = 0; i < there->count; i++)
        if (has_any(&there->pods[i], fresh) && check_recorder(fresh, &there->pods[i], err) < 0)
            return -1;
    return 0;
}

/* Takes what is recorded in the namespace of its pods out of those that are fresh. */
static int look_in(struct fresh *fresh, const char *namespace, struct error *err)
{
    CLEANUP(recordings_free) struct recordings there = {0};
    size_t kept = 0;

    if (recordings_look(fresh->client, namespace, fresh->name, &there, err) < 0 ||
        kind_take(&fresh->kind, fresh->client, &there, fresh->name, err) < 0 ||
        check_recording(fresh, &there, err) < 0)
        return -1;
    for (size_t i = 0; i < fresh->count; i++) {
        const struct target *target = fresh->targets[i];

        if (strcmp(helper_namespace_of(&fresh->kind.settings, target), namespace) != 0 ||
            !is_among(&there, target))
            fresh->targets[kept++] = target;
    }
    fresh->count = kept;
    return 0;
}

static const char *namespace_of(const struct fresh *fresh, size_t at)
{
    return helper_namespace_of(&fresh->kind.settings, fresh->set.targets[at]);
}

static bool seen_before(const struct fresh *fresh, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (fresh->set.targets[i] && strcmp(namespace_of(fresh, i), namespace_of(fresh, at)) == 0)
            return true;
    return false;
}

int fresh_find(struct fresh *fresh, struct error *err)
{
    if (targets_find(fresh->client, &fresh->kind.settings, &fresh->set, err) < 0)
        return -1;
    fresh->targets = calloc(fresh->set.count + 1, sizeof(*fresh->targets));
    if (!fresh->targets)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    for (size_t i = 0; i < fresh->set.count; i++)
        if (fresh->set.targets[i])
            fresh->targets[fresh->count++] = fresh->set.targets[i];
    for (size_t i = 0; i < fresh->set.count; i++)
        if (fresh->set.targets[i] && !seen_before(fresh, i) &&
            look_in(fresh, namespace_of(fresh, i), err) < 0)
            return -1;
    return 0;
}

/* "-n shop", or "-A" where the pods are in several */
void fresh_where(const struct fresh *fresh, char *out, size_t size)
{
    const char *only = NULL;

    for (size_t i = 0; i < fresh->set.count; i++) {
        const char *each = fresh->set.targets[i] ? namespace_of(fresh, i) : only;

        if (only && strcmp(only, each) != 0) {
            snprintf(out, size, "-A");
            return;
        }
        only = each;
    }
    snprintf(out, size, "-n %s", only ? only : fresh->kind.settings.namespace);
}

void fresh_free(struct fresh *fresh)
{
    target_set_free(&fresh->set);
    free(fresh->targets);
    kind_free(&fresh->kind);
}
