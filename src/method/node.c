/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node method: the agent runs in a helper pod on the target's node (helper_pods.h), by an exec;
 * there it finds the target among the node's processes and enters its network namespace. Here is
 * one session as a user of a helper, which it may share with others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "method/agent_exec.h"
#include "method/command.h"
#include "method/helper.h"
#include "method/helper_pod.h"
#include "method/helper_pods.h"
#include "method/method.h"
#include "method/session.h"
#include "settings/settings.h"
#include "target/target.h"
#include "common/agent.h"
#include "kube/client.h"
#include "kube/pod.h"

#define RING_SHARE     4    /* the agent takes a quarter of what it is told to have */
#define TARGET_POLL_MS 5000 /* is the target still there? */
#define POLL_EACH_MS   500  /* between two such questions, whichever target's they are */
#define WATCH_TICKS    4    /* that an answer to that may take */
#define NO_PROCESS_MS  1000
#define UNREACHED_MS   1000 /* until an exec that reached nobody is tried again */

struct node_method {
    struct helper_user user;
    char name[HELPER_NAME_SIZE]; /* of the helper that the agent runs in */
    struct secret secret;        /* that it wants to hear there */
    uint64_t end;                /* loop_now() until which it may start; 0: no limit */
    char farewell[120];
    struct loop_timer *retry; /* of the helper, or of the agent in it */
    struct loop_timer *watch; /* of the target */
    struct kube_call *watch_call;
    unsigned watch_ticks; /* that its answer has not come for */
};

static void set_stage(struct session *session)
{
    const struct node_method *node = session->method_data;
    uint64_t now = loop_now();

    session_stage(session, node->end ? "the start of the helper pod" : NULL,
                  node->end > now ? node->end - now : 1);
    session->stage_flag = "--pod-creation-timeout";
}

/* ---- the target, while the capture runs ---- */

static void watch_on(struct session *session)
{
    struct node_method *node = session->method_data;
    uint64_t round = POLL_EACH_MS * helper_pods_users(session->helpers);

    loop_set_timer(node->watch, round > TARGET_POLL_MS ? round : TARGET_POLL_MS);
}

static void on_target(void *data, json_t *answer, const struct error *err)
{
    struct session *session = data;
    struct node_method *node = session->method_data;
    const char *uid =
        json_string_value(json_object_get(json_object_get(answer, "metadata"), "uid"));
    const char *phase =
        json_string_value(json_object_get(json_object_get(answer, "status"), "phase"));
    struct error gone;

    node->watch_call = NULL;
    watch_on(session);
    if (session->state != SESSION_RUNNING)
        return;
    if (err ? err->kind != ERROR_NOT_FOUND
            : uid && strcmp(uid, session->target->pod->uid) == 0 && phase &&
                  strcmp(phase, "Succeeded") != 0 && strcmp(phase, "Failed") != 0)
        return;
    error_set(&gone, ERROR_TARGET, "%s is gone: it %s", session->target->label,
              err ? "was deleted" : "has ended, or another one has taken its name");
    session_leave(session, &gone);
}

static void on_watch(void *data)
{
    struct session *session = data;
    struct node_method *node = session->method_data;
    cleanup_free char *path = text_format("/api/v1/namespaces/%s/pods/%s",
                                          session->target->namespace, session->target->name);
    const struct kube_request request = {.path = path, .timeout = session_request_timeout(session)};

    /* On a connection that has died silently no answer comes. */
    if (node->watch_call && ++node->watch_ticks >= WATCH_TICKS) {
        kube_call_cancel(node->watch_call);
        node->watch_call = NULL;
    }
    if (path && !node->watch_call && session->state == SESSION_RUNNING &&
        !session->target->watched) {
        node->watch_ticks = 0;
        node->watch_call = kube_call_start(session->client, &request, on_target, session, NULL);
    }
    watch_on(session);
}

/* ---- running the agent ---- */

static int run_agent(struct session *session, struct error *err)
{
    struct node_method *node = session->method_data;
    const struct target *target = session->target;
    const struct session_place place = {helper_namespace_of(session->settings, target), node->name,
                                        HELPER_CONTAINER};
    const char *more[COMMAND_TARGET_MAX + 2];
    size_t used = 0;

    /* They may be wanted when the helper is gone. */
    memcpy(node->name, node->user.pod->name, sizeof(node->name));
    node->secret = node->user.pod->secret;
    session_set_place(session, &place);
    session->first_line = node->secret.line;
    session->shares = session->relays && helper_user_shares(&node->user);
    if (!node->user.despite_shell)
        more[used++] = "-N";
    if (!target->host_network)
        used += command_target(target, session->settings->follows_keylog, more + used);
    if (target->pod)
        watch_on(session);
    more[used] = NULL;
    return agent_exec_start(session, HELPER_AGENT, more, RING_SHARE * node->user.ring, err);
}

/* ---- its helper ---- */

static void on_ready(void *data)
{
    struct session *session = data;
    struct error err;

    if (session->state == SESSION_STARTING && run_agent(session, &err) < 0)
        session_end(session, &err);
}

static void on_waits(void *data, const char *why)
{
    struct session *session = data;

    text_escape(session->last_complaint, sizeof(session->last_complaint), why, strlen(why));
}

static void on_failed(void *data, enum helper_failure how, const struct error *err)
{
    struct session *session = data;

    if (session->state != SESSION_STARTING)
        return;
    if (how == HELPER_REFUSED) {
        session_refused(session, err);
        return;
    }
    session->cut |= how == HELPER_LOST;
    /* Another method needs other rights, and passes other admission. */
    session->elsewhere = err->kind != ERROR_NETWORK && err->kind != ERROR_INTERNAL;
    session_end(session, err);
}

/* The agent ends in order before its helper does, which is a cut: another is there soon. */
static void on_ends(void *data, const char *why)
{
    struct session *session = data;
    struct node_method *node = session->method_data;

    if (session->state != SESSION_RUNNING)
        return;
    snprintf(node->farewell, sizeof(node->farewell), "%s", why);
    session->farewell = node->farewell;
    agent_exec_stop(session);
}

static const struct helper_user_events user_events = {
    .ready = on_ready, .waits = on_waits, .failed = on_failed, .ends = on_ends};

static void on_retry(void *data)
{
    struct session *session = data;
    struct node_method *node = session->method_data;

    if (session->state == SESSION_STARTING)
        helper_user_wait(&node->user, session->resumed);
}

/* ---- starting ---- */

/* What is no container to the node has a network of its own behind the one that is seen. Names are
 * free: one for GPUs is harmless, so it is no warning. */
static void tell_of_runtime(const struct target *target)
{
    const char *class =
        target->pod ? json_string_value(json_object_get(json_object_get(target->pod->json, "spec"),
                                                        "runtimeClassName"))
                    : NULL;

    if (class)
        log_info("%s has the RuntimeClass '%s': if that is gVisor or Kata, what it sends to itself "
                 "is not seen from the node (--method upload captures inside)",
                 target->label, class);
}

/* After a cut: the helper may still be there, or not. */
static int start_again(struct session *session)
{
    struct node_method *node = session->method_data;

    loop_stop_timer(node->retry);
    loop_stop_timer(node->watch);
    kube_call_cancel(node->watch_call);
    node->watch_call = NULL;
    session->farewell = NULL;
    set_stage(session);
    helper_user_wait(&node->user, true);
    return 0;
}

static int start(struct session *session, struct error *err)
{
    struct node_method *node = session->method_data;
    uint64_t limit = session->settings->creation_timeout;

    if (node) {
        node->end = limit ? loop_now() + limit : 0;
        return start_again(session);
    }
    node = calloc(1, sizeof(*node));
    if (!node)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    session->method_data = node;
    node->user = (struct helper_user){
        .events = &user_events, .data = session, .aside = session->settings->follows_keylog};
    node->end = limit ? loop_now() + limit : 0;
    node->retry = loop_add_timer(session->loop, 0, on_retry, session);
    node->watch = loop_add_timer(session->loop, 0, on_watch, session);
    if (!node->retry || !node->watch)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    loop_stop_timer(node->retry);
    loop_stop_timer(node->watch);
    if (!session->settings->follows_keylog)
        tell_of_runtime(session->target);
    set_stage(session);
    return helper_pods_join(session->helpers, &node->user, session->target, err);
}

static void release(struct session *session)
{
    struct node_method *node = session->method_data;

    if (!node)
        return;
    kube_call_cancel(node->watch_call);
    loop_remove_timer(node->retry);
    loop_remove_timer(node->watch);
    helper_user_leave(&node->user);
    session->first_line = session->farewell = NULL;
    free(node);
    session->method_data = NULL;
}

/* ---- the agent's end before it began ---- */

/*
 * A pod without a running container may have no process at all just now (CRI-O has none that holds
 * the pod's namespaces): between two crashes it is waited for.
 */
static bool comes_back(const struct session *session, const struct node_method *node)
{
    return session->target->pod && !session->target->container->running && node->end &&
           loop_now() + NO_PROCESS_MS < node->end;
}

static bool again(struct session *session, const struct kube_exit *exit)
{
    struct node_method *node = session->method_data;
    char why[sizeof(session->last_complaint)];

    if (exit->kind != KUBE_EXIT_CODE)
        return false;
    if (exit->code == AGENT_EXIT_NO_NAMESPACE && comes_back(session, node)) {
        session_retire_stream(session);
        set_stage(session);
        loop_set_timer(node->retry, NO_PROCESS_MS);
        return true;
    }
    bool shell = exit->code == AGENT_EXIT_SHELL && !node->user.despite_shell;
    bool more = exit->code == AGENT_EXIT_NO_ENTRY || exit->code == AGENT_EXIT_NO_PERMISSION;

    if (!shell && !(more && helper_user_may_have_more(&node->user)))
        return false;
    snprintf(why, sizeof(why), "%s", session->last_complaint);
    session->last_complaint[0] = '\0';
    session_retire_stream(session);
    set_stage(session);
    if (shell)
        helper_user_saw_shell(&node->user, why);
    else
        helper_user_needs_more(&node->user, why);
    return true;
}

/* The helper runs, but no exec gets there. */
static bool unreached(struct session *session)
{
    struct node_method *node = session->method_data;

    if (node->end && loop_now() + UNREACHED_MS >= node->end)
        return false;
    session_retire_stream(session);
    set_stage(session);
    loop_set_timer(node->retry, UNREACHED_MS);
    return true;
}

static bool explain(struct session *session, const struct kube_exit *exit, struct error *err)
{
    (void)session;
    (void)exit;
    (void)err;
    return false;
}

const struct method method_node = {
    .name = "node",
    .outside = true,
    .start = start,
    .stop = agent_exec_stop,
    .heartbeat = agent_exec_heartbeat,
    .again = again,
    .unreached = unreached,
    .explain = explain,
    .release = release,
};
