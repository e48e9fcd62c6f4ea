/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KSNIFF_TARGET_NEAREST_H
#define KSNIFF_TARGET_NEAREST_H

struct error;
struct kube_client;

/*
 * nearest_pod - name the pod that was perhaps meant: one with a letter or two amiss, or one of the
 * Deployment (StatefulSet, Job) of that name, whose pods are called NAME-...
 * @err: that there is no pod @name; only its remedy changes, and only where a pod is near and the
 *       user may list them
 */
void nearest_pod(struct kube_client *client, const char *namespace, const char *name,
                 struct error *err);

#endif
