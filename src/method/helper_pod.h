/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One helper in the cluster, from the first request for it to the last one that removes it:
 * ConfigMap, pod, the pod made the ConfigMap's owner (the garbage collector takes both then) while
 * the pod starts. Who keeps it (helper_pods.c) hears of it by events of the loop.
 */
#ifndef KSNIFF_METHOD_HELPER_POD_H
#define KSNIFF_METHOD_HELPER_POD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kube/patience.h"
#include "method/secret.h"

struct agent_binary;
struct error;
struct helper;
struct helper_pod;
struct kube_call;
struct kube_client;
struct kube_pod;
struct loop_timer;

#define HELPER_NAME_SIZE 32

struct helper_pod_events {
    /* The server does not want it. */
    void (*refused)(void *data, struct helper_pod *pod, const struct error *err);
    /* It was asked for; NULL: there is none of that name, or none any more. */
    void (*seen)(void *data, struct helper_pod *pod, const struct kube_pod *seen);
    /* It could not be asked for. */
    void (*unseen)(void *data, struct helper_pod *pod, const struct error *err);
    /* It is about to be ended, being as old as it may be. */
    void (*aged)(void *data, struct helper_pod *pod);
};

/* Read only. */
struct helper_pod {
    char name[HELPER_NAME_SIZE]; /* of the pod and of the ConfigMap */
    char *namespace;             /* owned */
    size_t users;                /* of whoever keeps it */
    bool has_run;                /* the same */
    uint64_t seen;               /* loop_now() when the server has last told of it; 0: never */
    uint64_t timeout;            /* of requests for it, as kube_request has it; may be written */
    struct secret secret;

    struct kube_client *client;
    const struct helper_pod_events *events;
    void *data;
    json_t *pod; /* owned: to be made when the ConfigMap is there */
    bool config_map_made, pod_made, owned;
    bool making; /* call is a request that makes something */
    struct kube_call *call;
    struct kube_call *owner; /* the patch of the ConfigMap */
    struct loop_timer *poll, *age;
    unsigned poll_ms;
    struct patience patience; /* with the API server */

    void (*removed)(void *data); /* it is being removed; NULL: it is not */
    void *removed_data;
    uint64_t end;     /* loop_now() until which that may take */
    unsigned wait_ms; /* until a removal is tried again */
    bool away;        /* the server had a bad moment */
    uint64_t refused; /* for patience_doubts() */
};

/*
 * helper_pod_new - a name and a secret; nothing is made
 * @events, @data: until it is removed
 *
 * Return: released with helper_pod_remove(); NULL with the error.
 */
struct helper_pod *helper_pod_new(struct kube_client *client, const char *namespace,
                                  const struct helper_pod_events *events, void *data,
                                  struct error *err);

/*
 * helper_pod_make - make the two objects; then it is looked at
 * @helper: borrowed; its name, namespace and secret are filled in here
 */
int helper_pod_make(struct helper_pod *pod, struct helper *helper, const struct agent_binary *agent,
                    struct error *err);

/* helper_pod_look - ask for it now: events->seen() or unseen() follow. */
void helper_pod_look(struct helper_pod *pod);
/* helper_pod_look_later - in a moment, which grows each time. */
void helper_pod_look_later(struct helper_pod *pod);

/* helper_pod_watch_age - from now on events->aged() tells in time. @seen: as seen() had it */
void helper_pod_watch_age(struct helper_pod *pod, const struct kube_pod *seen);

/*
 * helper_pod_remove - take it away, with all that belongs to it; nothing is heard of it any more
 * @removed: called when it is over, from the loop or at once; a failure was told the user then.
 * @pod is gone
 */
void helper_pod_remove(struct helper_pod *pod, void (*removed)(void *data), void *data);

/* helper_pod_part - the objects stay, and nothing is heard of them any more; a patch that is under
 * way (@pod->owner) is given up. @pod is gone */
void helper_pod_part(struct helper_pod *pod);

#endif
