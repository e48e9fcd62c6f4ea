/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds that a target may be named by, with the words that kubectl takes for them. Source:
 * `kubectl api-resources`.
 */
#ifndef KSNIFF_TARGET_KINDS_H
#define KSNIFF_TARGET_KINDS_H

#include <stddef.h>

enum target_kind_id {
    TARGET_POD,
    TARGET_NODE,
    TARGET_SERVICE,
    TARGET_DEPLOYMENT,
    TARGET_REPLICA_SET,
    TARGET_STATEFUL_SET,
    TARGET_DAEMON_SET,
    TARGET_JOB,
    TARGET_CRON_JOB,
    TARGET_KIND_COUNT
};

struct target_kind {
    enum target_kind_id id;
    const char *name;       /* "deployment": what messages call it */
    const char *resource;   /* "deployments": in a path, and for kubectl */
    const char *short_name; /* "deploy"; NULL: none */
    const char *kind;       /* "Deployment": in owner references */
    const char *group;      /* "apps"; "" of the core group */
    const char *root;       /* "/apis/apps/v1": what its paths begin with */
};

extern const struct target_kind target_kinds[TARGET_KIND_COUNT]; /* by id */

/*
 * target_kind_find - what kubectl would take the word for: "deploy", "Deployments",
 * "deployment.apps", "deployments.v1.apps"
 * @word: @length bytes
 *
 * Return: NULL when it is none of these kinds.
 */
const struct target_kind *target_kind_find(const char *word, size_t length);

/* target_kind_nearest - the kind that was perhaps meant. Return: NULL when none is like it. */
const struct target_kind *target_kind_nearest(const char *word);

/*
 * target_kind_guess - the same of a word that may mean something else as well: short ones are near
 * to everything, and only their beginning ("dep", "cron") or an ending too many ("svcs") is looked
 * at
 */
const struct target_kind *target_kind_guess(const char *word);

#endif
