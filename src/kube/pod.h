/* SPDX-License-Identifier: Apache-2.0 */
/* A pod, as far as this program reads it. Source:
 * https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ */
#ifndef KSNIFF_KUBE_POD_H
#define KSNIFF_KUBE_POD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct kube_client;

enum kube_container_kind { KUBE_CONTAINER_REGULAR, KUBE_CONTAINER_INIT, KUBE_CONTAINER_EPHEMERAL };

/* Strings point into the pod's JSON. */
struct kube_container {
    const char *name;
    enum kube_container_kind kind;
    bool running;
    const char *id;                /* 64 hex digits, without the runtime; "" before it has one */
    const char *runtime;           /* "containerd://" and the id; "" before it has one */
    const char *waiting_reason;    /* "CrashLoopBackOff"; NULL when it does not wait */
    const char *waiting_message;   /* "" where there is none */
    const char *terminated_reason; /* "Completed"; NULL when it has not ended */
    const char *terminated_message;
    json_int_t user;       /* as the kubelet tells; -1: it does not */
    uint64_t memory_limit; /* bytes, 0: none */
    const json_t *spec;    /* the container's own part of the spec */
};

struct kube_pod {
    json_t *json; /* owned; everything else points into it */
    const char *namespace;
    const char *name;
    const char *uid;
    const char *node;              /* "" until it is scheduled */
    const char *phase;             /* Pending, Running, Succeeded, Failed, Unknown */
    const char *os;                /* spec.os.name or its node selector; "" when it says none */
    const char *default_container; /* kubectl.kubernetes.io/default-container, or NULL */
    const char *config_hash;       /* of a static pod: what its cgroup has as uid; or NULL */
    bool mirror;                   /* a static pod's image in the API server */
    bool host_network;
    bool terminating;
    struct kube_container *containers; /* owned: regular, init, ephemeral ones */
    size_t container_count;
};

/* kube_pod_get - fetch and read. Return: 0 with a pod owned by the caller (kube_pod_free()). */
int kube_pod_get(struct kube_client *client, const char *namespace, const char *name,
                 struct kube_pod **ret_pod, struct error *err);

/* kube_pod_read - read a pod's JSON. Takes its own reference of @json. ERROR_PROTOCOL when it is no
 * pod. */
int kube_pod_read(json_t *json, struct kube_pod **ret_pod, struct error *err);
void kube_pod_free(struct kube_pod *pod);

/* kube_pod_slim - take out of a pod's JSON what is large and nobody here reads, before many are
 * kept. */
void kube_pod_slim(json_t *json);

/* kube_pod_container - Return: the container of that name, NULL when there is none. */
const struct kube_container *kube_pod_container(const struct kube_pod *pod, const char *name);

/*
 * kube_pod_writable_mounts - where the container has a volume that it may write to and that lives
 * with the pod: emptyDir
 * @ret_paths: room for @most paths, which point into the pod's JSON
 *
 * Return: how many there are.
 */
size_t kube_pod_writable_mounts(const struct kube_pod *pod, const struct kube_container *container,
                                const char **ret_paths, size_t most);

/* kube_quantity - a resource.Quantity ("128Mi", "1G", "500m") in whole units. Return: 0 or -1. */
int kube_quantity(const char *text, uint64_t *ret_value);

#endif
