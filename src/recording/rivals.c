/* SPDX-License-Identifier: Apache-2.0 */
#include "recording/rivals.h"

#include <stdbool.h>
#include <string.h>

#include "recording/recordings.h"

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static bool is_same(const struct recorded_target *one, const struct recorded_target *other)
{
    if (*one->uid && strcmp(one->uid, other->uid) == 0)
        return true;
    return json_is_true(json_object_get(one->json, "hostNetwork")) &&
           json_is_true(json_object_get(other->json, "hostNetwork")) &&
           strcmp(text_at(one->json, "node"), text_at(other->json, "node")) == 0;
}

static bool share_target(const struct recording_pod *one, const struct recording_pod *other)
{
    for (size_t i = 0; i < one->target_count; i++)
        for (size_t k = 0; k < other->target_count; k++)
            if (is_same(&one->targets[i], &other->targets[k]))
                return true;
    return false;
}

static bool is_older(const struct recording_pod *one, const struct recording_pod *other)
{
    if (one->created != other->created)
        return one->created < other->created;
    return strcmp(text_at(one->described, "run"), text_at(other->described, "run")) < 0;
}

static const struct recording_pod *rival_of(const struct recordings *there,
                                            const struct recording_pod *pod, const char *run)
{
    for (size_t i = 0; i < there->count; i++) {
        const struct recording_pod *other = &there->pods[i];

        if (!other->ended && strcmp(text_at(other->described, "run"), run) != 0 &&
            is_older(other, pod) && share_target(pod, other))
            return other;
    }
    return NULL;
}

const struct recording_pod *rival_find(const struct recordings *there, const char *run,
                                       int64_t *ret_newest)
{
    const struct recording_pod *rival = NULL;

    *ret_newest = 0;
    for (size_t i = 0; i < there->count; i++) {
        const struct recording_pod *pod = &there->pods[i];

        if (strcmp(text_at(pod->described, "run"), run) != 0)
            continue;
        if (pod->created > *ret_newest)
            *ret_newest = pod->created;
        rival = rival ? rival : rival_of(there, pod, run);
    }
    return rival;
}
