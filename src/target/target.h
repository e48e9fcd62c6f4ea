/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be captured: from the user's words to a pod and one of its containers. */
#ifndef KSNIFF_TARGET_TARGET_H
#define KSNIFF_TARGET_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "kube/pod.h"

struct error;
struct kube_client;
struct kube_node;

/* Strings are owned by the pod, or point to what was given. */
struct target {
    const char *namespace;                  /* "" of a node */
    const char *name;                       /* of the pod, or of the node */
    char label[300];                        /* what messages call it: pod "web" */
    struct kube_pod *pod;                   /* owned; NULL: the node itself */
    const struct kube_container *container; /* NULL without a pod */
    const char *node_name;                  /* "" until the pod is scheduled */
    struct kube_node *node;                 /* owned; NULL: not asked for, or not to be had */
    bool host_network;                      /* its interfaces are the node's own */
    bool has_shell;                         /* the container was seen to have one */
    bool exec_works;   /* an exec into the pod was seen to reach a container's runtime */
    bool exec_refused; /* an exec, into it or elsewhere, was refused, and not for want of a right */
    bool may_ask_for_capabilities; /* the namespace's Pod Security is not known to forbid */
};

/*
 * target_resolve - fetch the pod, choose the container, refuse what nobody could capture
 * @name: of the pod
 * @container: NULL: the default-container annotation, else the first
 * @ret_target: release with target_free()
 *
 * Errors: those of requests; ERROR_TARGET: ended, not scheduled, a Windows pod, no such container
 * (the remedy names those there are). Where there is no such pod the remedy names a near one. A
 * container that does not run is no error.
 */
int target_resolve(struct kube_client *client, const char *namespace, const char *name,
                   const char *container, struct target *ret_target, struct error *err);

/*
 * target_wait - the same; but a pod that is Pending, or does not exist yet, is waited for
 * @milliseconds: ERROR_TIMEOUT after this long; 0: no limit
 */
int target_wait(struct kube_client *client, const char *namespace, const char *name,
                const char *container, uint64_t milliseconds, struct target *ret_target,
                struct error *err);

/* target_of_node - the node itself. Errors: no such node, Windows, a virtual kubelet. */
int target_of_node(struct kube_client *client, const char *name, struct target *ret_target,
                   struct error *err);
void target_free(struct target *target);

/* target_learn_node - fetch the pod's node, if we may; an error is not told. */
void target_learn_node(struct kube_client *client, struct target *target);

/*
 * target_still_there - is the pod the same that it was?
 * @ret_running: does its container run?
 *
 * Return: 0; -1 with the error: ERROR_TARGET or ERROR_NOT_FOUND when it is gone for good, others
 * when it could not be asked. A node always is.
 */
int target_still_there(struct kube_client *client, const struct target *target, bool *ret_running,
                       struct error *err);

#endif
