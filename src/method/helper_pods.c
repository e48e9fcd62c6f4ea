/* SPDX-License-Identifier: Apache-2.0 */
#include "method/helper_pods.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "method/admission.h"
#include "method/agent_binary.h"
#include "method/helper.h"
#include "method/helper_pod.h"
#include "method/helper_recipe.h"
#include "method/session.h"
#include "method/trial.h"
#include "settings/settings.h"
#include "target/target.h"
#include "common/agent.h"
#include "kube/client.h"
#include "kube/pod.h"

#define PULL_MS       3000 /* a registry that nobody reaches lets a pull take minutes */
#define FRESH_MS      2000 /* what was seen to run then still does */
#define RUNNING_ASKED 200  /* pods of kube-system on the node */
#define SETTLE_MS     1000

/* The helpers of a node, one after the other. */
struct helper_group {
    struct helper_pods *of;
    struct helper_group *next;
    struct helper_recipe recipe;
    size_t expected; /* targets that are known of */
    size_t room;     /* users that its helpers are made for */

    struct helper_user *users;
    struct helper_pod *pod; /* that who waits is about to get; NULL: none */
    bool doubtful;          /* after a cut: requests may find the way dead */
    bool unwatched;    /* the pod is not asked for any more: it could not be, or nobody waits */
    bool told_of_init; /* that it waits for a container of somebody else */
    uint64_t pulling;  /* loop_now() since when its image seems to be pulled; 0: it does not */

    struct kube_call *call; /* what runs on the node */
    bool looked;            /* that was asked */
    struct trial *trial;    /* of an exec, before anything is made */
    bool trying;            /* its answer is waited for */
};

struct helper_pods {
    struct kube_client *client;
    const struct settings *settings;
    size_t room;
    struct helper_group *groups;
    size_t removals; /* under way */
};

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

static void group_free(struct helper_group *group)
{
    kube_call_cancel(group->call);
    trial_free(group->trial);
    helper_recipe_free(&group->recipe);
    free(group);
}

void helper_pods_free(struct helper_pods *pods)
{
    struct helper_group *next;

    if (!pods)
        return;
    helper_pods_settle(pods);
    for (struct helper_group *group = pods->groups; group; group = next) {
        next = group->next;
        group_free(group);
    }
    free(pods);
}

/* ---- the pods of a group ---- */

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

/* Nobody gets the present one any more; whose agent runs in it goes on. */
static void retire(struct helper_group *group)
{
    struct helper_pod *pod = group->pod;

    group->pod = NULL;
    group->unwatched = false;
    if (pod && pod->users == 0)
        remove_pod(group, pod);
}

static void leave_pod(struct helper_user *user)
{
    struct helper_pod *pod = user->pod;

    user->pod = NULL;
    if (pod && --pod->users == 0 && pod != user->group->pod)
        remove_pod(user->group, pod);
}

/* ---- what its users are told ---- */

static bool is_waited_for(const struct helper_group *group)
{
    for (const struct helper_user *user = group->users; user; user = user->next)
        if (user->waits)
            return true;
    return false;
}

static void tell_ready(struct helper_group *group)
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

static void tell_waits(struct helper_group *group, const char *why)
{
    for (struct helper_user *user = group->users; user; user = user->next)
        if (user->waits)
            user->events->waits(user->data, why);
}

static void tell_failed(struct helper_group *group, enum helper_failure how,
                        const struct error *err)
{
    for (struct helper_user *user = group->users; user; user = user->next) {
        if (!user->waits)
            continue;
        user->waits = false;
        user->events->failed(user->data, how, err);
    }
}

static void give_up(struct helper_group *group, enum helper_failure how, const struct error *err)
{
    retire(group);
    tell_failed(group, how, err);
}

/* ---- making one ---- */

/* The user of a group that has the only one, whose helper works for it; or NULL. */
static struct helper_user *alone(const struct helper_group *group)
{
    return group->users && group->users->alone ? group->users : NULL;
}

/* Lets the helper do what its user wants. Return: 0, or -1 with the error. */
static int take_work(struct helper_group *group, struct helper *helper,
                     const struct agent_binary **agent, struct error *err)
{
    struct helper_user *user = alone(group);

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
        give_up(group, HELPER_FAILED, &err);
}

/* A helper that is not there is not found: so an exec into it would be let through. */
static void on_trial(void *data, const struct error *err)
{
    struct helper_group *group = data;

    group->trying = false;
    if (err && error_is_refusal(err))
        give_up(group, HELPER_REFUSED, err);
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

static const struct helper_pod_events pod_events;

static void begin(struct helper_group *group)
{
    struct error err;

    if (!is_waited_for(group))
        return;
    group->pulling = 0;
    group->pod =
        helper_pod_new(group->of->client, group->recipe.namespace, &pod_events, group, &err);
    if (!group->pod) {
        tell_failed(group, HELPER_FAILED, &err);
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
        give_up(group, HELPER_FAILED, &err);
}

static void begin_again(struct helper_group *group)
{
    retire(group);
    begin(group);
}

/* ---- another image ---- */

/* The image cannot be started, or has a shell. */
static void try_next_image(struct helper_group *group)
{
    struct error err;

    retire(group);
    if (!is_waited_for(group))
        return;
    if (helper_recipe_next_image(&group->recipe, &err) < 0)
        give_up(group, HELPER_FAILED, &err);
    else
        begin(group);
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
        begin(group);
}

/* Asks what DaemonSets run on the node, once. Return: whether the answer is waited for. */
static bool look_at_running(struct helper_group *group)
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

static void next_image(struct helper_group *group, const char *why)
{
    snprintf(group->recipe.why, sizeof(group->recipe.why), "%.299s", why);
    if (!look_at_running(group))
        try_next_image(group);
}

static void next_privilege(struct helper_group *group, const char *why)
{
    helper_recipe_next_privilege(&group->recipe, why);
    begin_again(group);
}

/* ---- what becomes of it ---- */

static void on_ended(struct helper_group *group, const char *why)
{
    struct error err;

    error_set(&err, ERROR_TARGET, "the helper pod \"%s\" was not started on node \"%s\": %s",
              group->pod->name, group->recipe.node_name, *why ? why : "it ended");
    admission_remedy_rejected(group->of->settings, alone(group) != NULL, why, &err);
    give_up(group, HELPER_FAILED, &err);
}

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
    tell_waits(group, why);
    tell_of_init(group, seen);
    if (!group->pulling && helper_is_pulling(seen))
        group->pulling = loop_now();
    if (group->pulling && loop_now() - group->pulling >= PULL_MS && group->recipe.images.count > 1)
        next_image(group, "it seems to be pulled, and that takes long");
    else
        helper_pod_look_later(group->pod);
}

static void on_runs(struct helper_group *group, const struct kube_pod *seen)
{
    helper_pod_watch_age(group->pod, seen);
    group->pod->has_run = true;
    group->pod->timeout = 0;
    group->doubtful = false;
    tell_ready(group);
}

static void on_unfit(struct helper_group *group, const struct kube_pod *seen, const char *why)
{
    const struct kube_container *container = kube_pod_container(seen, HELPER_CONTAINER);

    if (group->recipe.privilege != HELPER_CAPABILITIES &&
        group->recipe.privilege != HELPER_PRIVILEGED)
        next_privilege(group, why); /* the image has been started before */
    else if (helper_recipe_other_machine(&group->recipe, container))
        begin_again(group);
    else
        next_image(group, why);
}

/* ---- one that works for its user ---- */

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
    give_up(group, HELPER_FAILED, &err);
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
        next_privilege(group, why);
    else if (code == AGENT_EXIT_SHELL && !group->recipe.images.second_round) {
        if (helper_recipe_shell(&group->recipe, why))
            next_image(group, why);
        else
            begin_again(group);
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

static void on_gone(struct helper_group *group)
{
    struct error err;

    error_set(&err, ERROR_TARGET, "the helper pod \"%s\" was deleted by somebody",
              group->pod->name);
    give_up(group, HELPER_LOST, &err);
}

static void on_seen(void *data, struct helper_pod *pod, const struct kube_pod *seen)
{
    struct helper_group *group = data;
    char why[300] = "";

    if (pod != group->pod)
        return;
    group->unwatched = !is_waited_for(group);
    if (group->unwatched)
        return;
    enum helper_state state =
        seen ? helper_state(seen, kube_pod_container(seen, HELPER_CONTAINER), why, sizeof(why))
             : HELPER_ENDED;

    if (state == HELPER_RUNNING)
        on_runs(group, seen);
    else if (seen && alone(group) && on_work_ended(group, seen))
        return;
    else if (seen && alone(group) && is_started_again(pod, seen, state, why, sizeof(why)))
        on_starting(group, seen, why);
    else if (pod->has_run && state != HELPER_STARTING)
        begin_again(group);
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
    tell_failed(group, HELPER_FAILED, err);
}

/* One of the two objects was refused. */
static void on_refused(void *data, struct helper_pod *pod, const struct error *err)
{
    struct helper_group *group = data;
    struct error told = *err;

    (void)pod;
    admission_remedy_helper(group->of->settings, group->recipe.namespace, alone(group) != NULL,
                            &told);
    give_up(group, HELPER_FAILED, &told);
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
        retire(group);
}

static const struct helper_pod_events pod_events = {
    .refused = on_refused, .seen = on_seen, .unseen = on_unseen, .aged = on_aged};

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

    while (group && (user->alone || alone(group) || !helper_recipe_fits(&group->recipe, target) ||
                     !has_room(group, user)))
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

    leave_pod(user);
    user->waits = true;
    group->doubtful |= cut;
    if (cut && pod)
        pod->timeout = kube_client_doubtful(group->of->client);
    if (group->call || group->trying)
        return;
    if (!pod) {
        if (group->recipe.images.sure || !look_at_running(group))
            begin(group);
    } else if (pod->has_run && !cut && loop_now() - pod->seen < FRESH_MS) {
        tell_ready(group);
    } else if (pod->has_run || group->unwatched) {
        group->unwatched = false;
        helper_pod_look(pod);
    } /* else it is being made, and looked at */
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
    leave_pod(user);
    user->waits = true;
    next_privilege(group, why);
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
    leave_pod(user);
    user->waits = true;
    next_image(group, why);
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
    leave_pod(user);
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
    retire(group);
}
