/* SPDX-License-Identifier: Apache-2.0 */
#include "recording/recordings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "kube/client.h"
#include "kube/name.h"
#include "kube/pod.h"
#include "method/helper.h"
#include "recording/annotation.h"
#include "target/target.h"

#define NAMES_LENGTH 300 /* bytes of names in a message */

static const char *string_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* ---- one pod ---- */

static void pod_free(struct recording_pod *pod)
{
    json_decref(pod->json);
    json_decref(pod->described);
    free(pod->targets);
}

void recordings_free(struct recordings *recordings)
{
    for (size_t i = 0; i < recordings->count; i++)
        pod_free(&recordings->pods[i]);
    free(recordings->pods);
    *recordings = (struct recordings){0};
}

/* More than one recorder can have are not believed. */
static int read_targets(struct recording_pod *pod)
{
    const json_t *list = json_object_get(pod->described, "targets");
    size_t count = json_array_size(list), i;
    json_t *entry;

    count = count < RECORDING_TARGETS_MAX ? count : RECORDING_TARGETS_MAX;
    pod->targets = calloc(count + 1, sizeof(*pod->targets));
    if (!pod->targets)
        return -1;
    json_array_foreach(list, i, entry)
    {
        if (i < count)
            pod->targets[pod->target_count++] =
                (struct recorded_target){.namespace = string_at(entry, "namespace"),
                                         .name = string_at(entry, "name"),
                                         .uid = string_at(entry, "uid"),
                                         .container = string_at(entry, "container"),
                                         .json = entry};
    }
    return 0;
}

/* What its recorder does, or why it does nothing. */
static void read_life(struct recording_pod *pod, const struct kube_pod *seen)
{
    const struct kube_container *container = kube_pod_container(seen, HELPER_CONTAINER);
    const json_t *status = json_object_get(pod->json, "status");
    const char *reason = string_at(status, "reason"), *message = string_at(status, "message");

    pod->deleted =
        json_object_get(json_object_get(pod->json, "metadata"), "deletionTimestamp") != NULL;
    pod->ended =
        pod->deleted || strcmp(seen->phase, "Failed") == 0 || strcmp(seen->phase, "Succeeded") == 0;
    pod->runs = !pod->ended && container && container->running;
    if (pod->deleted)
        snprintf(pod->why, sizeof(pod->why), "it is being deleted");
    else if (pod->ended && *reason)
        snprintf(pod->why, sizeof(pod->why), "%s%s%s", reason, *message ? ": " : "", message);
    else if (pod->ended && container && container->terminated_reason)
        snprintf(pod->why, sizeof(pod->why), "%s", container->terminated_reason);
    else if (!pod->runs)
        helper_state(seen, container, pod->why, sizeof(pod->why));
}

static void read_times(struct recording_pod *pod)
{
    const json_t *limit =
        json_object_get(json_object_get(pod->json, "spec"), "activeDeadlineSeconds");
    int64_t begun;

    if (text_parse_time(string_at(pod->described, "started"), &pod->started) < 0)
        pod->started = 0;
    if (text_parse_time(string_at(json_object_get(pod->json, "metadata"), "creationTimestamp"),
                        &pod->created) < 0)
        pod->created = 0;
    if (json_is_integer(limit) &&
        text_parse_time(string_at(json_object_get(pod->json, "status"), "startTime"), &begun) == 0)
        pod->ends = begun + json_integer_value(limit);
}

static void read_end(struct recording_pod *pod)
{
    const json_t *list = json_object_get(json_object_get(pod->json, "status"), "containerStatuses");
    size_t i;
    json_t *each;

    json_array_foreach(list, i, each)
    {
        const json_t *end = json_object_get(json_object_get(each, "state"), "terminated");

        if (strcmp(string_at(each, "name"), HELPER_CONTAINER) == 0 &&
            text_parse_time(string_at(end, "finishedAt"), &pod->ended_at) < 0)
            pod->ended_at = 0;
    }
}

/* Return: 0; 1 when it is none of a recording; -1 when out of memory. */
static int pod_read(json_t *json, struct recording_pod *ret_pod)
{
    const json_t *metadata = json_object_get(json, "metadata");
    const char *text = string_at(json_object_get(metadata, "annotations"), RECORDING_ANNOTATION);
    struct recording_pod pod = {.container = HELPER_CONTAINER};
    struct kube_pod *seen;

    if (kube_pod_read(json, &seen, NULL) < 0)
        return 1;
    pod.json = json_incref(json);
    pod.namespace = seen->namespace;
    pod.name = seen->name;
    pod.uid = seen->uid;
    pod.node = seen->node;
    pod.recording = string_at(json_object_get(metadata, "labels"), RECORDING_LABEL);
    pod.described = json_loads(text, 0, NULL);
    read_life(&pod, seen);
    read_times(&pod);
    read_end(&pod);
    kube_pod_free(seen); /* its strings are the JSON's */
    if (read_targets(&pod) < 0) {
        pod_free(&pod);
        return -1;
    }
    *ret_pod = pod;
    return 0;
}

/* ---- all of them ---- */

static int compare(const void *a, const void *b)
{
    const struct recording_pod *one = a, *other = b;
    int order = strcmp(one->recording, other->recording);

    if (order == 0)
        order = strcmp(one->namespace, other->namespace);
    if (order == 0)
        order = strcmp(one->node, other->node);
    return order ? order : strcmp(one->name, other->name);
}

static int read_list(const json_t *list, struct recordings *recordings)
{
    size_t i;
    json_t *item;

    recordings->pods = calloc(json_array_size(list) + 1, sizeof(*recordings->pods));
    if (!recordings->pods)
        return -1;
    json_array_foreach(list, i, item)
    {
        int result = pod_read(item, &recordings->pods[recordings->count]);

        if (result < 0)
            return -1;
        recordings->count += result == 0;
    }
    qsort(recordings->pods, recordings->count, sizeof(*recordings->pods), compare);
    return 0;
}

static int not_listed(const char *namespace, struct error *err)
{
    if (err->kind == ERROR_FORBIDDEN && !namespace)
        error_remedy(err, "needs: list pods in all namespaces; or name one, with -n");
    return -1;
}

static char *list_path(const char *namespace, const char *name)
{
    cleanup_free char *escaped = name ? kube_escape(name) : NULL;
    const char *of = escaped ? escaped : "";

    if (name && !escaped)
        return NULL;
    return namespace ? text_format("/api/v1/namespaces/%s/pods?labelSelector=%s%s%s", namespace,
                                   HELPER_RECORDING_SELECTOR, name ? "%3D" : "", of)
                     : text_format("/api/v1/pods?labelSelector=%s%s%s", HELPER_RECORDING_SELECTOR,
                                   name ? "%3D" : "", of);
}

int recordings_look(struct kube_client *client, const char *namespace, const char *name,
                    struct recordings *ret, struct error *err)
{
    cleanup_free char *path = list_path(namespace, name);
    struct recordings recordings = {0};
    json_t *answer = NULL;

    if (!path)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (kube_get(client, path, &answer, err) < 0)
        return not_listed(namespace, err);
    int result = read_list(json_object_get(answer, "items"), &recordings);

    json_decref(answer);
    if (result < 0) {
        recordings_free(&recordings);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    *ret = recordings;
    return 0;
}

/* "'a', 'b'": each name once, as far as they fit */
static void list_names(const struct recordings *recordings, struct buf *out)
{
    const char *before = "";

    for (size_t i = 0; i < recordings->count; i++) {
        const char *name = recordings->pods[i].recording;

        if (strcmp(name, before) != 0 &&
            !buf_printf(out, "%s\"%s\"", out->length ? ", " : "", name))
            return;
        before = name;
    }
}

static int no_such_recording(struct kube_client *client, const char *namespace, const char *name,
                             struct error *err)
{
    struct recordings all = {0};
    cleanup_buf struct buf names;

    buf_init(&names, NAMES_LENGTH);
    if (recordings_look(client, namespace, NULL, &all, err) < 0)
        return -1;
    list_names(&all, &names);
    recordings_free(&all);
    error_set(err, ERROR_NOT_FOUND, "there is no recording \"%s\" in %s%s%s", name,
              namespace ? "namespace \"" : "any namespace", namespace ? namespace : "",
              namespace ? "\"" : "");
    if (names.length > 0)
        return error_remedy(err, "there is: %s", buf_string(&names));
    return error_remedy(err, namespace ? "'kubectl sniff --recordings -A' lists those of all "
                                         "namespaces"
                                       : "'kubectl sniff POD --record' starts one");
}

int recordings_find(struct kube_client *client, const char *namespace, const char *name,
                    struct recordings *ret, struct error *err)
{
    struct recordings recordings = {0};

    if (recordings_look(client, namespace, name, &recordings, err) < 0)
        return -1;
    if (!name || recordings.count > 0) {
        *ret = recordings;
        return 0;
    }
    recordings_free(&recordings);
    return no_such_recording(client, namespace, name, err);
}

/* ---- as a target ---- */

static json_t *addresses(const json_t *ips)
{
    json_t *list = json_array(), *ip;
    size_t i;

    json_array_foreach(ips, i, ip)
    {
        json_array_append_new(list, json_pack("{s:O}", "ip", ip));
    }
    return list;
}

/* As the API would have it, as far as it is known. */
static json_t *pod_of(const struct recorded_target *recorded)
{
    const json_t *entry = recorded->json, *labels = json_object_get(entry, "labels");

    return json_pack("{s:{s:s, s:s, s:s, s:o}, s:{s:s, s:b, s:[{s:s}]}, s:{s:s, s:o}}", "metadata",
                     "namespace", recorded->namespace, "name", recorded->name, "uid", recorded->uid,
                     "labels", json_is_object(labels) ? json_deep_copy(labels) : json_object(),
                     "spec", "nodeName", string_at(entry, "node"), "hostNetwork",
                     json_is_true(json_object_get(entry, "hostNetwork")), "containers", "name",
                     recorded->container, "status", "phase", "Running", "podIPs",
                     addresses(json_object_get(entry, "ips")));
}

static int make_node(const struct recorded_target *recorded, struct target *ret_target,
                     struct error *err)
{
    json_t *json = json_pack("{s:{s:s}, s:{}}", "metadata", "name", recorded->name, "status");
    int result = json ? target_of_node_object(json, ret_target, err)
                      : error_set(err, ERROR_INTERNAL, "out of memory");

    json_decref(json);
    return result;
}

/* Whoever may make pods can write anything there, and names become paths and files of ours. */
static bool is_named_well(const struct recorded_target *recorded)
{
    return kube_name_is_subdomain(recorded->name) &&
           (!*recorded->uid ||
            (kube_name_is_label(recorded->namespace) && kube_name_is_label(recorded->container)));
}

static int not_said(const struct recording_pod *pod, struct error *err)
{
    return error_set(err, ERROR_PROTOCOL, "pod \"%s\" does not say what it records", pod->name);
}

int recorded_target_make(const struct recording_pod *pod, const struct recorded_target *recorded,
                         struct target *ret_target, struct error *err)
{
    struct kube_pod *read;

    if (!is_named_well(recorded))
        return not_said(pod, err);
    if (!*recorded->uid)
        return make_node(recorded, ret_target, err);
    json_t *json = pod_of(recorded);
    int result = json ? kube_pod_read(json, &read, err) : not_said(pod, err);

    json_decref(json);
    return result < 0 ? -1 : target_of_pod(read, recorded->container, ret_target, err);
}
