/* SPDX-License-Identifier: Apache-2.0 */
#include "target/kinds.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

#define BEGUN_LEAST 3 /* letters of a word that a kind's name begins with */
#define NEAR_LEAST  5 /* letters of a word that is like a kind's name, and like not much else */

const struct target_kind target_kinds[TARGET_KIND_COUNT] = {
    {TARGET_POD, "pod", "pods", "po", "Pod", "", "/api/v1"},
    {TARGET_NODE, "node", "nodes", "no", "Node", "", "/api/v1"},
    {TARGET_SERVICE, "service", "services", "svc", "Service", "", "/api/v1"},
    {TARGET_DEPLOYMENT, "deployment", "deployments", "deploy", "Deployment", "apps",
     "/apis/apps/v1"},
    {TARGET_REPLICA_SET, "replicaset", "replicasets", "rs", "ReplicaSet", "apps", "/apis/apps/v1"},
    {TARGET_STATEFUL_SET, "statefulset", "statefulsets", "sts", "StatefulSet", "apps",
     "/apis/apps/v1"},
    {TARGET_DAEMON_SET, "daemonset", "daemonsets", "ds", "DaemonSet", "apps", "/apis/apps/v1"},
    {TARGET_JOB, "job", "jobs", NULL, "Job", "batch", "/apis/batch/v1"},
    {TARGET_CRON_JOB, "cronjob", "cronjobs", "cj", "CronJob", "batch", "/apis/batch/v1"},
};

static bool is_word(const char *word, size_t length, const char *name)
{
    return name && strlen(name) == length && strncasecmp(word, name, length) == 0;
}

/* What stands behind the first dot: nothing, the group, or its version and the group. */
static bool is_group(const char *text, size_t length, const char *group)
{
    if (length == 0)
        return true;
    if (length > 4 && strncasecmp(text, ".v1.", 4) == 0)
        return is_word(text + 4, length - 4, group);
    return is_word(text + 1, length - 1, group);
}

const struct target_kind *target_kind_find(const char *word, size_t length)
{
    size_t bare = 0;

    while (bare < length && word[bare] != '.')
        bare++;
    for (size_t i = 0; i < TARGET_KIND_COUNT; i++) {
        const struct target_kind *kind = &target_kinds[i];

        if ((is_word(word, bare, kind->name) || is_word(word, bare, kind->resource) ||
             is_word(word, bare, kind->short_name)) &&
            (bare == length || (*kind->group && is_group(word + bare, length - bare, kind->group))))
            return kind;
    }
    return NULL;
}

const struct target_kind *target_kind_nearest(const char *word)
{
    unsigned least = (unsigned)strlen(word) / 3 + 1; /* as far off is another word */
    const struct target_kind *nearest = NULL;

    for (size_t i = 0; i < TARGET_KIND_COUNT; i++) {
        const struct target_kind *kind = &target_kinds[i];
        const char *const names[] = {kind->name, kind->resource,
                                     kind->short_name ? kind->short_name : kind->name};

        for (size_t k = 0; k < 3; k++) {
            unsigned far = text_distance(word, names[k]);

            if (far < least) {
                least = far;
                nearest = kind;
            }
        }
    }
    return nearest;
}

/* Return: the kind whose name begins so. */
static const struct target_kind *find_begun(const char *word, size_t length)
{
    for (size_t i = 0; length >= BEGUN_LEAST && i < TARGET_KIND_COUNT; i++)
        if (strncasecmp(target_kinds[i].name, word, length) == 0)
            return &target_kinds[i];
    return NULL;
}

const struct target_kind *target_kind_guess(const char *word)
{
    size_t length = strlen(word);
    const struct target_kind *kind = find_begun(word, length);

    if (!kind && length > 1 && word[length - 1] == 's')
        kind = target_kind_find(word, length - 1);
    return kind || length < NEAR_LEAST ? kind : target_kind_nearest(word);
}
