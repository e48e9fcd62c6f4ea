/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/target.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "kube/client.h"

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

/* Refuses a pod that has no running process to stand beside. */
static int check_pod(const struct kube_pod *pod, struct error *err)
{
    if (strcmp(pod->os, "windows") == 0)
        return error_set(err, ERROR_TARGET, "pod \"%s\" runs on Windows, which has no AF_PACKET",
                         pod->name);
    if (strcmp(pod->phase, "Succeeded") == 0 || strcmp(pod->phase, "Failed") == 0) {
        error_set(err, ERROR_TARGET, "pod \"%s\" has ended (%s)", pod->name, pod->phase);
        return error_remedy(err, "there is nothing left to capture");
    }
    if (!*pod->node) {
        error_set(err, ERROR_TARGET, "pod \"%s\" has not been scheduled to a node yet", pod->name);
        return error_remedy(err, "see: kubectl describe pod %s -n %s", pod->name, pod->namespace);
    }
    return 0;
}

static int check_container(const struct kube_pod *pod, const struct kube_container *container,
                           struct error *err)
{
    const char *why = container->waiting_reason      ? container->waiting_reason
                      : container->terminated_reason ? container->terminated_reason
                                                     : pod->phase;

    if (container->running)
        return 0;
    error_set(err, ERROR_TARGET, "container \"%s\" of pod \"%s\" is not running (%s)",
              container->name, pod->name, why);
    return error_remedy(err, "see: kubectl describe pod %s -n %s", pod->name, pod->namespace);
}

static const struct kube_container *default_container(const struct kube_pod *pod)
{
    const struct kube_container *annotated =
        pod->default_container ? kube_pod_container(pod, pod->default_container) : NULL;

    if (pod->default_container && !annotated)
        log_warning("the pod's default-container annotation names '%s', which it does not have",
                    pod->default_container);
    return annotated ? annotated : pod->container_count > 0 ? &pod->containers[0] : NULL;
}

int target_resolve(struct kube_client *client, const char *namespace, const char *pod_name,
                   const char *container, struct target *ret_target, struct error *err)
{
    struct target target = {0};

    if (kube_pod_get(client, namespace, pod_name, &target.pod, err) < 0)
        return -1;
    if (check_pod(target.pod, err) < 0)
        goto failed;
    target.container =
        container ? kube_pod_container(target.pod, container) : default_container(target.pod);
    if (!target.container) {
        no_container(target.pod, container ? container : "", err);
        goto failed;
    }
    if (check_container(target.pod, target.container, err) < 0)
        goto failed;
    *ret_target = target;
    return 0;

failed:
    target_free(&target);
    return -1;
}

void target_free(struct target *target)
{
    kube_pod_free(target->pod);
    *target = (struct target){0};
}

char *target_node_machine(struct kube_client *client, const struct target *target)
{
    cleanup_free char *path = text_format("/api/v1/nodes/%s", target->pod->node);
    json_t *node = NULL;
    char *machine = NULL;

    if (!path || kube_request(client, "GET", path, NULL, NULL, &node, NULL) < 0)
        return NULL;
    const char *said = json_string_value(json_object_get(
        json_object_get(json_object_get(node, "status"), "nodeInfo"), "architecture"));
    if (said)
        machine = strdup(said);
    json_decref(node);
    return machine;
}
