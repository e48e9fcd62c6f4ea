/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings that are ended by what they have seen, or by us, before they are fetched. */
#ifndef KSNIFF_RECORDING_TRIGGER_H
#define KSNIFF_RECORDING_TRIGGER_H

#include <stdint.h>

struct error;
struct kube_client;
struct recordings;

/*
 * trigger_wait - wait until the trigger of a recording has fired on one of its nodes and its ring
 * is frozen there, then freeze the others
 * @namespace: NULL: all
 * @timeout: milliseconds, 0: no limit
 * @ret_fired: nanoseconds since 1970, of the first packet that has fired one of them; 0: it was not
 * by a trigger that one is frozen
 *
 * Where the cluster cannot be reached for a while it is asked again. Errors: ERROR_NOT_FOUND;
 * ERROR_TARGET: it has no trigger, or every recorder has ended; ERROR_TIMEOUT; ERROR_INTERRUPTED;
 * those of requests that were refused.
 */
int trigger_wait(struct kube_client *client, const char *namespace, const char *name,
                 uint64_t timeout, uint64_t *ret_fired, struct error *err);

/* trigger_freeze - freeze all of its rings, so that they hold still. Return: 0; -1 with the error,
 * also when a single one that runs could not be. */
int trigger_freeze(struct kube_client *client, struct recordings *recordings, struct error *err);

#endif
