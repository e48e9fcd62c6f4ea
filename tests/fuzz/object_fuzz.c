/* SPDX-License-Identifier: Apache-2.0 */
/* Pods and nodes as the API server gives them, and the answer of a credential plugin: JSON. */
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <string.h>

#include "base/error.h"
#include "kube/exec_credential.h"
#include "kube/node.h"
#include "kube/pod.h"

static void read_pod(json_t *json)
{
    struct kube_pod *pod;
    struct error err;

    if (kube_pod_read(json, &pod, &err) < 0)
        return;
    for (size_t i = 0; i < pod->container_count; i++) {
        const char *paths[3];
        const struct kube_container *container = &pod->containers[i];

        kube_pod_container(pod, container->name);
        kube_pod_writable_mounts(pod, container, paths, 3);
    }
    kube_pod_free(pod);
}

static void read_node(json_t *json)
{
    struct kube_node *node;
    const char *images[5];
    struct error err;

    if (kube_node_read(json, &node, &err) < 0)
        return;
    kube_node_images(node, images, 5);
    kube_node_free(node);
}

static void read_credential(const uint8_t *data, size_t size)
{
    const struct kube_exec_plugin plugin = {
        .api_version = (char *)"client.authentication.k8s.io/v1", .command = (char *)"plugin"};
    struct exec_credential credential;
    struct error err;

    if (exec_credential_parse(&plugin, data, size, &credential, &err) == 0)
        exec_credential_free(&credential);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *json = json_loadb((const char *)data, size, 0, NULL);

    if (json) {
        read_pod(json);
        read_node(json);
        json_decref(json);
    }
    read_credential(data, size);
    return 0;
}
