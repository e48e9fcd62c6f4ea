/* SPDX-License-Identifier: Apache-2.0 */
/* A node, as far as this program reads it. Source:
 * https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/node-v1/ */
#ifndef KSNIFF_KUBE_NODE_H
#define KSNIFF_KUBE_NODE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct kube_client;

/* Strings point into the node's JSON. */
struct kube_node {
    json_t *json; /* owned */
    const char *name;
    const char *os;           /* "linux", "windows"; "" when it does not say */
    const char *architecture; /* "amd64"; "" when it does not say */
    const char *runtime;      /* "containerd://2.1.9"; "" when it does not say */
    bool virtual;             /* a virtual kubelet: no machine of its own stands behind it */
    unsigned kubelet_port;
};

/* kube_node_get - fetch and read. Return: 0 with a node owned by the caller (kube_node_free()). */
int kube_node_get(struct kube_client *client, const char *name, struct kube_node **ret_node,
                  struct error *err);

/* kube_node_read - read a node's JSON. Takes its own reference of @json. ERROR_PROTOCOL when it is
 * no node. */
int kube_node_read(json_t *json, struct kube_node **ret_node, struct error *err);

/* kube_node_allocatable - how much of a resource ("memory", "ephemeral-storage": bytes) it has for
 * all its pods. Return: whether it says so; *ret_value is untouched where it does not. */
bool kube_node_allocatable(const struct kube_node *node, const char *resource, uint64_t *ret_value);

/*
 * kube_node_counts_disk - false: what it has for its pods does not name ephemeral-storage, and its
 * kubelet refuses a pod that asks for any. Source: kubernetes.dev/resources/keps/361
 * (localStorageCapacityIsolation, which rootless kubelets have off)
 */
bool kube_node_counts_disk(const struct kube_node *node);

/* kube_node_trouble - Return: why it is not ready, raw text of the node; NULL: it is, or does not
 * say so. */
const char *kube_node_trouble(const struct kube_node *node);

/* kube_node_free - NULL is allowed. */
void kube_node_free(struct kube_node *node);

/* kube_image_is_pause - is an image of this name the one that holds a pod's namespaces, and that
 * only waits? */
bool kube_image_is_pause(const char *name);

/*
 * kube_node_images - images that are on the node already, best first for a pod that only has to be
 * there: a pause image, then the smallest ones
 * @ret_names: room for @most names, which point into the node's JSON
 *
 * Of an image's names a tag is preferred to a digest. Names that are none are left out. Return: how
 * many there are.
 */
size_t kube_node_images(const struct kube_node *node, const char **ret_names, size_t most);

#endif
