/* SPDX-License-Identifier: Apache-2.0 */
#include "method/helper_fate.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "common/agent.h"
#include "kube/client.h"
#include "kube/pod.h"
#include "method/admission.h"
#include "method/helper.h"
#include "method/helper_begin.h"
#include "method/helper_group.h"

#define PULL_MS 3000 /* a registry that nobody reaches lets a pull take minutes */

/* ---- it cannot be started ---- */

static void on_ended(struct helper_group *group, const char *why)
{
    struct error err;

    error_set(&err, ERROR_TARGET, "the helper pod \"%s\" was not started on node \"%s\": %s",
              group->pod->name, group->recipe.node_name, *why ? why : "it ended");
    admission_remedy_rejected(group->of->settings, helper_group_alone(group) != NULL, why, &err);
    helper_group_give_up(group, HELPER_FAILED, &err);
}

static void on_unfit(struct helper_group *group, const struct kube_pod *seen, const char *why)
{
    const struct kube_container *container = kube_pod_container(seen, HELPER_CONTAINER);

    if (group->recipe.privilege != HELPER_CAPABILITIES &&
        group->recipe.privilege != HELPER_PRIVILEGED)
        helper_next_privilege(group, why); /* the image has been started before */
    else if (helper_recipe_other_machine(&group->recipe, container))
        helper_begin_again(group);
    else
        helper_next_image(group, why);
}

/* ---- it starts, and runs ---- */

static void tell_of_init(struct helper_group *group, const struct kube_pod *seen)
{
    const struct kube_container *first = helper_held_up_by(seen);

    if (!first || group->told_of_init)
        return;
    group->told_of_init = true;
    log_info("the helper pod waits for its init container '%s', which something in the cluster has "
             "added",
             first->name);
}

static void on_starting(struct helper_group *group, const struct kube_pod *seen, const char *why)
{
    helper_group_tell_waits(group, why);
    tell_of_init(group, seen);
    if (!group->pulling && helper_is_pulling(seen))
        group->pulling = loop_now();
    if (group->pulling && loop_now() - group->pulling >= PULL_MS && group->recipe.images.count > 1)
        helper_next_image(group, "it seems to be pulled, and that takes long");
    else
        helper_pod_look_later(group->pod);
}

static void on_runs(struct helper_group *group, const struct kube_pod *seen)
{
    helper_pod_watch_age(group->pod, seen);
    group->pod->has_run = true;
    group->pod->timeout = 0;
    group->doubtful = false;
    helper_group_tell_ready(group);
}

/* ---- it works for its user ---- */

static void on_work_failed(struct helper_group *group, int code, const char *why)
{
    struct error err;

    error_set(&err, ERROR_TARGET, "the helper pod on node \"%s\" cannot do its work: %s",
              group->recipe.node_name, *why ? why : "it does not say why");
    if (code == AGENT_EXIT_NO_INTERFACE)
        error_remedy(&err, "leave out -i to take every interface");
    else if (code == AGENT_EXIT_NO_MEMORY)
        error_remedy(&err, "try a smaller --buffer-size");
    else if (code == AGENT_EXIT_NO_ENTRY || code == AGENT_EXIT_NO_PERMISSION)
        error_remedy(&err, "something on the node forbids it, such as AppArmor or SELinux");
    helper_group_give_up(group, HELPER_FAILED, &err);
}

/* It has been started, and could not do what it should: the same codes as an agent's. Return:
 * whether they are; else the container was not started, or was killed. */
static bool on_work_ended(struct helper_group *group, const struct kube_pod *seen)
{
    char why[300] = "";
    int code = helper_end_code(seen, why, sizeof(why));
    bool more = code == AGENT_EXIT_NO_ENTRY || code == AGENT_EXIT_NO_PERMISSION;

    if (code < AGENT_EXIT_BAD_OPTIONS || code > AGENT_EXIT_INTERNAL)
        return false;
    why[strcspn(why, "\n")] = '\0';
    if (more && group->recipe.privilege != HELPER_PRIVILEGED)
        helper_next_privilege(group, why);
    else if (code == AGENT_EXIT_SHELL && !group->recipe.images.second_round) {
        if (helper_recipe_shell(&group->recipe, why))
            helper_next_image(group, why);
        else
            helper_begin_again(group);
    } else {
        on_work_failed(group, code, why);
    }
    return true;
}

/* It ran, and was killed: that is not the image's fault. @why: says so then */
static bool is_started_again(const struct helper_pod *pod, const struct kube_pod *seen,
                             enum helper_state state, char *why, size_t size)
{
    char unused[2];
    int code = helper_end_code(seen, unused, sizeof(unused));

    if (state == HELPER_ENDED)
        return false;
    if (code > 128)
        snprintf(why, size, "it was ended by signal %d, and is started again", code - 128);
    return pod->has_run || code > 128;
}

/* ---- what is seen of it ---- */

static void on_gone(struct helper_group *group)
{
    struct error err;

    error_set(&err, ERROR_TARGET, "the helper pod \"%s\" was deleted by somebody",
              group->pod->name);
    helper_group_give_up(group, HELPER_LOST, &err);
}

static void on_seen(void *data, struct helper_pod *pod, const struct kube_pod *seen)
{
    struct helper_group *group = data;
    char why[300] = "";

    if (pod != group->pod)
        return;
    group->unwatched = !helper_group_is_waited_for(group);
    if (group->unwatched)
        return;
    enum helper_state state =
        seen ? helper_state(seen, kube_pod_container(seen, HELPER_CONTAINER), why, sizeof(why))
             : HELPER_ENDED;

    if (state == HELPER_RUNNING)
        on_runs(group, seen);
    else if (seen && helper_group_alone(group) && on_work_ended(group, seen))
        return;
    else if (seen && helper_group_alone(group) &&
             is_started_again(pod, seen, state, why, sizeof(why)))
        on_starting(group, seen, why);
    else if (pod->has_run && state != HELPER_STARTING)
        helper_begin_again(group);
    else if (!seen)
        on_gone(group);
    else if (state == HELPER_UNFIT)
        on_unfit(group, seen, why);
    else if (state == HELPER_ENDED)
        on_ended(group, why);
    else
        on_starting(group, seen, why);
}

static void on_unseen(void *data, struct helper_pod *pod, const struct error *err)
{
    struct helper_group *group = data;

    if (pod != group->pod)
        return;
    group->unwatched = true; /* it may be there all the same */
    helper_group_tell_failed(group, HELPER_FAILED, err);
}

/* One of the two objects was refused. */
static void on_refused(void *data, struct helper_pod *pod, const struct error *err)
{
    struct helper_group *group = data;
    struct error told = *err;

    (void)pod;
    admission_remedy_helper(group->of->settings, group->recipe.namespace,
                            helper_group_alone(group) != NULL, &told);
    helper_group_give_up(group, HELPER_FAILED, &told);
}

/*
 * The kubelet is about to end the pod, and would take what the agents still hold: so they end in
 * order before, which is a cut, and are taken up again in another helper.
 */
static void on_aged(void *data, struct helper_pod *pod)
{
    struct helper_group *group = data;
    char why[120];

    snprintf(why, sizeof(why),
             "the helper pod \"%s\" is as old as it may be (activeDeadlineSeconds)", pod->name);
    for (struct helper_user *user = group->users; user; user = user->next)
        if (user->pod == pod)
            user->events->ends(user->data, why);
    if (pod == group->pod)
        helper_group_retire(group);
}

const struct helper_pod_events helper_fate = {
    .refused = on_refused, .seen = on_seen, .unseen = on_unseen, .aged = on_aged};
