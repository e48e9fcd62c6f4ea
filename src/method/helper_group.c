/* SPDX-License-Identifier: Apache-2.0 */
#include "method/helper_group.h"

#include <stdlib.h>

#include "kube/client.h"
#include "method/helper_pod.h"
#include "method/trial.h"

void helper_group_free(struct helper_group *group)
{
    kube_call_cancel(group->call);
    trial_free(group->trial);
    helper_recipe_free(&group->recipe);
    free(group);
}

struct helper_user *helper_group_alone(const struct helper_group *group)
{
    return group->users && group->users->alone ? group->users : NULL;
}

/* ---- its pods ---- */

static void on_removed(void *data)
{
    struct helper_pods *pods = data;

    pods->removals--;
}

static void remove_pod(struct helper_group *group, struct helper_pod *pod)
{
    group->of->removals++;
    helper_pod_remove(pod, on_removed, group->of);
}

void helper_group_retire(struct helper_group *group)
{
    struct helper_pod *pod = group->pod;

    group->pod = NULL;
    group->unwatched = false;
    if (pod && pod->users == 0)
        remove_pod(group, pod);
}

void helper_group_leave(struct helper_user *user)
{
    struct helper_pod *pod = user->pod;

    user->pod = NULL;
    if (pod && --pod->users == 0 && pod != user->group->pod)
        remove_pod(user->group, pod);
}

/* ---- what its users are told ---- */

bool helper_group_is_waited_for(const struct helper_group *group)
{
    for (const struct helper_user *user = group->users; user; user = user->next)
        if (user->waits)
            return true;
    return false;
}

void helper_group_tell_ready(struct helper_group *group)
{
    struct helper_pod *pod = group->pod;

    /* Credentials may be renewed meanwhile, and the first agent find that the helper is not fit. */
    for (struct helper_user *user = group->users; user && group->pod == pod; user = user->next) {
        if (!user->waits)
            continue;
        user->waits = false;
        user->pod = pod;
        user->despite_shell = group->recipe.images.second_round;
        pod->users++;
        user->events->ready(user->data);
    }
}

void helper_group_tell_waits(struct helper_group *group, const char *why)
{
    for (struct helper_user *user = group->users; user; user = user->next)
        if (user->waits)
            user->events->waits(user->data, why);
}

void helper_group_tell_failed(struct helper_group *group, enum helper_failure how,
                              const struct error *err)
{
    for (struct helper_user *user = group->users; user; user = user->next) {
        if (!user->waits)
            continue;
        user->waits = false;
        user->events->failed(user->data, how, err);
    }
}

void helper_group_give_up(struct helper_group *group, enum helper_failure how,
                          const struct error *err)
{
    helper_group_retire(group);
    helper_group_tell_failed(group, how, err);
}
