/* SPDX-License-Identifier: Apache-2.0 */
/* Which targets are recorded by one pod: those of a node and a namespace that are entered alike. */
#ifndef KSNIFF_RECORDING_GROUPS_H
#define KSNIFF_RECORDING_GROUPS_H

#include <stddef.h>

struct settings;
struct target;

struct recording_group {
    const struct target **targets; /* owned is the array; at most RECORDING_TARGETS_MAX */
    size_t count;
};

struct recording_groups {
    struct recording_group *list; /* owned */
    size_t count;
};

/*
 * groups_make - in the order of the first of each
 * @targets: @count of them; borrowed
 *
 * Return: 0, released with groups_free(); -1 when out of memory.
 */
int groups_make(const struct settings *settings, const struct target *const *targets, size_t count,
                struct recording_groups *ret);
void groups_free(struct recording_groups *groups);

#endif
