/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/node.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "kube/client.h"
#include "kube/pod.h"

#define KUBELET_PORT   10250
#define IMAGE_NAME_MAX 255

static const char *string_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* By its label, by the taint that keeps others away from it, or by the name of its kubelet. */
static bool is_virtual(const json_t *labels, const json_t *spec, const json_t *info)
{
    size_t i;
    json_t *taint;

    if (strcmp(string_at(labels, "type"), "virtual-kubelet") == 0 ||
        strstr(string_at(info, "kubeletVersion"), "vk-"))
        return true;
    json_array_foreach(json_object_get(spec, "taints"), i, taint)
    {
        if (strncmp(string_at(taint, "key"), "virtual-kubelet.io/", 19) == 0)
            return true;
    }
    return false;
}

int kube_node_read(json_t *json, struct kube_node **ret_node, struct error *err)
{
    const json_t *metadata = json_object_get(json, "metadata");
    const json_t *labels = json_object_get(metadata, "labels");
    const json_t *status = json_object_get(json, "status");
    const json_t *info = json_object_get(status, "nodeInfo");
    json_int_t port = json_integer_value(json_object_get(
        json_object_get(json_object_get(status, "daemonEndpoints"), "kubeletEndpoint"), "Port"));
    struct kube_node *node = calloc(1, sizeof(*node));

    if (!node)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    node->json = json_incref(json);
    node->name = string_at(metadata, "name");
    node->os = string_at(info, "operatingSystem");
    if (!*node->os)
        node->os = string_at(labels, "kubernetes.io/os");
    node->architecture = string_at(info, "architecture");
    if (!*node->architecture)
        node->architecture = string_at(labels, "kubernetes.io/arch");
    node->runtime = string_at(info, "containerRuntimeVersion");
    node->virtual = is_virtual(labels, json_object_get(json, "spec"), info);
    node->kubelet_port = port > 0 && port < 65536 ? (unsigned)port : KUBELET_PORT;
    if (!*node->name || !json_is_object(status)) {
        kube_node_free(node);
        return error_set(err, ERROR_PROTOCOL, "the server's answer is not a node");
    }
    *ret_node = node;
    return 0;
}

int kube_node_get(struct kube_client *client, const char *name, struct kube_node **ret_node,
                  struct error *err)
{
    cleanup_free char *escaped = kube_escape(name);
    cleanup_free char *path = escaped ? text_format("/api/v1/nodes/%s", escaped) : NULL;
    json_t *json = NULL;

    if (!path)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (kube_get(client, path, &json, err) < 0)
        return -1;
    int result = kube_node_read(json, ret_node, err);
    json_decref(json);
    return result;
}

const char *kube_node_trouble(const struct kube_node *node)
{
    const json_t *list = json_object_get(json_object_get(node->json, "status"), "conditions");
    size_t i;
    json_t *each;

    json_array_foreach(list, i, each)
    {
        const char *type = json_string_value(json_object_get(each, "type")),
                   *status = json_string_value(json_object_get(each, "status")),
                   *message = json_string_value(json_object_get(each, "message")),
                   *reason = json_string_value(json_object_get(each, "reason"));

        if (type && status && strcmp(type, "Ready") == 0 && strcmp(status, "True") != 0)
            return message && *message ? message : reason ? reason : "";
    }
    return NULL;
}

void kube_node_free(struct kube_node *node)
{
    if (!node)
        return;
    json_decref(node->json);
    free(node);
}

/* ---- what it has for its pods ---- */

static const json_t *allocatable_of(const struct kube_node *node)
{
    return json_object_get(json_object_get(node->json, "status"), "allocatable");
}

bool kube_node_allocatable(const struct kube_node *node, const char *resource, uint64_t *ret_value)
{
    const char *text = json_string_value(json_object_get(allocatable_of(node), resource));

    return text && kube_quantity(text, ret_value) == 0;
}

bool kube_node_counts_disk(const struct kube_node *node)
{
    const json_t *allocatable = allocatable_of(node);

    return !json_object_get(allocatable, "memory") ||
           json_object_get(allocatable, "ephemeral-storage");
}

/* ---- images ---- */

struct image {
    const char *name;
    bool pause;
    json_int_t size; /* bytes */
};

static bool is_image_name(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && length <= IMAGE_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/:@-") ==
               length;
}

/* Return: the best of an image's names, NULL when it has none. */
static const char *name_of(const json_t *image)
{
    const char *best = NULL;
    size_t i;
    json_t *entry;

    json_array_foreach(json_object_get(image, "names"), i, entry)
    {
        const char *name = json_string_value(entry);

        if (name && is_image_name(name) && (!best || (strchr(best, '@') && !strchr(name, '@'))))
            best = name;
    }
    return best;
}

/* "registry.k8s.io/pause:3.10", "rancher/mirrored-pause@sha256:...", "pause-amd64" */
bool kube_image_is_pause(const char *name)
{
    const char *slash = strrchr(name, '/'), *last = slash ? slash + 1 : name;
    size_t length = strcspn(last, ":@");

    return (length >= 5 && strncmp(last, "pause", 5) == 0 && strchr(":@-", last[5])) ||
           (length > 6 && strncmp(last + length - 6, "-pause", 6) == 0);
}

static int compare(const void *a, const void *b)
{
    const struct image *one = a, *other = b;

    if (one->pause != other->pause)
        return one->pause ? -1 : 1;
    return one->size < other->size ? -1 : one->size > other->size;
}

size_t kube_node_images(const struct kube_node *node, const char **ret_names, size_t most)
{
    const json_t *list = json_object_get(json_object_get(node->json, "status"), "images");
    cleanup_free struct image *images = calloc(json_array_size(list) + 1, sizeof(*images));
    size_t count = 0, i;
    json_t *entry;

    if (!images)
        return 0;
    json_array_foreach(list, i, entry)
    {
        const char *name = name_of(entry);

        if (name)
            images[count++] =
                (struct image){.name = name,
                               .pause = kube_image_is_pause(name),
                               .size = json_integer_value(json_object_get(entry, "sizeBytes"))};
    }
    qsort(images, count, sizeof(*images), compare);
    count = count < most ? count : most;
    for (i = 0; i < count; i++)
        ret_names[i] = images[i].name;
    return count;
}
