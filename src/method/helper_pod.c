/* SPDX-License-Identifier: Apache-2.0 */
#include "method/helper_pod.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/system.h"
#include "base/text.h"
#include "method/helper.h"
#include "common/agent.h"
#include "kube/client.h"
#include "kube/pod.h"

#define POLL_FIRST_MS   200 /* no pod is there sooner */
#define POLL_MOST_MS    500
#define REMOVE_MS       5000 /* for each stage of a removal */
#define REMOVE_FIRST_MS 300  /* until the first repetition */
#define AGE_SPARE_MIN   2    /* seconds before a helper's end that another takes its place: */
#define AGE_SPARE_MAX   60   /* an eighth of its life, within these */
#define MERGE_PATCH     "application/merge-patch+json"

static void go_on_removing(struct helper_pod *pod);
static void on_poll(void *data);
static void on_age(void *data);

static void helper_pod_free(struct helper_pod *pod)
{
    kube_call_cancel(pod->call);
    kube_call_cancel(pod->owner);
    loop_remove_timer(pod->poll);
    loop_remove_timer(pod->age);
    json_decref(pod->pod);
    free(pod->namespace);
    free(pod);
}

struct helper_pod *helper_pod_new(struct kube_client *client, const char *namespace,
                                  const struct helper_pod_events *events, void *data,
                                  struct error *err)
{
    struct helper_pod *pod = calloc(1, sizeof(*pod));
    struct loop *loop = kube_client_loop(client);
    unsigned char random[5];

    if (!pod || system_random(random, sizeof(random)) < 0) {
        free(pod);
        error_set(err, ERROR_INTERNAL, "there is no memory, or no randomness");
        return NULL;
    }
    *pod = (struct helper_pod){
        .client = client, .events = events, .data = data, .poll_ms = POLL_FIRST_MS};
    snprintf(pod->name, sizeof(pod->name), "ksniff-%02x%02x%02x%02x%02x", random[0], random[1],
             random[2], random[3], random[4]);
    pod->namespace = strdup(namespace);
    pod->poll = loop_add_timer(loop, 0, on_poll, pod);
    pod->age = loop_add_timer(loop, 0, on_age, pod);
    if (!pod->namespace || !pod->poll || !pod->age)
        error_set(err, ERROR_INTERNAL, "out of memory");
    else if (secret_make(&pod->secret, err) == 0) {
        loop_stop_timer(pod->poll);
        loop_stop_timer(pod->age);
        return pod;
    }
    helper_pod_free(pod);
    return NULL;
}

static char *path_of(const struct helper_pod *pod, const char *resource)
{
    return text_format("/api/v1/namespaces/%s/%s/%s", pod->namespace, resource, pod->name);
}

/* ---- making it ---- */

/*
 * Is there anything, after the request to make it ended so? Where nobody refused it there may be:
 * an answer that was lost, a proxy's, or, as curl repeats what a dying connection took, a conflict
 * with ourselves.
 */
static bool may_be_made(const struct error *err)
{
    return !err || error_is_passing(err) || err->kind == ERROR_CONFLICT;
}

/* Posts one of the two objects. */
static int post(struct helper_pod *pod, const char *resource, const json_t *object,
                kube_call_fn *done, struct error *err)
{
    cleanup_free char *path = text_format("/api/v1/namespaces/%s/%s", pod->namespace, resource);
    const struct kube_request request = {.method = "POST",
                                         .path = path,
                                         .body = object,
                                         .answer = KUBE_ANSWER_METADATA,
                                         .timeout = pod->timeout};

    if (!path || !object)
        return error_set(err, ERROR_INTERNAL, "the helper pod cannot be described");
    pod->making = true;
    pod->call = kube_call_start(pod->client, &request, done, pod, err);
    pod->making = pod->call != NULL;
    return pod->call ? 0 : -1;
}

static void on_owned(void *data, json_t *answer, const struct error *err)
{
    struct helper_pod *pod = data;

    (void)answer;
    pod->owner = NULL;
    pod->owned = !err;
    if (err)
        log_debug("the ConfigMap could not be given to the pod: %s", err->text);
    if (pod->removed)
        go_on_removing(pod);
}

/* @made: the pod, as the server has it */
static void give_config_map(struct helper_pod *pod, const json_t *made)
{
    cleanup_free char *path = path_of(pod, "configmaps");
    json_t *patch = helper_owner(made);
    const struct kube_request request = {.method = "PATCH",
                                         .path = path,
                                         .content_type = MERGE_PATCH,
                                         .body = patch,
                                         .answer = KUBE_ANSWER_METADATA,
                                         .timeout = pod->timeout};

    if (path && patch)
        pod->owner = kube_call_start(pod->client, &request, on_owned, pod, NULL);
    json_decref(patch);
}

static void on_pod_made(void *data, json_t *answer, const struct error *err)
{
    struct helper_pod *pod = data;

    pod->call = NULL;
    pod->making = false;
    pod->pod_made = may_be_made(err);
    if (!err)
        give_config_map(pod, answer);
    if (pod->removed) {
        go_on_removing(pod);
    } else if (err) {
        pod->events->refused(pod->data, pod, err);
    } else {
        helper_pod_look_later(pod);
    }
}

static void on_config_map_made(void *data, json_t *answer, const struct error *err)
{
    struct helper_pod *pod = data;
    struct error failure;

    (void)answer;
    pod->call = NULL;
    pod->making = false;
    pod->config_map_made = may_be_made(err);
    if (pod->removed)
        go_on_removing(pod);
    else if (err)
        pod->events->refused(pod->data, pod, err);
    else if (post(pod, "pods", pod->pod, on_pod_made, &failure) < 0)
        pod->events->refused(pod->data, pod, &failure);
}

int helper_pod_make(struct helper_pod *pod, struct helper *helper, const struct agent_binary *agent,
                    struct error *err)
{
    helper->name = pod->name;
    helper->namespace = pod->namespace;
    helper->secret_hash = pod->secret.hash;
    pod->pod = helper_pod(helper);
    log_debug("helper pod '%s' in namespace '%s', image '%s'", pod->name, pod->namespace,
              helper->image);
    json_t *config_map = helper_config_map(helper, agent);
    int result = post(pod, "configmaps", config_map, on_config_map_made, err);
    json_decref(config_map);
    return result;
}

/* ---- looking at it ---- */

void helper_pod_look_later(struct helper_pod *pod)
{
    loop_set_timer(pod->poll, pod->poll_ms);
    pod->poll_ms = pod->poll_ms * 3 / 2 < POLL_MOST_MS ? pod->poll_ms * 3 / 2 : POLL_MOST_MS;
}

static void on_pod(void *data, json_t *answer, const struct error *err)
{
    struct helper_pod *pod = data;
    struct kube_pod *seen;
    struct error failure;

    pod->call = NULL;
    loop_stop_timer(pod->poll); /* of PATIENCE_MS */
    if (err && err->kind == ERROR_NOT_FOUND) {
        pod->pod_made = false;
        pod->events->seen(pod->data, pod, NULL);
    } else if (err && patience_has(&pod->patience, err)) {
        helper_pod_look_later(pod);
    } else if (err) {
        pod->events->unseen(pod->data, pod, err);
    } else if (kube_pod_read(answer, &seen, &failure) < 0) {
        pod->events->unseen(pod->data, pod, &failure);
    } else {
        patience_ended(&pod->patience);
        pod->seen = loop_now();
        pod->events->seen(pod->data, pod, seen);
        kube_pod_free(seen);
    }
}

static void ask(struct helper_pod *pod)
{
    cleanup_free char *path = path_of(pod, "pods");
    const struct kube_request request = {.path = path, .timeout = pod->timeout};
    struct error err = {0};

    pod->call = path ? kube_call_start(pod->client, &request, on_pod, pod, &err) : NULL;
    if (!path)
        error_set(&err, ERROR_INTERNAL, "out of memory");
    if (pod->call)
        loop_set_timer(pod->poll, PATIENCE_MS);
    else
        pod->events->unseen(pod->data, pod, &err);
}

void helper_pod_look(struct helper_pod *pod)
{
    pod->poll_ms = POLL_FIRST_MS;
    if (!pod->call)
        ask(pod);
}

static void on_poll(void *data)
{
    struct helper_pod *pod = data;

    if (pod->removed)
        go_on_removing(pod);
    else if (pod->call)
        patience_failed(&pod->patience, NULL);
    else
        ask(pod);
}

/* ---- its age ---- */

static void on_age(void *data)
{
    struct helper_pod *pod = data;

    pod->events->aged(pod->data, pod);
}

void helper_pod_watch_age(struct helper_pod *pod, const struct kube_pod *seen)
{
    int64_t left = helper_seconds_left(seen, kube_client_time(pod->client));
    int64_t spare = left / 8;

    if (left == INT64_MAX)
        return;
    spare = spare < AGE_SPARE_MIN ? AGE_SPARE_MIN : spare > AGE_SPARE_MAX ? AGE_SPARE_MAX : spare;
    loop_set_timer(pod->age, left > spare ? (uint64_t)(left - spare) * 1000 : 1000);
}

/* ---- its removal ---- */

static void end_removal(struct helper_pod *pod)
{
    void (*removed)(void *data) = pod->removed;
    void *data = pod->removed_data;

    helper_pod_free(pod);
    removed(data);
}

/* The one of the two objects that is to be deleted now; NULL: none is left. */
static const char *next_object(const struct helper_pod *pod)
{
    return pod->pod_made ? "pods" : pod->config_map_made && !pod->owned ? "configmaps" : NULL;
}

static void tell_of_failure(const struct helper_pod *pod, const struct error *err)
{
    if (pod->pod_made)
        log_warning("helper pod '%s' in namespace '%s' could not be removed: %s; it ends by itself "
                    "within %d s, and 'kubectl sniff --cleanup' removes it",
                    pod->name, pod->namespace, err->text, AGENT_HOLD_SECONDS);
    else
        log_warning("ConfigMap '%s' in namespace '%s' could not be removed: %s; 'kubectl sniff "
                    "--cleanup' does it",
                    pod->name, pod->namespace, err->text);
}

/* Again where the server has a bad moment: nobody else does it soon. Return: whether it is. */
static bool remove_again(struct helper_pod *pod, const struct error *err)
{
    bool doubtful = patience_doubts(&pod->refused, err) && pod->away;

    if ((!error_is_passing(err) && !doubtful) || loop_now() + pod->wait_ms >= pod->end)
        return false;
    pod->away = true;
    loop_set_timer(pod->poll, pod->wait_ms);
    pod->wait_ms *= 2;
    return true;
}

static void on_deleted(void *data, json_t *answer, const struct error *err)
{
    struct helper_pod *pod = data;

    (void)answer;
    pod->call = NULL;
    loop_stop_timer(pod->poll);
    if (err && err->kind != ERROR_NOT_FOUND) {
        if (remove_again(pod, err))
            return;
        tell_of_failure(pod, err);
        end_removal(pod);
        return;
    }
    if (pod->pod_made)
        pod->pod_made = false;
    else
        pod->config_map_made = false;
    pod->end = loop_now() + REMOVE_MS;
    go_on_removing(pod);
}

static void delete_next(struct helper_pod *pod)
{
    uint64_t now = loop_now();
    cleanup_free char *path = path_of(pod, next_object(pod));
    const struct kube_request request = {.method = "DELETE",
                                         .path = path,
                                         .answer = KUBE_ANSWER_METADATA,
                                         .timeout = pod->end > now ? pod->end - now : 1};
    struct error err;

    error_set(&err, ERROR_INTERNAL, "out of memory");
    pod->call = path ? kube_call_start(pod->client, &request, on_deleted, pod, &err) : NULL;
    if (!pod->call)
        on_deleted(pod, NULL, &err);
}

/* What is still under way has had its time, and may yet be made. */
static void stop_waiting(struct helper_pod *pod)
{
    if (pod->call && pod->config_map_made)
        pod->pod_made = true;
    else if (pod->call)
        pod->config_map_made = true;
    kube_call_cancel(pod->call);
    kube_call_cancel(pod->owner);
    pod->call = pod->owner = NULL;
    pod->making = false;
}

/* First of all a request that makes something comes to its end: only then is it known what there
 * is. */
static void go_on_removing(struct helper_pod *pod)
{
    bool waits = pod->making || pod->owner;

    if (waits && loop_now() < pod->end)
        return;
    if (waits || pod->wait_ms == 0) {
        stop_waiting(pod);
        pod->end = loop_now() + REMOVE_MS;
        pod->wait_ms = REMOVE_FIRST_MS;
    }
    if (pod->call)
        return;
    if (next_object(pod))
        delete_next(pod);
    else
        end_removal(pod);
}

void helper_pod_remove(struct helper_pod *pod, void (*removed)(void *data), void *data)
{
    if (!pod->making) {
        kube_call_cancel(pod->call);
        pod->call = NULL;
    }
    loop_stop_timer(pod->age);
    pod->removed = removed;
    pod->removed_data = data;
    pod->end = loop_now() + REMOVE_MS;
    loop_set_timer(pod->poll, REMOVE_MS + 1);
    go_on_removing(pod);
}

void helper_pod_part(struct helper_pod *pod)
{
    helper_pod_free(pod);
}
