/* SPDX-License-Identifier: Apache-2.0 */
/* Which pods belong to what was asked for: by owner references, EndpointSlices, names. No I/O. */
#ifndef KSNIFF_TARGET_BELONGS_H
#define KSNIFF_TARGET_BELONGS_H

#include <jansson.h>
#include <stdbool.h>

#include "target/kinds.h"

struct source;

/* What stands between some workloads and their pods: ReplicaSets, Jobs, EndpointSlices. */
struct belongs_kind {
    enum target_kind_id of;
    const char *root, *resource; /* as in struct target_kind */
};

/* belongs_between - Return: NULL when nothing stands there. */
const struct belongs_kind *belongs_between(const struct source *source);

/* belongs_to - is a pod among those that are meant? @pod: of source->pods, or to be put there */
bool belongs_to(const struct source *source, const json_t *pod);

/* belongs_uid, belongs_name - of an object; "" where it has none. */
const char *belongs_uid(const json_t *object);
const char *belongs_name(const json_t *object);

/* belongs_controller - the uid of what has made the object and cares for it; "": nobody does. */
const char *belongs_controller(const json_t *object);

#endif
