/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trial exec: does what is to run in a container get as far as its runtime? Rights do not tell: a
 * proxy's filter, a gateway or an admission policy may refuse every exec, or those to some pods. It
 * names a program that no container has, so that the runtime's answer is the proof and nothing
 * runs.
 */
#ifndef KSNIFF_METHOD_TRIAL_H
#define KSNIFF_METHOD_TRIAL_H

#include <stdbool.h>

struct error;
struct kube_client;
struct session_place;
struct trial;

/*
 * trial_fn - the end of a trial; an event of a timer: requests may be sent, and the trial released
 * @err: NULL: it reached the runtime, or, where the container does not run, the kubelet that says
 * so. Else what was answered instead: ERROR_NOT_FOUND where there is no such pod, which nobody on
 * the way to the API server then refuses
 */
typedef void trial_fn(void *data, const struct error *err);

/* trial_start - Return: owned by the caller; NULL with the error. */
struct trial *trial_start(struct kube_client *client, const struct session_place *place,
                          trial_fn *done, void *data, struct error *err);

/* trial_free - forget it; NULL is allowed. Not from within an event of a stream. */
void trial_free(struct trial *trial);

#endif
