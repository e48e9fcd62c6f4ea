/* SPDX-License-Identifier: Apache-2.0 */
#include "method/helper_pods.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "common/agent.h"
#include "kube/client.h"
#include "method/helper_begin.h"
#include "method/helper_fate.h"
#include "method/helper_group.h"
#include "method/helper_pod.h"
#include "method/trial.h"
#include "settings/settings.h"

#define FRESH_MS    2000 /* what was seen to run then still does */
#define RELAY_LEAST 4    /* targets of a node, of which each would have an exec of its own */
#define SETTLE_MS   1000

/* ---- those of a run ---- */

struct helper_pods *helper_pods_new(struct kube_client *client, const struct settings *settings,
                                    size_t room)
{
    struct helper_pods *pods = calloc(1, sizeof(*pods));

    if (pods)
        *pods = (struct helper_pods){.client = client, .settings = settings, .room = room};
    return pods;
}

void helper_pods_settle(struct helper_pods *pods)
{
    /* Each has its own time. */
    while (pods->removals > 0)
        loop_step(kube_client_loop(pods->client), SETTLE_MS);
}

void helper_pods_free(struct helper_pods *pods)
{
    struct helper_group *next;

    if (!pods)
        return;
    helper_pods_settle(pods);
    for (struct helper_group *group = pods->groups; group; group = next) {
        next = group->next;
        helper_group_free(group);
    }
    free(pods);
}

/* ---- groups ---- */

static size_t count_users(const struct helper_group *group)
{
    size_t count = 0;

    for (const struct helper_user *user = group->users; user; user = user->next)
        count++;
    return count;
}

size_t helper_pods_users(const struct helper_pods *pods)
{
    size_t count = 0;

    for (const struct helper_group *group = pods->groups; group; group = group->next)
        count += count_users(group);
    return count;
}

/* Also where nobody has joined yet: what it is made for follows then. */
static bool has_room(const struct helper_group *group, const struct helper_user *for_whom)
{
    size_t count = 0;

    for (const struct helper_user *user = group->users; user; user = user->next)
        count += !user->aside;
    return group->room == 0 || for_whom->aside || count < group->room;
}

static struct helper_group *group_new(struct helper_pods *pods, const struct target *target,
                                      struct error *err)
{
    struct helper_group *group = calloc(1, sizeof(*group));

    if (!group) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    group->of = pods;
    group->events = &helper_fate;
    if (helper_recipe_new(&group->recipe, pods->settings, target, err) < 0) {
        free(group);
        return NULL;
    }
    group->next = pods->groups;
    pods->groups = group;
    return group;
}

void helper_pods_expect(struct helper_pods *pods, const struct target *target)
{
    struct helper_group *group = pods->groups;

    while (group && !helper_recipe_fits(&group->recipe, target))
        group = group->next;
    if (group || (group = group_new(pods, target, NULL)))
        group->expected++;
}

/* @own: rings that a helper of only one user is to have; 0: as many as there may be users */
static int prepare(struct helper_group *group, const struct target *target, size_t own,
                   struct error *err)
{
    size_t others = own ? own - 1 : group->expected ? group->expected - 1 : 0;

    group->room = own ? own : 1 + others + group->of->room;
    uint64_t ring = helper_recipe_ring(&group->recipe, group->room);

    if (!group->of->settings->buffer_size && ring < AGENT_RING_DEFAULT)
        log_info(
            "the packet rings on node '%s' have %u MiB each, not %u, as up to %zu targets share "
            "a helper pod: --buffer-size sets it",
            group->recipe.node_name, (unsigned)(ring >> 20), AGENT_RING_DEFAULT >> 20, group->room);
    return helper_recipe_fill(&group->recipe, target, others, err);
}

/* ---- users ---- */

int helper_pods_join(struct helper_pods *pods, struct helper_user *user,
                     const struct target *target, struct error *err)
{
    struct helper_group *group = pods->groups;

    while (group && (user->alone || helper_group_alone(group) ||
                     !helper_recipe_fits(&group->recipe, target) || !has_room(group, user)))
        group = group->next;
    if (!group && !(group = group_new(pods, target, err)))
        return -1;
    if (!group->recipe.who && prepare(group, target, user->alone, err) < 0)
        return -1;
    user->target = target;
    user->ring = helper_recipe_ring(&group->recipe, group->room);
    user->group = group;
    struct helper_user **at = &group->users;
    while (*at)
        at = &(*at)->next;
    *at = user;
    helper_user_wait(user, false);
    return 0;
}

void helper_user_wait(struct helper_user *user, bool cut)
{
    struct helper_group *group = user->group;
    struct helper_pod *pod = group->pod;

    helper_group_leave(user);
    user->waits = true;
    group->doubtful |= cut;
    if (cut && pod)
        pod->timeout = kube_client_doubtful(group->of->client);
    if (group->call || group->trying)
        return;
    if (!pod) {
        if (group->recipe.images.sure || !helper_look_at_running(group))
            helper_begin(group);
    } else if (pod->has_run && !cut && loop_now() - pod->seen < FRESH_MS) {
        helper_group_tell_ready(group);
    } else if (pod->has_run || group->unwatched) {
        group->unwatched = false;
        helper_pod_look(pod);
    } /* else it is being made, and looked at */
}

/* The largest agent has no room for it (agent/build-agent.sh). */
bool helper_user_shares(const struct helper_user *user)
{
    const struct helper_group *group = user->group;

    return group->room >= RELAY_LEAST && strcmp(group->recipe.machine, "ppc64le") != 0;
}

bool helper_user_may_have_more(const struct helper_user *user)
{
    return user->pod != user->group->pod || user->group->recipe.privilege != HELPER_PRIVILEGED;
}

void helper_user_needs_more(struct helper_user *user, const char *why)
{
    struct helper_group *group = user->group;

    if (user->pod != group->pod) { /* another has found that before */
        helper_user_wait(user, false);
        return;
    }
    helper_group_leave(user);
    user->waits = true;
    helper_next_privilege(group, why);
}

void helper_user_saw_shell(struct helper_user *user, const char *why)
{
    struct helper_group *group = user->group;

    if (user->pod != group->pod || group->recipe.images.second_round) {
        helper_user_wait(user, false);
        return;
    }
    if (!helper_recipe_shell(&group->recipe, why)) {
        helper_user_wait(user, false);
        return;
    }
    helper_group_leave(user);
    user->waits = true;
    helper_next_image(group, why);
}

void helper_user_part(struct helper_user *user)
{
    struct helper_group *group = user->group;

    user->pod = NULL;
    if (group && group->pod)
        helper_pod_part(group->pod);
    if (group)
        group->pod = NULL;
    helper_user_leave(user);
}

void helper_user_leave(struct helper_user *user)
{
    struct helper_group *group = user->group;

    if (!group)
        return;
    helper_group_leave(user);
    struct helper_user **at = &group->users;
    while (*at != user)
        at = &(*at)->next;
    *at = user->next;
    user->group = NULL;
    if (group->users)
        return;
    kube_call_cancel(group->call);
    trial_free(group->trial);
    group->call = NULL;
    group->trial = NULL;
    group->trying = false;
    helper_group_retire(group);
}
