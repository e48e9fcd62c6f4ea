/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/helper.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "capture/agent_binary.h"
#include "common/agent.h"
#include "kube/pod.h"

#define MANAGED_BY "kubectl-sniff"
#define VOLUME     "agent"
#define FILE_MODE  0555

/* ---- building ---- */

static json_t *metadata(const struct helper *helper, bool pod)
{
    char timeout[24];
    json_t *result;

    snprintf(timeout, sizeof(timeout), "%" PRIu64, helper->creation_timeout);
    result = json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s}}", "name", helper->name, "namespace",
                       helper->namespace, "labels", HELPER_NAME_LABEL, HELPER_NAME,
                       "app.kubernetes.io/managed-by", MANAGED_BY, "annotations",
                       "kubectl-sniff/target", helper->target, HELPER_TIMEOUT_ANNOTATION, timeout);
    if (!pod)
        return result;
    json_t *labels = json_object_get(result, "labels");
    json_t *annotations = json_object_get(result, "annotations");

    /* Istio has moved from the annotation to the label. */
    json_object_set_new(labels, "sidecar.istio.io/inject", json_string("false"));
    json_object_set_new(annotations, "sidecar.istio.io/inject", json_string("false"));
    json_object_set_new(annotations, "linkerd.io/inject", json_string("disabled"));
    /* Before Kubernetes 1.30 AppArmor is said here. */
    if (helper->privilege == HELPER_UNCONFINED)
        json_object_set_new(annotations,
                            "container.apparmor.security.beta.kubernetes.io/" HELPER_CONTAINER,
                            json_string("unconfined"));
    return result;
}

static json_t *security_context(const struct helper *helper)
{
    if (helper->privilege == HELPER_PRIVILEGED)
        return json_pack("{s:b, s:i, s:i, s:b}", "privileged", true, "runAsUser", 0, "runAsGroup",
                         0, "readOnlyRootFilesystem", true);
    json_t *add = helper->host_network
                      ? json_pack("[s]", "NET_RAW")
                      : json_pack("[s, s, s]", "SYS_ADMIN", "SYS_PTRACE", "NET_RAW");
    json_t *result = json_pack("{s:i, s:i, s:b, s:b, s:{s:[s], s:o}}", "runAsUser", 0, "runAsGroup",
                               0, "runAsNonRoot", false, "readOnlyRootFilesystem", true,
                               "capabilities", "drop", "ALL", "add", add);

    if (helper->privilege == HELPER_UNCONFINED) {
        json_object_set_new(result, "appArmorProfile", json_pack("{s:s}", "type", "Unconfined"));
        json_object_set_new(result, "seLinuxOptions", json_pack("{s:s}", "type", "spc_t"));
    }
    return result;
}

json_t *helper_resources(const char *text)
{
    json_t *list = json_object();

    while (*text) {
        size_t length = strcspn(text, ",");
        cleanup_free char *item = strndup(text, length);
        char *equals = item ? strchr(item, '=') : NULL;
        uint64_t value;

        if (!equals || equals == item || kube_quantity(equals + 1, &value) < 0) {
            json_decref(list);
            return NULL;
        }
        *equals = '\0';
        json_object_set_new(list, item, json_string(equals + 1));
        text += length + (text[length] == ',');
    }
    return list;
}

static json_t *resources(const struct helper *helper)
{
    char memory[40];

    /* The kernel's pages of the ring may be counted as the container's. */
    snprintf(memory, sizeof(memory), "cpu=1,memory=%" PRIu64 "Mi", 64 + (helper->ring >> 20));
    return json_pack("{s:o, s:o}", "requests",
                     helper_resources(helper->requests ? helper->requests : "cpu=10m,memory=32Mi"),
                     "limits", helper_resources(helper->limits ? helper->limits : memory));
}

static json_t *container(const struct helper *helper)
{
    return json_pack("{s:s, s:s, s:s, s:[s, s], s:[{s:s, s:s}], s:o, s:o, s:[{s:s, s:s, s:b}]}",
                     "name", HELPER_CONTAINER, "image", helper->image, "imagePullPolicy",
                     helper->pull ? "IfNotPresent" : "Never", "command", HELPER_AGENT, "hold",
                     "env", "name", AGENT_SECRET_VARIABLE, "value", helper->secret_hash,
                     "securityContext", security_context(helper), "resources", resources(helper),
                     "volumeMounts", "name", VOLUME, "mountPath", "/ksniff", "readOnly", true);
}

json_t *helper_pod(const struct helper *helper)
{
    json_t *spec = json_pack(
        "{s:s, s:s, s:I, s:i, s:s, s:b, s:b, s:b, s:[{s:s}], s:[o], s:[{s:s, s:{s:s, s:i}}]}",
        "nodeName", helper->node_name, "restartPolicy", "Never", "activeDeadlineSeconds",
        (json_int_t)helper->deadline, "terminationGracePeriodSeconds", 1, "dnsPolicy", "Default",
        "enableServiceLinks", false, "hostPID", !helper->host_network, "hostNetwork",
        helper->host_network, "tolerations", "operator", "Exists", "containers", container(helper),
        "volumes", "name", VOLUME, "configMap", "name", helper->name, "defaultMode", FILE_MODE);

    json_object_set_new(spec, "automountServiceAccountToken",
                        json_boolean(helper->service_account != NULL));
    if (helper->service_account)
        json_object_set_new(spec, "serviceAccountName", json_string(helper->service_account));
    if (helper->pull_secrets)
        json_object_set_new(spec, "imagePullSecrets", json_deep_copy(helper->pull_secrets));
    return json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", "v1", "kind", "Pod", "metadata",
                     metadata(helper, true), "spec", spec);
}

json_t *helper_config_map(const struct helper *helper, const struct agent_binary *agent)
{
    cleanup_free char *text = text_base64_encode(agent->bytes, agent->length, false);

    if (!text)
        return NULL;
    /* Immutable: the kubelet need not watch it. */
    return json_pack("{s:s, s:s, s:o, s:b, s:{s:s}}", "apiVersion", "v1", "kind", "ConfigMap",
                     "metadata", metadata(helper, false), "immutable", true, "binaryData",
                     "ksniff-agent", text);
}

json_t *helper_owner(const json_t *pod)
{
    const json_t *of = json_object_get(pod, "metadata");
    const char *name = json_string_value(json_object_get(of, "name"));
    const char *uid = json_string_value(json_object_get(of, "uid"));

    return json_pack("{s:{s:[{s:s, s:s, s:s, s:s}]}}", "metadata", "ownerReferences", "apiVersion",
                     "v1", "kind", "Pod", "name", name ? name : "", "uid", uid ? uid : "");
}

/* ---- reading ---- */

static bool is_among(const char *word, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(word, *list) == 0)
            return true;
    return false;
}

static const char *string_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

bool helper_is_pulling(const struct kube_pod *pod)
{
    const struct kube_container *container = kube_pod_container(pod, HELPER_CONTAINER);
    size_t i;
    json_t *condition;

    /* Who admits pods may have changed what we ask for. */
    if (container && strcmp(string_at(container->spec, "imagePullPolicy"), "Never") == 0)
        return false;
    json_array_foreach(json_object_get(json_object_get(pod->json, "status"), "conditions"), i,
                       condition)
    {
        if (strcmp(string_at(condition, "type"), "PodReadyToStartContainers") == 0)
            return strcmp(string_at(condition, "status"), "True") == 0;
    }
    return false;
}

enum helper_state helper_state(const struct kube_pod *pod, const struct kube_container *container,
                               char *ret_why, size_t size)
{
    static const char *const unfit[] = {"ErrImageNeverPull",
                                        "ErrImagePull",
                                        "ImagePullBackOff",
                                        "InvalidImageName",
                                        "ImageInspectError",
                                        "RegistryUnavailable",
                                        "SignatureValidationFailed",
                                        "CreateContainerError",
                                        "RunContainerError",
                                        "CreateContainerConfigError",
                                        NULL};
    const json_t *status = json_object_get(pod->json, "status");
    const char *reason = "", *message = "";

    if (container && container->running)
        return HELPER_RUNNING;
    if (container && container->waiting_reason) {
        reason = container->waiting_reason;
        message = container->waiting_message;
    } else if (container && container->terminated_reason) {
        reason = container->terminated_reason;
        message = container->terminated_message;
    } else {
        reason = string_at(status, "reason");
        message = string_at(status, "message");
    }
    snprintf(ret_why, size, "%s%s%s", reason, *message ? ": " : "", message);
    if (container && container->waiting_reason && is_among(reason, unfit))
        return HELPER_UNFIT;
    if (container && container->terminated_reason)
        return strcmp(reason, "Completed") == 0 ? HELPER_ENDED : HELPER_UNFIT;
    return strcmp(pod->phase, "Failed") == 0 || strcmp(pod->phase, "Succeeded") == 0 ||
                   pod->terminating
               ? HELPER_ENDED
               : HELPER_STARTING;
}
