/* SPDX-License-Identifier: Apache-2.0 */
/* Making the next helper of a group: with which image, which privilege, and what it is to do. */
#ifndef KSNIFF_METHOD_HELPER_BEGIN_H
#define KSNIFF_METHOD_HELPER_BEGIN_H

#include <stdbool.h>

struct helper_group;

/* helper_begin - make one, if anybody waits for it. The group has none now. */
void helper_begin(struct helper_group *group);

/* helper_begin_again - the same, in the place of the present one. */
void helper_begin_again(struct helper_group *group);

/* helper_next_image - another, as this one cannot be started, or has a shell. @why: says so */
void helper_next_image(struct helper_group *group, const char *why);

/* helper_next_privilege - another that may do more. @why: says why this one cannot do it */
void helper_next_privilege(struct helper_group *group, const char *why);

/* helper_look_at_running - ask what DaemonSets run on the node, once; then one is begun. Return:
 * whether the answer is waited for. */
bool helper_look_at_running(struct helper_group *group);

#endif
