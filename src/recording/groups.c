/* SPDX-License-Identifier: Apache-2.0 */
#include "recording/groups.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "method/helper.h"
#include "target/target.h"
#include "common/recording.h"

/* As helper_recipe_fits() has it for a recipe and a target. */
static bool belong_together(const struct settings *settings, const struct target *one,
                            const struct target *other)
{
    return one->host_network == other->host_network &&
           strcmp(one->node_name, other->node_name) == 0 &&
           strcmp(helper_namespace_of(settings, one), helper_namespace_of(settings, other)) == 0;
}

static struct recording_group *group_new(struct recording_groups *groups)
{
    struct recording_group *group = &groups->list[groups->count];

    group->targets = calloc(RECORDING_TARGETS_MAX, sizeof(*group->targets));
    if (!group->targets)
        return NULL;
    groups->count++;
    return group;
}

static struct recording_group *group_for(const struct settings *settings,
                                         struct recording_groups *groups,
                                         const struct target *target)
{
    for (size_t i = 0; i < groups->count; i++)
        if (groups->list[i].count < RECORDING_TARGETS_MAX &&
            belong_together(settings, groups->list[i].targets[0], target))
            return &groups->list[i];
    return group_new(groups);
}

int groups_make(const struct settings *settings, const struct target *const *targets, size_t count,
                struct recording_groups *ret)
{
    struct recording_groups groups = {.list = calloc(count + 1, sizeof(*groups.list))};

    for (size_t i = 0; groups.list && i < count; i++) {
        struct recording_group *group = group_for(settings, &groups, targets[i]);

        if (!group) {
            groups_free(&groups);
            return -1;
        }
        group->targets[group->count++] = targets[i];
    }
    *ret = groups;
    return groups.list ? 0 : -1;
}

void groups_free(struct recording_groups *groups)
{
    for (size_t i = 0; i < groups->count; i++)
        free(groups->list[i].targets);
    free(groups->list);
    *groups = (struct recording_groups){0};
}
