/* SPDX-License-Identifier: Apache-2.0 */
#include "method/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "method/helper.h"
#include "kube/client.h"

/* Seconds after which nobody is between two steps any more: a ConfigMap and its pod, or the end of
 * the wait for a pod and its removal. */
#define BETWEEN_SECONDS 60

/* What --pod-creation-timeout 0 means to others. */
#define NO_LIMIT_SECONDS 3600

/*
 * In each namespace. ConfigMaps come first: each helper has one, and they are cheap to list. Where
 * there are none, or only new ones, no client was killed so long ago that its helper has ended.
 */
enum step { LIST_CONFIG_MAPS, LIST_PODS, REMOVE, DONE };

struct sweep {
    struct kube_client *client;
    json_t *namespaces; /* null: all */
    size_t place;       /* the one that is being swept */
    bool told;          /* say what is done, look everywhere, and fail where it cannot be */
    enum step step;
    struct kube_call *call;
    json_t *config_maps; /* that are stale unless their pod is kept */
    bool suspicious;     /* a pod may be stale */
    json_t *stale;       /* objects that are to be removed, each with "path" and "uid" */
    json_t *kept; /* names of helper pods that are not: their ConfigMaps may have no owner yet */
    size_t at;    /* the one that is being removed */
    unsigned removed;
    struct error error; /* the first */
};

static const struct {
    const char *resource, *kind;
} resources[] = {
    [LIST_PODS] = {"pods", "helper pod"}, [LIST_CONFIG_MAPS] = {"configmaps", "ConfigMap"}};

static const char *string_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* ---- what is stale ---- */

/* Seconds since the object was made, by the server's clock. */
static int64_t age(const struct sweep *sweep, const json_t *metadata)
{
    int64_t made;

    if (text_parse_time(string_at(metadata, "creationTimestamp"), &made) < 0)
        return 0;
    return kube_client_time(sweep->client) - made;
}

/* Our container; another, which somebody's webhook has put beside it, may run on. */
static bool has_ended(const json_t *pod)
{
    size_t i;
    json_t *container;

    json_array_foreach(json_object_get(json_object_get(pod, "status"), "containerStatuses"), i,
                       container)
    {
        if (strcmp(string_at(container, "name"), HELPER_CONTAINER) == 0)
            return json_object_get(json_object_get(container, "state"), "terminated") != NULL;
    }
    return false;
}

/* Return: the recording that a pod is of; NULL: none. */
static const char *recording_of(const json_t *pod)
{
    return json_string_value(json_object_get(
        json_object_get(json_object_get(pod, "metadata"), "labels"), HELPER_RECORDING_LABEL));
}

static bool is_stale_pod(const struct sweep *sweep, const json_t *pod)
{
    const json_t *metadata = json_object_get(pod, "metadata");
    const char *phase = string_at(json_object_get(pod, "status"), "phase");
    int64_t timeout = strtoll(
        string_at(json_object_get(metadata, "annotations"), HELPER_TIMEOUT_ANNOTATION), NULL, 10);

    if (json_object_get(metadata, "deletionTimestamp"))
        return false;
    if (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0)
        return true;
    if (has_ended(pod) && !recording_of(pod)) /* a recorder is started again */
        return true;
    return strcmp(phase, "Pending") == 0 &&
           age(sweep, metadata) > (timeout > 0 ? timeout : NO_LIMIT_SECONDS) + BETWEEN_SECONDS;
}

/* So new that its client may be between two steps, or its helper waits for it still? */
static bool is_new(const struct sweep *sweep, const json_t *object)
{
    return age(sweep, json_object_get(object, "metadata")) <= BETWEEN_SECONDS;
}

static bool has_owner(const json_t *object)
{
    return json_array_size(
               json_object_get(json_object_get(object, "metadata"), "ownerReferences")) > 0;
}

/* ---- one step after the other ---- */

static void next_step(struct sweep *sweep);

static void fail(struct sweep *sweep, const struct error *err)
{
    if (sweep->error.kind == ERROR_NONE)
        sweep->error = *err;
    if (!sweep->told)
        log_debug("clean-up: %s", err->text);
}

static void keep_in_mind(struct sweep *sweep, const json_t *object, enum step step)
{
    const json_t *metadata = json_object_get(object, "metadata");
    const char *namespace = string_at(metadata, "namespace"), *name = string_at(metadata, "name");
    cleanup_free char *space = kube_escape(namespace), *last = kube_escape(name);
    cleanup_free char *path = space && last ? text_format("/api/v1/namespaces/%s/%s/%s", space,
                                                          resources[step].resource, last)
                                            : NULL;

    if (path)
        json_array_append_new(sweep->stale,
                              json_pack("{s:s, s:s, s:s, s:s, s:s}", "path", path, "uid",
                                        string_at(metadata, "uid"), "kind", resources[step].kind,
                                        "name", name, "namespace", namespace));
}

static void tell_why_left(const json_t *pod)
{
    const json_t *metadata = json_object_get(pod, "metadata");
    const char *name = string_at(metadata, "name"), *namespace = string_at(metadata, "namespace");
    const char *recording = recording_of(pod);
    bool pending = strcmp(string_at(json_object_get(pod, "status"), "phase"), "Pending") == 0;

    if (recording)
        log_info("helper pod '%s' in namespace '%s' is left alone: it records '%s', which 'kubectl "
                 "sniff --end' ends",
                 name, namespace, recording);
    else
        log_info("helper pod '%s' in namespace '%s' is left alone: it %s", name, namespace,
                 pending ? "is still being started"
                         : "serves somebody, or has done so a minute ago");
}

/* A helper pod that is in use, or may be. */
static void leave_alone(const struct sweep *sweep, const json_t *pod)
{
    const json_t *metadata = json_object_get(pod, "metadata");

    if (json_object_get(metadata, "deletionTimestamp"))
        return;
    /* The same 40 random bits are in no other namespace. */
    json_object_set_new(sweep->kept, string_at(metadata, "name"), json_true());
    if (sweep->told)
        tell_why_left(pod);
}

static void take_config_maps(struct sweep *sweep, const json_t *items)
{
    size_t i;
    json_t *object;

    json_array_foreach(items, i, object)
    {
        if (is_new(sweep, object))
            continue;
        sweep->suspicious = true;
        if (!has_owner(object))
            json_array_append(sweep->config_maps, object);
    }
}

static void take_pods(struct sweep *sweep, const json_t *items)
{
    size_t i;
    json_t *object;

    json_array_foreach(items, i, object)
    {
        if (is_stale_pod(sweep, object))
            keep_in_mind(sweep, object, LIST_PODS);
        else
            leave_alone(sweep, object);
    }
}

/* Both lists are there. */
static void judge_config_maps(struct sweep *sweep)
{
    size_t i;
    json_t *object;

    json_array_foreach(sweep->config_maps, i, object)
    {
        const json_t *metadata = json_object_get(object, "metadata");

        if (!json_object_get(sweep->kept, string_at(metadata, "name")))
            keep_in_mind(sweep, object, LIST_CONFIG_MAPS);
    }
}

static void on_list(void *data, json_t *answer, const struct error *err)
{
    struct sweep *sweep = data;
    const json_t *items = json_object_get(answer, "items");

    sweep->call = NULL;
    if (err)
        fail(sweep, err);
    if (sweep->step == LIST_CONFIG_MAPS) {
        sweep->suspicious = sweep->told || err;
        take_config_maps(sweep, items);
        sweep->step = sweep->suspicious ? LIST_PODS : REMOVE;
    } else {
        take_pods(sweep, items);
        if (!err) /* else nobody knows whose they are */
            judge_config_maps(sweep);
        json_array_clear(sweep->config_maps);
        sweep->step = REMOVE;
    }
    next_step(sweep);
}

static void on_removed(void *data, json_t *answer, const struct error *err)
{
    struct sweep *sweep = data;
    const json_t *object = json_array_get(sweep->stale, sweep->at++);

    (void)answer;
    sweep->call = NULL;
    /* 404, 409: somebody else was there first. */
    if (err && err->kind != ERROR_NOT_FOUND && err->kind != ERROR_CONFLICT) {
        fail(sweep, err);
    } else if (!err) {
        sweep->removed++;
        if (sweep->told)
            log_info("removed %s '%s' in namespace '%s'", string_at(object, "kind"),
                     string_at(object, "name"), string_at(object, "namespace"));
        else
            log_debug("removed %s '%s', which another client has left", string_at(object, "kind"),
                      string_at(object, "name"));
    }
    next_step(sweep);
}

static void list(struct sweep *sweep, struct error *err)
{
    const char *resource = resources[sweep->step].resource;
    const char *namespace = json_string_value(json_array_get(sweep->namespaces, sweep->place));
    cleanup_free char *path =
        namespace ? text_format("/api/v1/namespaces/%s/%s?labelSelector=%s", namespace, resource,
                                HELPER_SELECTOR)
                  : text_format("/api/v1/%s?labelSelector=%s", resource, HELPER_SELECTOR);

    /* Of a pod the status is wanted too. */
    const struct kube_request request = {
        .path = path,
        .answer = sweep->step == LIST_CONFIG_MAPS ? KUBE_ANSWER_METADATA_LIST : KUBE_ANSWER_WHOLE};

    if (path)
        sweep->call = kube_call_start(sweep->client, &request, on_list, sweep, err);
}

static void remove_next(struct sweep *sweep, struct error *err)
{
    const json_t *object = json_array_get(sweep->stale, sweep->at);
    json_t *options;

    /* Only the one that was looked at, not another of its name. */
    options = json_pack("{s:s, s:s, s:{s:s}}", "kind", "DeleteOptions", "apiVersion", "v1",
                        "preconditions", "uid", string_at(object, "uid"));
    const struct kube_request request = {.method = "DELETE",
                                         .path = string_at(object, "path"),
                                         .body = options,
                                         .answer = KUBE_ANSWER_METADATA};
    sweep->call = kube_call_start(sweep->client, &request, on_removed, sweep, err);
    json_decref(options);
}

/* Nothing is left to be removed where it is: on to the next namespace. */
static void go_on(struct sweep *sweep)
{
    sweep->place++;
    sweep->step = sweep->place < json_array_size(sweep->namespaces) ? LIST_CONFIG_MAPS : DONE;
}

static void next_step(struct sweep *sweep)
{
    struct error err = {0};

    if (sweep->step == REMOVE && sweep->at >= json_array_size(sweep->stale))
        go_on(sweep);
    if (sweep->step == REMOVE)
        remove_next(sweep, &err);
    else if (sweep->step != DONE)
        list(sweep, &err);
    if (!sweep->call && sweep->step != DONE) {
        fail(sweep, &err);
        sweep->step = DONE;
    }
}

/* @namespaces: taken over */
static struct sweep *sweep_new(struct kube_client *client, json_t *namespaces, bool told)
{
    struct sweep *sweep = calloc(1, sizeof(*sweep));

    if (!sweep || json_array_size(namespaces) == 0) {
        json_decref(namespaces);
        free(sweep);
        return NULL;
    }
    *sweep = (struct sweep){.client = client,
                            .namespaces = namespaces,
                            .told = told,
                            .config_maps = json_array(),
                            .stale = json_array(),
                            .kept = json_object()};
    next_step(sweep);
    return sweep;
}

static bool is_among(const json_t *namespaces, const char *namespace)
{
    size_t i;
    json_t *known;

    json_array_foreach(namespaces, i, known)
    {
        if (strcmp(json_string_value(known), namespace) == 0)
            return true;
    }
    return false;
}

struct sweep *sweep_start(struct kube_client *client, const char *const *namespaces, size_t count)
{
    json_t *all = json_array();

    for (size_t i = 0; i < count; i++)
        if (!is_among(all, namespaces[i]))
            json_array_append_new(all, json_string(namespaces[i]));
    return sweep_new(client, all, false);
}

void sweep_end(struct sweep *sweep)
{
    if (!sweep)
        return;
    kube_call_cancel(sweep->call);
    json_decref(sweep->namespaces);
    json_decref(sweep->config_maps);
    json_decref(sweep->stale);
    json_decref(sweep->kept);
    free(sweep);
}

int sweep_run(struct kube_client *client, const char *namespace, struct error *err)
{
    struct sweep *sweep =
        sweep_new(client, json_pack("[o]", namespace ? json_string(namespace) : json_null()), true);
    int result = 0;

    if (!sweep)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    while (sweep->step != DONE && result == 0) {
        if (loop_interrupted(kube_client_loop(client)))
            result = error_set(err, ERROR_INTERRUPTED, "interrupted");
        else
            loop_step(kube_client_loop(client), -1);
    }
    if (result == 0 && sweep->error.kind != ERROR_NONE) {
        *err = sweep->error;
        result = -1;
    } else if (result == 0 && sweep->removed == 0) {
        log_info("there is nothing to remove in %s%s%s",
                 namespace ? "namespace '" : "any namespace", namespace ? namespace : "",
                 namespace ? "'" : "");
    }
    sweep_end(sweep);
    return result;
}
