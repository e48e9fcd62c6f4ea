/* SPDX-License-Identifier: Apache-2.0 */
#include "recording/room.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "kube/node.h"
#include "method/helper.h"
#include "recording/groups.h"
#include "settings/keep.h"
#include "settings/settings.h"
#include "target/target.h"
#include "common/recording.h"

static const struct target *first_of(const struct recording_group *group)
{
    return group->targets[0];
}

static int check_targets(const struct settings *settings, const struct recording_group *group,
                         struct error *err)
{
    uint64_t least = group->count * RECORDING_KEEP_EACH;

    if (settings->recording.keep_bytes >= least)
        return 0;
    error_set(err, ERROR_USAGE, "--keep has too little room for the %zu targets on node \"%s\"",
              group->count, first_of(group)->node_name);
    return error_remedy(err, "at least %uM", (unsigned)(least >> 20));
}

/* Recorders on the node of that group: one in each namespace, and one of the node's network. */
static uint64_t recorders_beside(const struct recording_groups *groups,
                                 const struct recording_group *group)
{
    uint64_t count = 0;

    for (size_t i = 0; i < groups->count; i++)
        count += strcmp(first_of(&groups->list[i])->node_name, first_of(group)->node_name) == 0;
    return count;
}

/* Of a node that has @bytes for each. Return: MiB. */
static uint64_t most_to_keep(uint64_t bytes, bool in_memory)
{
    struct helper_work work = {.size = bytes, .in_memory = in_memory};

    while (work.size >= RECORDING_KEEP_MIN && helper_work_needs(&work) > bytes)
        work.size -= work.size / 64;
    return work.size >= RECORDING_KEEP_MIN ? work.size >> 20 : 0;
}

static int too_large(const struct settings *settings, const struct helper_work *work,
                     const struct target *target, uint64_t count, uint64_t has, struct error *err)
{
    const char *resource = helper_work_resource(work);
    uint64_t asks = helper_work_asks(work, settings->requests), asked;
    uint64_t most = most_to_keep(has / count, work->in_memory);
    char keep[KEEP_TEXT_SIZE], all[KEEP_TEXT_SIZE], room[KEEP_TEXT_SIZE];

    error_set(err, ERROR_TARGET,
              "node \"%s\" has %s of %s for all its pods, and %" PRIu64
              " recorder%s with --keep %s would ask for %s",
              target->node_name, keep_format(room, has), resource, count, count == 1 ? "" : "s",
              keep_format(keep, work->size), keep_format(all, count * asks));
    if (helper_resource(settings->requests, resource, &asked))
        return error_remedy(err, "ask for less in --requests");
    if (most == 0)
        return error_remedy(err, "keep it elsewhere, with --keep-in %s",
                            work->in_memory ? "disk" : "memory");
    return error_remedy(err, "--keep %" PRIu64 "M is the most that it could take", most);
}

static int check_node(const struct settings *settings, const struct recording_groups *groups,
                      const struct recording_group *group, struct error *err)
{
    const struct target *target = first_of(group);
    const struct helper_work work = {.size = settings->recording.keep_bytes,
                                     .in_memory = settings->recording.in_memory};
    uint64_t count = recorders_beside(groups, group), has;

    if (!target->node || !kube_node_allocatable(target->node, helper_work_resource(&work), &has) ||
        helper_work_asks(&work, settings->requests) <= has / count)
        return 0;
    return too_large(settings, &work, target, count, has, err);
}

int room_check(const struct settings *settings, const struct recording_groups *groups,
               struct error *err)
{
    for (size_t i = 0; i < groups->count; i++)
        if (check_targets(settings, &groups->list[i], err) < 0 ||
            check_node(settings, groups, &groups->list[i], err) < 0)
            return -1;
    return 0;
}
