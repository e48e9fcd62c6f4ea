/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was perhaps meant, where nothing is found: only the remedy of the error changes, and only
 * where something is near and the user may list it.
 */
#ifndef KSNIFF_TARGET_NEAREST_H
#define KSNIFF_TARGET_NEAREST_H

#include <stdbool.h>

struct error;
struct kube_client;
struct target_kind;

/*
 * nearest_pod - a pod with a letter or two amiss, or one of the Deployment (StatefulSet, Job) of
 * that name, whose pods are called NAME-...
 */
void nearest_pod(struct kube_client *client, const char *namespace, const char *name,
                 struct error *err);

/* nearest_object - the same of a workload, a Service or a node. @namespace: NULL: it has none */
void nearest_object(struct kube_client *client, const struct target_kind *kind,
                    const char *namespace, const char *name, struct error *err);

/* nearest_pattern - for "wbe-*", where pods are called "web-...". @namespace: NULL: all */
void nearest_pattern(struct kube_client *client, const char *namespace, const char *pattern,
                     struct error *err);

/* nearest_label - for "app=wbe", where pods have "app=web", or for "ap=web". @namespace: NULL: all
 */
void nearest_label(struct kube_client *client, const char *namespace, const char *selector,
                   struct error *err);

/* nearest_is_named - does the remedy of the error name what may have been meant? */
bool nearest_is_named(const struct error *err);

#endif
