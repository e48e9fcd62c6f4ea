/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One of the things that were asked for, and the pods that it means now: by GETs and lists, and,
 * where it is followed, by watches that go on.
 *
 *   pods by name          a GET for each; a list where they are many
 *   a pattern, labels     a list of pods
 *   a workload            its object, whose selector the list of pods takes; and of these the pods
 *                         that name it, or one of its ReplicaSets or Jobs, as their controller: a
 *                         selector alone may choose other's pods
 *   a Service             the same, and of these the pods that are in its EndpointSlices, ready or
 *                         not; where these may not be listed, all that its selector chooses
 *   a node                its object
 */
#ifndef KSNIFF_TARGET_SOURCE_H
#define KSNIFF_TARGET_SOURCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "target/words.h"

struct kube_call;
struct kube_client;
struct kube_watch;
struct settings;

/* What all of them have in common. Outlives them. */
struct source_context {
    struct kube_client *client;
    const struct settings *settings;
    bool follow;
    void (*heard)(void *data); /* from the loop: look at it again */
    void *data;
};

/* A pod that is wanted by its name. */
struct source_name {
    const char *name;
    struct source *source;
    struct kube_call *call;   /* NULL: it is over, or not begun */
    struct kube_watch *watch; /* of this pod alone; NULL: of all of them */
    bool found;
    bool watched;       /* it is as it is in the cluster */
    struct error error; /* with ERROR_NONE: none */
};

/* Fields are for reading. */
struct source {
    const struct source_context *context;
    const struct target_kind *kind;
    const char *namespace; /* of what is looked at; NULL: all of them */
    const char *name;      /* of the workload, Service or node; the pattern; NULL: neither */
    bool is_pattern;
    struct source_name *names; /* of pods; then name is NULL */
    size_t name_count;

    char *labels;       /* owned; that the pods are listed by; NULL: all */
    json_t *object;     /* the workload, Service or node; NULL: not there (yet) */
    json_t *owned;      /* of ReplicaSets and Jobs, by uid: their controller's uid */
    json_t *slices;     /* of EndpointSlices, by uid: {name of a pod: true} */
    char foreign[64];   /* an endpoint's address that is no pod's; "": there is none */
    json_t *pods;       /* what is listed, by uid */
    size_t looked_at;   /* pods of the list, of this source or not */
    struct error error; /* with ERROR_NONE: none. Nothing more comes of it then. */

    struct kube_call *call;
    struct kube_watch *object_watch, *owned_watch, *pods_watch;
    bool object_known, owned_known, pods_known; /* each is as it is in the cluster */
    bool slices_hidden;                         /* we may not list them */
};

/*
 * source_new - begin to look
 * @word: a pattern, a workload, a Service or a node; NULL: the labels and fields of the settings.
 * Must outlive the source.
 *
 * Return: owned by the caller; NULL when out of memory.
 */
struct source *source_new(const struct source_context *context, const struct target_word *word);

/* source_new_pods - the same of @count pods of one namespace, by their names. */
struct source *source_new_pods(const struct source_context *context,
                               const struct target_word *const *words, size_t count);
void source_free(struct source *source);

/* source_is_settled - is all known that there is now, or has it failed? */
bool source_is_settled(const struct source *source);

#endif
