/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The targets of one capture. A pod is in it once, however many words mean it; and the pods of one
 * node that have its network are one target, as their interfaces are the same.
 */
#ifndef KSNIFF_TARGET_SET_H
#define KSNIFF_TARGET_SET_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "target/target.h"

struct target_set {
    struct target **targets; /* owned, each of them; one that is taken out leaves NULL */
    size_t count;
    json_t *shared; /* by node: the labels of targets that have its interfaces; owned */
};

/* target_set_free - release all that is in it; it is empty then. */
void target_set_free(struct target_set *set);

/* target_set_has - is the pod of this uid in it, by itself or by its node? */
bool target_set_has(const struct target_set *set, const char *uid);

/*
 * target_set_add - put a target in, unless it is there
 * @target: taken, also where it fails
 * @ret_added: which it is in the set; NULL when it was there, or shares the interfaces of one that
 * is. A node that is named takes the place of a pod of its own.
 *
 * Return: 0, or -1 when out of memory.
 */
int target_set_add(struct target_set *set, struct target *target, struct target **ret_added,
                   struct error *err);

/* target_set_remove - release a target, and forget what shares its interfaces. @at: below count */
void target_set_remove(struct target_set *set, size_t at);

/* target_set_on_node - Return: the target by which the interfaces of this node are captured, NULL
 * where they are not; it stands in the set. */
const struct target *target_set_on_node(const struct target_set *set, const char *node);

/* target_set_tell_shared - say which have the same interfaces, in one line a node. */
void target_set_tell_shared(const struct target_set *set);

/* target_set_spans_namespaces - are its pods of more than one, with one more of the namespace
 * @more? NULL: without */
bool target_set_spans_namespaces(const struct target_set *set, const char *more);

/* target_set_name_namespaces - where not all are of one namespace, messages name it. */
void target_set_name_namespaces(struct target_set *set);

#endif
