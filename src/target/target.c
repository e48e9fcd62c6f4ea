/* SPDX-License-Identifier: Apache-2.0 */
#include "target/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "target/nearest.h"
#include "kube/patience.h"
#include "kube/client.h"
#include "kube/node.h"

#define WAIT_POLL_MS 500
#define RETRY_MS     2000 /* when the server has not answered */

static int no_container(const struct kube_pod *pod, const char *name, struct error *err)
{
    CLEANUP(buf_free) struct buf names;

    buf_init(&names, 400);
    for (size_t i = 0; i < pod->container_count; i++)
        if (!buf_printf(&names, "%s%s", i ? ", " : "", pod->containers[i].name))
            break;
    error_set(err, ERROR_TARGET, "no container \"%s\" in pod \"%s\"", name, pod->name);
    return error_remedy(err, "it has: %s", buf_string(&names));
}

static bool has_ended(const struct kube_pod *pod)
{
    return strcmp(pod->phase, "Succeeded") == 0 || strcmp(pod->phase, "Failed") == 0;
}

/* Refuses a pod that nobody could capture. */
static int check_pod(const struct kube_pod *pod, struct error *err)
{
    if (strcmp(pod->os, "windows") == 0)
        return error_set(err, ERROR_TARGET, "pod \"%s\" runs on Windows, which has no AF_PACKET",
                         pod->name);
    if (has_ended(pod)) {
        error_set(err, ERROR_TARGET, "pod \"%s\" has ended (%s)", pod->name, pod->phase);
        return error_remedy(err, "there is nothing left to capture");
    }
    if (!*pod->node) {
        error_set(err, ERROR_TARGET, "pod \"%s\" has not been scheduled to a node yet", pod->name);
        return error_remedy(err, "--wait waits for it; see: kubectl describe pod %s -n %s",
                            pod->name, pod->namespace);
    }
    return 0;
}

const struct kube_container *target_default_container(const struct kube_pod *pod)
{
    const struct kube_container *annotated =
        pod->default_container ? kube_pod_container(pod, pod->default_container) : NULL;

    return annotated ? annotated : pod->container_count > 0 ? &pod->containers[0] : NULL;
}

static const struct kube_container *take_default(const struct kube_pod *pod)
{
    if (pod->default_container && !kube_pod_container(pod, pod->default_container))
        log_warning("pod '%s': its default-container annotation names '%s', which it does not have",
                    pod->name, pod->default_container);
    return target_default_container(pod);
}

int target_of_pod(struct kube_pod *pod, const char *container, struct target *ret_target,
                  struct error *err)
{
    struct target target = {.pod = pod,
                            .namespace = pod->namespace,
                            .name = pod->name,
                            .node_name = pod->node,
                            .host_network = pod->host_network};

    snprintf(target.label, sizeof(target.label), "pod \"%s\"", pod->name);
    target.container = container ? kube_pod_container(pod, container) : take_default(pod);
    if (check_pod(pod, err) == 0 &&
        (target.container || no_container(pod, container ? container : "", err) == 0)) {
        *ret_target = target;
        return 0;
    }
    target_free(&target);
    return -1;
}

void target_name_namespace(struct target *target)
{
    if (target->pod)
        snprintf(target->label, sizeof(target->label), "pod \"%s/%s\"", target->namespace,
                 target->name);
}

int target_resolve(struct kube_client *client, const char *namespace, const char *name,
                   const char *container, struct target *ret_target, struct error *err)
{
    struct kube_pod *pod;

    if (kube_pod_get(client, namespace, name, &pod, err) < 0) {
        if (err->kind == ERROR_NOT_FOUND)
            nearest_pod(client, namespace, name, err);
        return -1;
    }
    return target_of_pod(pod, container, ret_target, err);
}

int target_pass_time(struct loop *loop, uint64_t milliseconds, struct error *err)
{
    uint64_t end = loop_now() + milliseconds;

    for (uint64_t now = loop_now(); now < end; now = loop_now()) {
        if (loop_interrupted(loop))
            return error_set(err, ERROR_INTERRUPTED, "interrupted before the capture had begun");
        loop_step(loop, (int)(end - now));
    }
    return 0;
}

/* What a container waits for, where that is more than its turn; NULL otherwise. */
static const char *why_waiting(const struct kube_pod *pod)
{
    for (size_t i = 0; i < pod->container_count; i++) {
        const char *reason = pod->containers[i].waiting_reason;

        if (reason && strcmp(reason, "ContainerCreating") != 0 &&
            strcmp(reason, "PodInitializing") != 0)
            return *pod->containers[i].waiting_message ? pod->containers[i].waiting_message
                                                       : reason;
    }
    return NULL;
}

const char *target_why_pending(const struct kube_pod *pod)
{
    const char *waiting = why_waiting(pod);
    size_t i;
    json_t *condition;

    if (waiting)
        return waiting;
    json_array_foreach(json_object_get(json_object_get(pod->json, "status"), "conditions"), i,
                       condition)
    {
        const char *status = json_string_value(json_object_get(condition, "status"));
        const char *message = json_string_value(json_object_get(condition, "message"));

        if (status && strcmp(status, "False") == 0 && message)
            return message;
    }
    return *pod->node ? "it is being started" : "it has not been scheduled to a node yet";
}

struct waiting {
    bool told;        /* that there is no such pod */
    bool begun;       /* it has been waited for already */
    bool away;        /* the server has a bad moment */
    uint64_t refused; /* for patience_doubts() */
};

/*
 * What target_wait() looks at, once.
 * @ret_pod: NULL: there is none of that name yet
 *
 * Return: 0; 1 after a bad moment of the server's, which does not end hours of waiting; -1.
 */
static int look_at_pod(struct kube_client *client, const char *namespace, const char *name,
                       struct waiting *wait, struct kube_pod **ret_pod, struct error *err)
{
    *ret_pod = NULL;
    if (kube_pod_get(client, namespace, name, ret_pod, err) == 0 || err->kind == ERROR_NOT_FOUND) {
        *wait = (struct waiting){.told = wait->told, .begun = true};
        return 0;
    }
    bool doubtful = patience_doubts(&wait->refused, err) && wait->away;

    if (!wait->begun || (!error_is_passing(err) && !doubtful) || err->kind == ERROR_INTERRUPTED)
        return -1;
    wait->away = true;
    log_debug("not now: %s", err->text);
    return 1;
}

static int waited_in_vain(const struct kube_pod *pod, const char *namespace, const char *name,
                          struct error *err)
{
    if (!pod) {
        error_set(err, ERROR_TIMEOUT, "pod \"%s\" does not exist in namespace \"%s\" yet", name,
                  namespace);
        return error_remedy(err, "list them with: kubectl get pods -n %s", namespace);
    }
    error_set(err, ERROR_TIMEOUT, "pod \"%s\" is still Pending: %s", name, target_why_pending(pod));
    return error_remedy(err, "see: kubectl describe pod %s -n %s", name, namespace);
}

/* With what may have been meant, for which the server is asked once. */
static void tell_absent(struct kube_client *client, const char *namespace, const char *name,
                        struct waiting *wait)
{
    struct error near = {0};

    if (!wait->told)
        nearest_pod(client, namespace, name, &near);
    wait->told = true;
    log_info("waiting for pod '%s', which does not exist in namespace '%s' yet%s%s%s", name,
             namespace, *near.remedy ? " (" : "", near.remedy, *near.remedy ? ")" : "");
}

int target_wait(struct kube_client *client, const char *namespace, const char *name,
                const char *container, uint64_t milliseconds, struct target *ret_target,
                struct error *err)
{
    uint64_t end = milliseconds ? loop_now() + milliseconds : UINT64_MAX;
    bool said = false, said_absent = false;
    struct waiting wait = {0};

    for (;;) {
        struct kube_pod *pod;
        int result = look_at_pod(client, namespace, name, &wait, &pod, err);
        unsigned pause = result > 0 ? RETRY_MS : WAIT_POLL_MS;

        if (pod && strcmp(pod->phase, "Pending") != 0)
            return target_of_pod(pod, container, ret_target, err);
        if (result == 0 && !pod && !said_absent)
            tell_absent(client, namespace, name, &wait);
        if (pod && !said)
            log_info("waiting for pod '%s': %s", name, target_why_pending(pod));
        if (result == 0) {
            said = pod != NULL;
            said_absent = !said;
        }
        if (result >= 0 && loop_now() >= end)
            result = result > 0 ? -1 : waited_in_vain(pod, namespace, name, err);
        kube_pod_free(pod);
        if (result < 0 || target_pass_time(kube_client_loop(client), pause, err) < 0)
            return -1;
    }
}

/* Takes the node. Return: 0, or -1 with the error and the node freed. */
static int take_node(struct kube_node *node, struct target *ret_target, struct error *err)
{
    if (strcmp(node->os, "windows") == 0 || node->virtual) {
        error_set(err, ERROR_TARGET, "node \"%s\" %s", node->name,
                  node->virtual ? "is a virtual kubelet: it has no network of its own"
                                : "runs Windows, which has no AF_PACKET");
        kube_node_free(node);
        return -1;
    }
    *ret_target = (struct target){.namespace = "",
                                  .name = node->name,
                                  .node_name = node->name,
                                  .node = node,
                                  .host_network = true};
    snprintf(ret_target->label, sizeof(ret_target->label), "node \"%s\"", node->name);
    return 0;
}

int target_of_node(struct kube_client *client, const char *name, struct target *ret_target,
                   struct error *err)
{
    struct kube_node *node;

    return kube_node_get(client, name, &node, err) < 0 ? -1 : take_node(node, ret_target, err);
}

int target_of_node_object(json_t *json, struct target *ret_target, struct error *err)
{
    struct kube_node *node;

    return kube_node_read(json, &node, err) < 0 ? -1 : take_node(node, ret_target, err);
}

void target_free(struct target *target)
{
    kube_pod_free(target->pod);
    kube_node_free(target->node);
    if (target->keeper)
        target_free(&target->keeper->target);
    free(target->keeper);
    *target = (struct target){0};
}

/* ---- after a cut ---- */

struct target_question {
    const struct target *target;
    struct kube_call *call;   /* of a pod */
    struct loop_timer *timer; /* of a node */
    target_answer_fn *done;
    void *data;
};

void target_forget(struct target_question *question)
{
    if (!question)
        return;
    kube_call_cancel(question->call);
    loop_remove_timer(question->timer);
    free(question);
}

static void answer(struct target_question *question, bool running, const struct error *err)
{
    target_answer_fn *done = question->done;
    void *data = question->data;

    question->call = NULL;
    target_forget(question);
    done(data, running, err);
}

static void on_node(void *data)
{
    answer(data, true, NULL);
}

/* Return: 0 when the target's pod is still what it was. */
static int compare(const struct target *target, const struct kube_pod *pod, struct error *err)
{
    if (strcmp(pod->uid, target->pod->uid) != 0)
        return error_set(err, ERROR_TARGET,
                         "pod \"%s\" was deleted; there is another one of that name", target->name);
    if (has_ended(pod))
        return error_set(err, ERROR_TARGET, "pod \"%s\" has ended (%s)", target->name, pod->phase);
    return 0;
}

static void on_pod(void *data, json_t *object, const struct error *err)
{
    struct target_question *question = data;
    const struct target *target = question->target;
    struct kube_pod *pod = NULL;
    struct error failure;
    bool running = false;

    if (err && err->kind == ERROR_NOT_FOUND)
        error_set(&failure, ERROR_TARGET, "%s was deleted", target->label);
    else if (err)
        failure = *err;
    else if (kube_pod_read(object, &pod, &failure) == 0 && compare(target, pod, &failure) == 0) {
        const struct kube_container *container = kube_pod_container(pod, target->container->name);

        running = container && container->running;
        failure.kind = ERROR_NONE;
    }
    kube_pod_free(pod);
    answer(question, running, failure.kind == ERROR_NONE ? NULL : &failure);
}

static int send_question(struct kube_client *client, struct target_question *question,
                         struct error *err)
{
    const struct target *target = question->target;
    cleanup_free char *path =
        target->pod ? text_format("/api/v1/namespaces/%s/pods/%s", target->namespace, target->name)
                    : NULL;
    const struct kube_request request = {.path = path, .timeout = kube_client_doubtful(client)};

    if (path)
        question->call = kube_call_start(client, &request, on_pod, question, err);
    else if (!target->pod)
        question->timer = loop_add_timer(kube_client_loop(client), 0, on_node, question);
    if (question->call || question->timer)
        return 0;
    return path ? -1 : error_set(err, ERROR_INTERNAL, "out of memory");
}

struct target_question *target_ask(struct kube_client *client, const struct target *target,
                                   target_answer_fn *done, void *data, struct error *err)
{
    struct target_question *question = calloc(1, sizeof(*question));

    if (!question) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    *question = (struct target_question){.target = target, .done = done, .data = data};
    if (send_question(client, question, err) == 0)
        return question;
    target_forget(question);
    return NULL;
}
