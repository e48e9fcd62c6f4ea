/* SPDX-License-Identifier: Apache-2.0 */
/* What of the targets that the user names is to be recorded, since it is not yet under that name.
 */
#ifndef KSNIFF_RECORDING_FRESH_H
#define KSNIFF_RECORDING_FRESH_H

#include <stddef.h>

#include "recording/kind.h"
#include "target/set.h"

struct error;
struct kube_client;
struct target;

struct fresh {
    struct kube_client *client;
    const char *name;              /* of the recording */
    struct kind kind;              /* begun: kind_begin() */
    struct target_set set;         /* all that the user names */
    const struct target **targets; /* owned is the array: of the set, those not recorded yet */
    size_t count;
};

/*
 * fresh_find - @fresh: with client, name and kind, zeros otherwise; release with fresh_free(), also
 * after a failure
 *
 * Errors: those of targets_find(), kind_take(), requests; ERROR_TARGET: one of the targets has a
 * recorder of that name that does not record.
 */
int fresh_find(struct fresh *fresh, struct error *err);
void fresh_free(struct fresh *fresh);

/* fresh_where - where the recorders are, as flags: "-n shop", or "-A" where in several namespaces
 */
void fresh_where(const struct fresh *fresh, char *out, size_t size);

#endif
