/* SPDX-License-Identifier: Apache-2.0 */
#include "method/helper_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target/target.h"
#include "kube/node.h"

#define LISTED_MAX  4
#define RUNNING_MAX 4
#define GUESSES_MAX 3

static const char *string_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* ---- the list ---- */

/* Puts an image at a place of the list, if it is not there yet. Return: it, or NULL. */
static struct helper_image *insert(struct helper_images *images, size_t at, const char *name)
{
    struct helper_image *image = &images->list[at];
    bool own = images->own && strcmp(name, images->own) == 0;
    const json_t *secrets = own ? images->own_secrets : NULL;

    for (size_t i = 0; i < images->count; i++)
        if (strcmp(images->list[i].name, name) == 0)
            return NULL;
    char *copy = images->count < HELPER_IMAGES_MAX ? strdup(name) : NULL;
    if (!copy)
        return NULL;
    memmove(image + 1, image, (images->count - at) * sizeof(*image));
    images->count++;
    *image = (struct helper_image){
        .name = copy, .pull_secrets = secrets, .pull = json_array_size(secrets) > 0};
    return image;
}

static struct helper_image *append(struct helper_images *images, const char *name)
{
    return insert(images, images->count, name);
}

bool helper_images_next(struct helper_images *images)
{
    size_t next = images->at + 1;

    if (!images->second_round) {
        if (next < images->count) {
            images->at = next;
            return true;
        }
        images->second_round = true;
        next = 0;
    }
    while (next < images->count && !images->list[next].shell)
        next++;
    if (next == images->count)
        return false;
    images->at = next;
    return true;
}

void helper_images_free(struct helper_images *images)
{
    for (size_t i = 0; i < images->count; i++)
        free(images->list[i].name);
    *images = (struct helper_images){.count = 0};
}

/* ---- what is on the node ---- */

/* "docker.io/library/busybox:1.36": known to have a shell, so that trying it costs time. */
static bool is_known_for_a_shell(const char *name)
{
    static const char *const names[] = {"alpine",   "bash",          "busybox", "centos",
                                        "debian",   "fedora",        "ubuntu",  "toolbox",
                                        "netshoot", "buildpack-deps"};
    const char *slash = strrchr(name, '/'), *last = slash ? slash + 1 : name;
    size_t length = strcspn(last, ":@");

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == length && strncmp(last, names[i], length) == 0)
            return true;
    return false;
}

static void add_listed(struct helper_images *images, const struct kube_node *node)
{
    const char *names[100];
    size_t count = node ? kube_node_images(node, names, 100) : 0, before = images->count;

    for (int with_shell = 0; with_shell < 2; with_shell++)
        for (size_t i = 0; i < count && images->count - before < LISTED_MAX; i++)
            if (is_known_for_a_shell(names[i]) == (with_shell == 1))
                append(images, names[i]);
    images->sure = images->count > 0 && kube_image_is_pause(images->list[0].name);
}

/* Does a DaemonSet run the pod, with images that anybody may use? */
static bool is_daemon(const json_t *pod)
{
    const json_t *metadata = json_object_get(pod, "metadata"), *spec = json_object_get(pod, "spec");
    size_t i;
    json_t *owner;

    /* Since Kubernetes 1.35 an image that was pulled with a secret is refused to who has none. */
    if (json_array_size(json_object_get(spec, "imagePullSecrets")) > 0 ||
        strcmp(string_at(json_object_get(pod, "status"), "phase"), "Running") != 0)
        return false;
    json_array_foreach(json_object_get(metadata, "ownerReferences"), i, owner)
    {
        if (strcmp(string_at(owner, "kind"), "DaemonSet") == 0)
            return true;
    }
    return false;
}

static bool runs(const json_t *pod, const char *container)
{
    const json_t *statuses = json_object_get(json_object_get(pod, "status"), "containerStatuses");
    size_t i;
    json_t *status;

    json_array_foreach(statuses, i, status)
    {
        if (strcmp(string_at(status, "name"), container) == 0)
            return json_object_get(json_object_get(status, "state"), "running") != NULL;
    }
    return false;
}

void helper_images_add_running(struct helper_images *images, const json_t *pods)
{
    size_t first = images->count == 0 || (images->at == 0 && !images->sure) ? 0 : images->at + 1;
    size_t at = first, i, k;
    json_t *pod, *container;

    json_array_foreach(json_object_get(pods, "items"), i, pod)
    {
        if (!is_daemon(pod))
            continue;
        json_array_foreach(json_object_get(json_object_get(pod, "spec"), "containers"), k,
                           container)
        {
            const char *image = string_at(container, "image");

            if (at - first < RUNNING_MAX && runs(pod, string_at(container, "name")) &&
                !is_known_for_a_shell(image) && insert(images, at, image))
                at++;
        }
    }
}

/* ---- guesses ---- */

/*
 * The sandbox images that runtimes and distributions are set to by default. Sources: containerd
 * (internal/cri/config, sandbox_image), CRI-O (pause_image), k3s and RKE2 (pause-image), Amazon's
 * AMI (templates/al2023), GKE's and AKS's containerd configuration.
 */
static const struct {
    const char *version; /* stands in the version of the runtime, the kubelet, or the kernel */
    const char *image;
} pause_images[] = {
    {"-eks-", "localhost/kubernetes/pause:latest"},
    {"-gke.", "gke.gcr.io/pause:3.8"},
    {"k3s", "docker.io/rancher/mirrored-pause:3.6"},
    {"+rke2", "docker.io/rancher/mirrored-pause:3.6"},
    {"-azure", "mcr.microsoft.com/oss/kubernetes/pause:3.6"},
    {"containerd://1.6", "registry.k8s.io/pause:3.6"},
    {"containerd://1.7", "registry.k8s.io/pause:3.8"},
    {"", "registry.k8s.io/pause:3.10"},
    {"", "registry.k8s.io/pause:3.10.1"},
    {"", "registry.k8s.io/pause:3.9"},
};

static void add_guesses(struct helper_images *images, const struct kube_node *node)
{
    char versions[200] = "";
    size_t guesses = 0;

    if (node) {
        const json_t *info = json_object_get(json_object_get(node->json, "status"), "nodeInfo");

        snprintf(versions, sizeof(versions), "%s %s %s", string_at(info, "containerRuntimeVersion"),
                 string_at(info, "kubeletVersion"), string_at(info, "kernelVersion"));
    }
    for (size_t i = 0; i < sizeof(pause_images) / sizeof(pause_images[0]); i++) {
        struct helper_image *image = NULL;

        if (guesses < GUESSES_MAX && strstr(versions, pause_images[i].version))
            image = append(images, pause_images[i].image);
        if (image) {
            image->guess = true;
            guesses++;
        }
    }
}

/* ---- all together ---- */

void helper_images_choose(struct helper_images *images, const struct target *target,
                          const char *wished, const char *namespace)
{
    const json_t *spec = target->pod ? json_object_get(target->pod->json, "spec") : NULL;

    images->own = target->container
                      ? json_string_value(json_object_get(target->container->spec, "image"))
                      : NULL;
    if (target->pod && strcmp(namespace, target->pod->namespace) == 0)
        images->own_secrets = json_object_get(spec, "imagePullSecrets");
    if (wished) {
        struct helper_image *image = append(images, wished);

        if (image)
            image->pull = true;
        images->sure = true;
        return;
    }
    add_listed(images, target->node);
    add_guesses(images, target->node);
    if (images->own)
        append(images, images->own);
}
