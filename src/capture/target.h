/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be captured: from the user's words to a pod and one of its containers. */
#ifndef KSNIFF_CAPTURE_TARGET_H
#define KSNIFF_CAPTURE_TARGET_H

#include "kube/pod.h"

struct target {
    struct kube_pod *pod; /* owned */
    const struct kube_container *container;
};

/*
 * target_resolve - fetch the pod, choose the container, refuse what cannot be captured
 * @container: NULL: the default-container annotation, else the first
 * @ret_target: release with target_free()
 *
 * Errors: those of requests; ERROR_TARGET: not running, a Windows pod, no such container (the
 * remedy names those there are).
 */
int target_resolve(struct kube_client *client, const char *namespace, const char *pod,
                   const char *container, struct target *ret_target, struct error *err);
void target_free(struct target *target);

/* target_node_machine - the architecture of the pod's node as the node says it ("amd64", "arm64").
 * Return: owned by the caller; NULL when we may not ask or it does not say. */
char *target_node_machine(struct kube_client *client, const struct target *target);

#endif
