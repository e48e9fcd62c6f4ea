/* SPDX-License-Identifier: Apache-2.0 */
#include "method/helper_begin.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "kube/client.h"
#include "method/agent_binary.h"
#include "method/helper.h"
#include "method/helper_group.h"
#include "method/helper_pod.h"
#include "method/session.h"
#include "method/trial.h"
#include "settings/settings.h"
#include "target/target.h"

#define RUNNING_ASKED 200 /* pods of kube-system on the node */

/* ---- making one ---- */

/* Lets the helper do what its user wants. Return: 0, or -1 with the error. */
static int take_work(struct helper_group *group, struct helper *helper,
                     const struct agent_binary **agent, struct error *err)
{
    struct helper_user *user = helper_group_alone(group);

    if (!user)
        return 0;
    user->despite_shell = group->recipe.images.second_round;
    helper->work = user->events->work(user->data, err);
    if (!helper->work)
        return -1;
    helper->deadline = helper->work->seconds;
    *agent = helper->work->find(group->recipe.machine);
    return *agent ? 0 : error_set(err, ERROR_INTERNAL, "there is no program for the helper");
}

static void make(struct helper_group *group)
{
    struct helper helper;
    struct error err;
    const struct agent_binary *agent = agent_binary_choose(group->recipe.machine, &err);

    helper_recipe_read(&group->recipe, group->room, &helper);
    if (!agent || take_work(group, &helper, &agent, &err) < 0 ||
        helper_pod_make(group->pod, &helper, agent, &err) < 0)
        helper_group_give_up(group, HELPER_FAILED, &err);
}

/* A helper that is not there is not found: so an exec into it would be let through. */
static void on_trial(void *data, const struct error *err)
{
    struct helper_group *group = data;

    group->trying = false;
    if (err && error_is_refusal(err))
        helper_group_give_up(group, HELPER_REFUSED, err);
    else
        make(group);
}

/* Was an exec into a target refused? Then one into the helper is tried, before there is any. */
static bool wants_trial(const struct helper_group *group)
{
    for (const struct helper_user *user = group->users; user; user = user->next)
        if (user->waits && user->target->exec_refused)
            return !group->trial;
    return false;
}

void helper_begin(struct helper_group *group)
{
    struct error err;

    if (!helper_group_is_waited_for(group))
        return;
    group->pulling = 0;
    group->pod =
        helper_pod_new(group->of->client, group->recipe.namespace, group->events, group, &err);
    if (!group->pod) {
        helper_group_tell_failed(group, HELPER_FAILED, &err);
        return;
    }
    if (group->doubtful)
        group->pod->timeout = kube_client_doubtful(group->of->client);
    if (!wants_trial(group)) {
        make(group);
        return;
    }
    const struct session_place place = {group->recipe.namespace, group->pod->name,
                                        HELPER_CONTAINER};
    group->trial = trial_start(group->of->client, &place, on_trial, group, &err);
    group->trying = group->trial != NULL;
    if (!group->trial)
        helper_group_give_up(group, HELPER_FAILED, &err);
}

void helper_begin_again(struct helper_group *group)
{
    helper_group_retire(group);
    helper_begin(group);
}

/* ---- another image ---- */

/* The image cannot be started, or has a shell. */
static void try_next_image(struct helper_group *group)
{
    struct error err;

    helper_group_retire(group);
    if (!helper_group_is_waited_for(group))
        return;
    if (helper_recipe_next_image(&group->recipe, &err) < 0)
        helper_group_give_up(group, HELPER_FAILED, &err);
    else
        helper_begin(group);
}

static void on_running(void *data, json_t *answer, const struct error *err)
{
    struct helper_group *group = data;

    group->call = NULL;
    if (err)
        log_debug("what runs on the node is not known: %s", err->text);
    else
        helper_images_add_running(&group->recipe.images, answer);
    if (*group->recipe.why)
        try_next_image(group);
    else
        helper_begin(group);
}

bool helper_look_at_running(struct helper_group *group)
{
    cleanup_free char *escaped = kube_escape(group->recipe.node_name);
    cleanup_free char *path =
        escaped ? text_format("/api/v1/namespaces/kube-system/pods?fieldSelector=spec.nodeName%%3D"
                              "%s&limit=%d",
                              escaped, RUNNING_ASKED)
                : NULL;
    const struct kube_request request = {
        .path = path, .timeout = group->doubtful ? kube_client_doubtful(group->of->client) : 0};

    if (!path || group->looked || group->of->settings->image)
        return false;
    group->looked = true;
    group->call = kube_call_start(group->of->client, &request, on_running, group, NULL);
    return group->call != NULL;
}

void helper_next_image(struct helper_group *group, const char *why)
{
    snprintf(group->recipe.why, sizeof(group->recipe.why), "%.299s", why);
    if (!helper_look_at_running(group))
        try_next_image(group);
}

/* ---- another privilege ---- */

void helper_next_privilege(struct helper_group *group, const char *why)
{
    helper_recipe_next_privilege(&group->recipe, why);
    helper_begin_again(group);
}
