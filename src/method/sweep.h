/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helper pods and ConfigMaps that clients have left which were killed: looked for, and removed.
 * What still serves somebody is never touched: a helper ends by itself once it does not, and only
 * those that have ended, or can have nobody any more who waits for their start, are removed. One
 * that records serves until it has ended for good, and be its recorder just started again.
 */
#ifndef KSNIFF_METHOD_SWEEP_H
#define KSNIFF_METHOD_SWEEP_H

#include <stdbool.h>
#include <stddef.h>

struct error;
struct kube_client;
struct sweep;

/*
 * sweep_start - in the background of a capture; what is forbidden is left
 * @namespaces: @count of them; what stands there twice is swept once
 *
 * Return: NULL when out of memory, or without any.
 */
struct sweep *sweep_start(struct kube_client *client, const char *const *namespaces, size_t count);
/* sweep_end - give up what is not done. NULL is allowed. */
void sweep_end(struct sweep *sweep);

/*
 * sweep_run - the same, waited for and told
 * @namespace: NULL: all
 */
int sweep_run(struct kube_client *client, const char *namespace, struct error *err);

#endif
