/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be captured, of all that the user may ask for: from words, labels and fields to a set
 * of targets. */
#ifndef KSNIFF_TARGET_FIND_H
#define KSNIFF_TARGET_FIND_H

#include "target/set.h"

struct error;
struct kube_client;
struct settings;

/*
 * targets_find - look for all of it, side by side
 * @settings: pod or node, where it is the only one; else words, labels, fields, and what belongs to
 * them; wait
 * @ret_set: at least one target, in the order of the words; release with target_set_free()
 *
 * A pod or a node alone is target_resolve(), target_wait() or target_of_node(). Of pods that are
 * chosen, not named, those that cannot be captured are left out, with a line where that may
 * surprise; the user is told of what is shared, too.
 *
 * Errors: those of requests; ERROR_NOT_FOUND and ERROR_TARGET, with what may have been meant, when
 * a word has no pods; ERROR_TARGET when there are more than settings->max_targets, or none that can
 * be captured; ERROR_TIMEOUT of --wait.
 */
int targets_find(struct kube_client *client, const struct settings *settings,
                 struct target_set *ret_set, struct error *err);

/* targets_tell - name them to the user, in one line; none: no line. */
void targets_tell(struct target_set *set);

/* targets_check_count - are there no more than allowed? @count: how many there are */
int targets_check_count(const struct settings *settings, size_t count, struct error *err);

#endif
