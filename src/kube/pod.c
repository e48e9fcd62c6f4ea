/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/pod.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "kube/client.h"

static const char *string_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static const char *optional_string(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

int kube_quantity(const char *text, uint64_t *ret_value)
{
    static const struct {
        const char *suffix;
        double factor;
    } suffixes[] = {
        {"", 1},     {"m", 1e-3},    {"k", 1e3},     {"M", 1e6},     {"G", 1e9},     {"T", 1e12},
        {"P", 1e15}, {"Ki", 0x1p10}, {"Mi", 0x1p20}, {"Gi", 0x1p30}, {"Ti", 0x1p40}, {"Pi", 0x1p50},
    };
    char *end;
    double number = strtod(text, &end);

    if (end == text || !(number >= 0))
        return -1;
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        double value = ceil(number * suffixes[i].factor);

        if (strcmp(end, suffixes[i].suffix) != 0)
            continue;
        if (!(value < 9e18))
            return -1;
        *ret_value = (uint64_t)value;
        return 0;
    }
    return -1;
}

static const json_t *status_of(const json_t *statuses, const char *name)
{
    size_t i;
    json_t *status;

    json_array_foreach(statuses, i, status)
    {
        if (strcmp(string_at(status, "name"), name) == 0)
            return status;
    }
    return NULL;
}

/* "containerd://ID" without what stands before the ID; "" when that is none. */
static const char *container_id(const json_t *status)
{
    const char *id = string_at(status, "containerID"), *scheme = strstr(id, "://");

    id = scheme ? scheme + 3 : id;
    return strlen(id) == 64 && strspn(id, "0123456789abcdef") == 64 ? id : "";
}

static void read_container(struct kube_container *container, enum kube_container_kind kind,
                           const json_t *spec, const json_t *statuses)
{
    const json_t *state, *limits;

    *container =
        (struct kube_container){.name = string_at(spec, "name"), .kind = kind, .spec = spec};
    const json_t *status = status_of(statuses, container->name);
    const json_t *user =
        json_object_get(json_object_get(json_object_get(status, "user"), "linux"), "uid");

    container->id = container_id(status);
    container->runtime = string_at(status, "containerID");
    container->user = json_is_integer(user) ? json_integer_value(user) : -1;
    state = json_object_get(status, "state");
    container->running = json_object_get(state, "running") != NULL;
    container->waiting_reason = optional_string(json_object_get(state, "waiting"), "reason");
    container->terminated_reason = optional_string(json_object_get(state, "terminated"), "reason");
    container->waiting_message = string_at(json_object_get(state, "waiting"), "message");
    container->terminated_message = string_at(json_object_get(state, "terminated"), "message");
    limits = json_object_get(json_object_get(spec, "resources"), "limits");
    if (kube_quantity(string_at(limits, "memory"), &container->memory_limit) < 0)
        container->memory_limit = 0;
}

static int read_containers(struct kube_pod *pod, const json_t *spec, const json_t *status)
{
    static const struct {
        const char *specs, *statuses;
        enum kube_container_kind kind;
    } lists[] = {
        {"containers", "containerStatuses", KUBE_CONTAINER_REGULAR},
        {"initContainers", "initContainerStatuses", KUBE_CONTAINER_INIT},
        {"ephemeralContainers", "ephemeralContainerStatuses", KUBE_CONTAINER_EPHEMERAL},
    };
    size_t count = 0;

    for (size_t i = 0; i < 3; i++)
        count += json_array_size(json_object_get(spec, lists[i].specs));
    pod->containers = calloc(count + 1, sizeof(*pod->containers));
    if (!pod->containers)
        return -1;
    for (size_t i = 0; i < 3; i++) {
        const json_t *statuses = json_object_get(status, lists[i].statuses);
        size_t k;
        json_t *container;

        json_array_foreach(json_object_get(spec, lists[i].specs), k, container)
        {
            read_container(&pod->containers[pod->container_count++], lists[i].kind, container,
                           statuses);
        }
    }
    return 0;
}

int kube_pod_read(json_t *json, struct kube_pod **ret_pod, struct error *err)
{
    const json_t *metadata = json_object_get(json, "metadata");
    const json_t *annotations = json_object_get(metadata, "annotations");
    const json_t *spec = json_object_get(json, "spec"), *status = json_object_get(json, "status");
    struct kube_pod *pod = calloc(1, sizeof(*pod));

    if (!pod)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    pod->json = json_incref(json);
    pod->namespace = string_at(metadata, "namespace");
    pod->name = string_at(metadata, "name");
    pod->uid = string_at(metadata, "uid");
    pod->terminating = json_object_get(metadata, "deletionTimestamp") != NULL;
    pod->default_container =
        optional_string(annotations, "kubectl.kubernetes.io/default-container");
    pod->mirror = optional_string(annotations, "kubernetes.io/config.mirror") != NULL;
    /* On another pod it is a copy, and means nothing. */
    pod->config_hash =
        pod->mirror ? optional_string(annotations, "kubernetes.io/config.hash") : NULL;
    pod->node = string_at(spec, "nodeName");
    pod->host_network = json_is_true(json_object_get(spec, "hostNetwork"));
    pod->os = string_at(json_object_get(spec, "os"), "name");
    if (!*pod->os)
        pod->os = string_at(json_object_get(spec, "nodeSelector"), "kubernetes.io/os");
    pod->phase = string_at(status, "phase");
    if (!*pod->name || !json_is_object(spec)) {
        kube_pod_free(pod);
        return error_set(err, ERROR_PROTOCOL, "the server's answer is not a pod");
    }
    if (read_containers(pod, spec, status) < 0) {
        kube_pod_free(pod);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    *ret_pod = pod;
    return 0;
}

static void drop(json_t *object, const char *const *keys)
{
    for (; *keys; keys++)
        json_object_del(object, *keys);
}

static void drop_of_each(json_t *list, const char *const *keys)
{
    size_t i;
    json_t *element;

    json_array_foreach(list, i, element)
    {
        drop(element, keys);
    }
}

/* Is the volume of that name an emptyDir of the pod? */
static bool is_empty_dir(const json_t *spec, const char *volume)
{
    const json_t *volumes = json_object_get(spec, "volumes");
    size_t i;
    json_t *entry;

    json_array_foreach(volumes, i, entry)
    {
        if (strcmp(string_at(entry, "name"), volume) == 0)
            return json_object_get(entry, "emptyDir") != NULL;
    }
    return false;
}

/* Of volumes, and of what is mounted, only emptyDirs are of interest. */
static void drop_other_volumes(const json_t *spec, json_t *list)
{
    for (size_t i = json_array_size(list); i-- > 0;)
        if (!is_empty_dir(spec, string_at(json_array_get(list, i), "name")))
            json_array_remove(list, i);
}

static void drop_other_mounts(const json_t *spec, json_t *containers)
{
    size_t i;
    json_t *container;

    json_array_foreach(containers, i, container)
    {
        drop_other_volumes(spec, json_object_get(container, "volumeMounts"));
    }
}

void kube_pod_slim(json_t *json)
{
    static const char *const of_metadata[] = {"managedFields", "generateName", NULL};
    static const char *const of_annotations[] = {"kubectl.kubernetes.io/last-applied-configuration",
                                                 NULL};
    static const char *const of_spec[] = {
        "affinity", "hostAliases", "readinessGates", "tolerations", "topologySpreadConstraints",
        NULL};
    static const char *const of_container[] = {
        "args",  "command",        "env",          "envFrom", "lifecycle", "livenessProbe",
        "ports", "readinessProbe", "startupProbe", NULL};
    static const char *const of_status[] = {"hostIPs", "qosClass", "resources", "startTime", NULL};
    static const char *const of_container_status[] = {"allocatedResources", "lastState",
                                                      "resources", "volumeMounts", NULL};
    static const char *const lists[] = {"containers", "initContainers", "ephemeralContainers"};
    static const char *const statuses[] = {"containerStatuses", "initContainerStatuses",
                                           "ephemeralContainerStatuses"};
    json_t *metadata = json_object_get(json, "metadata"), *spec = json_object_get(json, "spec");
    json_t *status = json_object_get(json, "status");

    drop(metadata, of_metadata);
    drop(json_object_get(metadata, "annotations"), of_annotations);
    drop(spec, of_spec);
    drop(status, of_status);
    /* Why it is Pending is asked of these. */
    if (strcmp(string_at(status, "phase"), "Pending") != 0)
        json_object_del(status, "conditions");
    for (size_t i = 0; i < 3; i++) {
        drop_of_each(json_object_get(spec, lists[i]), of_container);
        drop_of_each(json_object_get(status, statuses[i]), of_container_status);
        drop_other_mounts(spec, json_object_get(spec, lists[i]));
    }
    drop_other_volumes(spec, json_object_get(spec, "volumes"));
}

int kube_pod_get(struct kube_client *client, const char *namespace, const char *name,
                 struct kube_pod **ret_pod, struct error *err)
{
    cleanup_free char *path = text_format("/api/v1/namespaces/%s/pods/%s", namespace, name);
    json_t *json = NULL;

    if (!path)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (kube_get(client, path, &json, err) < 0)
        return -1;
    int result = kube_pod_read(json, ret_pod, err);
    json_decref(json);
    return result;
}

void kube_pod_free(struct kube_pod *pod)
{
    if (!pod)
        return;
    json_decref(pod->json);
    free(pod->containers);
    free(pod);
}

const struct kube_container *kube_pod_container(const struct kube_pod *pod, const char *name)
{
    for (size_t i = 0; i < pod->container_count; i++)
        if (strcmp(pod->containers[i].name, name) == 0)
            return &pod->containers[i];
    return NULL;
}

size_t kube_pod_writable_mounts(const struct kube_pod *pod, const struct kube_container *container,
                                const char **ret_paths, size_t most)
{
    size_t count = 0, i;
    json_t *mount;

    json_array_foreach(json_object_get(container->spec, "volumeMounts"), i, mount)
    {
        if (count == most)
            break;
        if (!json_is_true(json_object_get(mount, "readOnly")) &&
            is_empty_dir(json_object_get(pod->json, "spec"), string_at(mount, "name")) &&
            string_at(mount, "mountPath")[0] == '/')
            ret_paths[count++] = string_at(mount, "mountPath");
    }
    return count;
}
