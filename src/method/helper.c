/* SPDX-License-Identifier: Apache-2.0 */
#include "method/helper.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "method/agent_binary.h"
#include "settings/settings.h"
#include "target/target.h"
#include "common/agent.h"
#include "kube/pod.h"

#define MANAGED_BY     "kubectl-sniff"
#define VOLUME         "agent"
#define WORK           "work" /* the volume that it writes to */
#define FILE_MODE      0555
#define CPUS_MAX       4  /* that agents beside one another may use */
#define BASE_MIB       62 /* of memory */
#define AGENT_MIB      2  /* of each agent, without its ring */
#define ASKED_MIB      32 /* of memory, without a volume */
#define SPARE_DISK_MIB 64 /* of logs, and whatever else is not in the volume */

const char *helper_namespace_of(const struct settings *settings, const struct target *target)
{
    return settings->node_namespace ? settings->node_namespace
           : target->pod            ? target->namespace
                                    : settings->namespace;
}

/* ---- building ---- */

/*
 * What keeps others from putting containers into the pod, or from changing those that are there.
 * Sources: istio.io/latest/docs/reference/config/{labels,annotations}; linkerd.io/2/features/
 * proxy-injection; kuma.io/docs, "Kubernetes annotations and labels" (the annotation was before the
 * label); developer.hashicorp.com/consul/docs/k8s/annotations-and-labels; docs.dynatrace.com,
 * "Annotate" (of Dynatrace Operator; metadata-enrichment was data-ingest);
 * docs.datadoghq.com/containers/cluster_agent/admission_controller.
 */
static const struct {
    const char *part, *key, *value;
} opt_outs[] = {
    {"labels", "sidecar.istio.io/inject", "false"},
    {"annotations", "sidecar.istio.io/inject", "false"},
    {"annotations", "linkerd.io/inject", "disabled"},
    {"labels", "kuma.io/sidecar-injection", "disabled"},
    {"annotations", "kuma.io/sidecar-injection", "disabled"},
    {"annotations", "consul.hashicorp.com/connect-inject", "false"},
    {"annotations", "dynatrace.com/inject", "false"},
    {"annotations", "oneagent.dynatrace.com/inject", "false"},
    {"annotations", "metadata-enrichment.dynatrace.com/inject", "false"},
    {"annotations", "data-ingest.dynatrace.com/inject", "false"},
    {"labels", "admission.datadoghq.com/enabled", "false"},
};

static json_t *metadata(const struct helper *helper, bool pod)
{
    char timeout[24];
    json_t *result;

    snprintf(timeout, sizeof(timeout), "%" PRIu64, helper->creation_timeout);
    result = json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s}}", "name", helper->name, "namespace",
                       helper->namespace, "labels", HELPER_NAME_LABEL, HELPER_NAME,
                       "app.kubernetes.io/managed-by", MANAGED_BY, "annotations",
                       "kubectl-sniff/target", helper->target, HELPER_TIMEOUT_ANNOTATION, timeout);
    if (helper->work)
        json_object_update(json_object_get(result, "labels"), (json_t *)helper->work->labels);
    if (!pod)
        return result;
    if (helper->work)
        json_object_update(json_object_get(result, "annotations"),
                           (json_t *)helper->work->annotations);
    for (size_t i = 0; i < sizeof(opt_outs) / sizeof(opt_outs[0]); i++)
        json_object_set_new(json_object_get(result, opt_outs[i].part), opt_outs[i].key,
                            json_string(opt_outs[i].value));
    /* Before Kubernetes 1.30 AppArmor is said here. */
    if (helper->privilege == HELPER_UNCONFINED)
        json_object_set_new(json_object_get(result, "annotations"),
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

    if (helper->reads_files && !helper->host_network)
        json_array_append_new(add, json_string("DAC_READ_SEARCH"));
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

/* MiB that its volume may hold: what is written takes whole blocks, and folders are some. */
static uint64_t volume_size(const struct helper_work *work)
{
    return (work->size + work->size / 16 + (17u << 20) - 1) >> 20;
}

const char *helper_work_resource(const struct helper_work *work)
{
    return work->in_memory ? "memory" : "ephemeral-storage";
}

uint64_t helper_work_needs(const struct helper_work *work)
{
    return (volume_size(work) + (work->in_memory ? ASKED_MIB : 0)) << 20;
}

bool helper_resource(const char *text, const char *name, uint64_t *ret_value)
{
    json_t *list = text ? helper_resources(text) : NULL;
    const char *value = json_string_value(json_object_get(list, name));
    bool found = value && kube_quantity(value, ret_value) == 0;

    json_decref(list);
    return found;
}

uint64_t helper_work_asks(const struct helper_work *work, const char *requests)
{
    uint64_t asked;

    return helper_resource(requests, helper_work_resource(work), &asked) ? asked
                                                                         : helper_work_needs(work);
}

/* What the user has not set: what it needs of the node's disk, or memory. With more than that the
 * kubelet ends it; so what it takes elsewhere, as its log, has room besides. @more: MiB */
static void add_work(json_t *list, const struct helper_work *work, uint64_t more)
{
    const char *name = helper_work_resource(work);
    char text[24];

    if (json_object_get(list, name))
        return;
    snprintf(text, sizeof(text), "%" PRIu64 "Mi", (helper_work_needs(work) >> 20) + more);
    json_object_set_new(list, name, json_string(text));
}

static json_t *resources(const struct helper *helper)
{
    const struct helper_work *work = helper->work;
    uint64_t cpus = helper->agents < CPUS_MAX ? helper->agents : CPUS_MAX;
    /* The kernel's pages of a ring may be counted as the container's; those of a volume are. */
    uint64_t most = BASE_MIB + helper->agents * ((helper->ring >> 20) + AGENT_MIB);
    bool memory = work && work->in_memory, disk = work && !memory && !helper->disk_uncounted;
    char text[60];

    snprintf(text, sizeof(text), "cpu=10m%s", memory ? "" : ",memory=32Mi");
    json_t *requests = helper_resources(helper->requests ? helper->requests : text);
    snprintf(text, sizeof(text), "cpu=%" PRIu64, cpus);
    if (!memory)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), ",memory=%" PRIu64 "Mi", most);
    json_t *limits = helper_resources(helper->limits ? helper->limits : text);

    if (memory || disk) {
        add_work(requests, work, 0);
        add_work(limits, work, memory ? most - ASKED_MIB : SPARE_DISK_MIB);
    }
    return json_pack("{s:o, s:o}", "requests", requests, "limits", limits);
}

static json_t *command(const struct helper *helper)
{
    const struct helper_work *work = helper->work;
    char program[80];

    if (!work)
        return json_pack("[s, s]", HELPER_AGENT, "hold");
    snprintf(program, sizeof(program), HELPER_DIRECTORY "/%s", work->program);
    json_t *list = json_pack("[s]", program);

    json_array_extend(list, (json_t *)work->arguments);
    return list;
}

static json_t *container(const struct helper *helper)
{
    const struct helper_work *work = helper->work;
    json_t *result =
        json_pack("{s:s, s:s, s:s, s:o, s:[{s:s, s:s}], s:o, s:o, s:[{s:s, s:s, s:b}]}", "name",
                  HELPER_CONTAINER, "image", helper->image, "imagePullPolicy",
                  helper->pull ? "IfNotPresent" : "Never", "command", command(helper), "env",
                  "name", AGENT_SECRET_VARIABLE, "value", helper->secret_hash, "securityContext",
                  security_context(helper), "resources", resources(helper), "volumeMounts", "name",
                  VOLUME, "mountPath", HELPER_DIRECTORY, "readOnly", true);

    if (!work)
        return result;
    json_array_append_new(json_object_get(result, "volumeMounts"),
                          json_pack("{s:s, s:s}", "name", WORK, "mountPath", work->directory));
    /* What it said before it ended is read in the pod's status. */
    json_object_set_new(result, "terminationMessagePolicy", json_string("FallbackToLogsOnError"));
    return result;
}

static json_t *work_volume(const struct helper_work *work)
{
    char size[24];

    snprintf(size, sizeof(size), "%" PRIu64 "Mi", volume_size(work));
    json_t *volume = json_pack("{s:s, s:{s:s}}", "name", WORK, "emptyDir", "sizeLimit", size);

    if (work->in_memory)
        json_object_set_new(json_object_get(volume, "emptyDir"), "medium", json_string("Memory"));
    return volume;
}

json_t *helper_pod(const struct helper *helper)
{
    const struct helper_work *work = helper->work;
    json_t *spec = json_pack(
        "{s:s, s:s, s:I, s:i, s:s, s:b, s:b, s:b, s:[{s:s}], s:[o], s:[{s:s, s:{s:s, s:i}}]}",
        "nodeName", helper->node_name, "restartPolicy", work ? "Always" : "Never",
        "activeDeadlineSeconds", (json_int_t)helper->deadline, "terminationGracePeriodSeconds", 1,
        "dnsPolicy", "Default", "enableServiceLinks", false, "hostPID", !helper->host_network,
        "hostNetwork", helper->host_network, "tolerations", "operator", "Exists", "containers",
        container(helper), "volumes", "name", VOLUME, "configMap", "name", helper->name,
        "defaultMode", FILE_MODE);

    if (work)
        json_array_append_new(json_object_get(spec, "volumes"), work_volume(work));
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
                     helper->work ? helper->work->program : HELPER_FILE, text);
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

int64_t helper_seconds_left(const struct kube_pod *pod, int64_t now)
{
    const json_t *limit =
        json_object_get(json_object_get(pod->json, "spec"), "activeDeadlineSeconds");
    int64_t started;

    /* The API takes no other. */
    if (!json_is_integer(limit) || json_integer_value(limit) < 1 ||
        json_integer_value(limit) > INT32_MAX)
        return INT64_MAX;
    if (text_parse_time(string_at(json_object_get(pod->json, "status"), "startTime"), &started) < 0)
        started = now;
    return started - now + json_integer_value(limit);
}

/* Does a container go on beside the others (a sidecar)? Then it holds nothing up once it runs. */
static bool goes_on(const struct kube_container *container)
{
    return strcmp(string_at(container->spec, "restartPolicy"), "Always") == 0;
}

const struct kube_container *helper_held_up_by(const struct kube_pod *pod)
{
    for (size_t i = 0; i < pod->container_count; i++) {
        const struct kube_container *container = &pod->containers[i];
        const char *ended = container->terminated_reason;

        if (container->kind == KUBE_CONTAINER_INIT && !(ended && strcmp(ended, "Completed") == 0) &&
            !(container->running && goes_on(container)))
            return container;
    }
    return NULL;
}

bool helper_is_pulling(const struct kube_pod *pod)
{
    const struct kube_container *container = kube_pod_container(pod, HELPER_CONTAINER);
    size_t i;
    json_t *condition;

    /* Who admits pods may have changed what we ask for. */
    if (container && strcmp(string_at(container->spec, "imagePullPolicy"), "Never") == 0)
        return false;
    if (helper_held_up_by(pod))
        return false;
    json_array_foreach(json_object_get(json_object_get(pod->json, "status"), "conditions"), i,
                       condition)
    {
        if (strcmp(string_at(condition, "type"), "PodReadyToStartContainers") == 0)
            return strcmp(string_at(condition, "status"), "True") == 0;
    }
    return false;
}

/* What a container waits for, or how it has ended. */
static void say_state(const struct kube_container *container, const char **ret_reason,
                      const char **ret_message)
{
    if (container->waiting_reason) {
        *ret_reason = container->waiting_reason;
        *ret_message = container->waiting_message;
    } else if (container->terminated_reason) {
        *ret_reason = container->terminated_reason;
        *ret_message = container->terminated_message;
    }
}

int helper_end_code(const struct kube_pod *pod, char *ret_why, size_t size)
{
    const json_t *statuses =
        json_object_get(json_object_get(pod->json, "status"), "containerStatuses");
    const json_t *ended = NULL, *code;
    size_t i;
    json_t *status;

    json_array_foreach(statuses, i, status)
    {
        if (strcmp(string_at(status, "name"), HELPER_CONTAINER) != 0)
            continue;
        ended = json_object_get(json_object_get(status, "state"), "terminated");
        if (!ended)
            ended = json_object_get(json_object_get(status, "lastState"), "terminated");
    }
    code = json_object_get(ended, "exitCode");
    if (!json_is_integer(code))
        return -1;
    const char *message = string_at(ended, "message");
    snprintf(ret_why, size, "%s", *message ? message : string_at(ended, "reason"));
    return (int)json_integer_value(code);
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
    const char *reason = string_at(status, "reason"), *message = string_at(status, "message");
    const struct kube_container *first =
        container && container->kind == KUBE_CONTAINER_REGULAR ? helper_held_up_by(pod) : NULL;
    bool failed = strcmp(pod->phase, "Failed") == 0;

    if (container && container->running)
        return HELPER_RUNNING;
    if (failed && *reason) { /* the kubelet's word on the whole pod */
        snprintf(ret_why, size, "%s%s%s", reason, *message ? ": " : "", message);
        return HELPER_ENDED;
    }
    if (first) {
        say_state(first, &reason, &message);
        snprintf(ret_why, size, "its init container \"%s\": %s%s%s", first->name,
                 *reason ? reason : "running", *message ? ": " : "", message);
        return failed || pod->terminating ? HELPER_ENDED : HELPER_STARTING;
    }
    if (container)
        say_state(container, &reason, &message);
    snprintf(ret_why, size, "%s%s%s", reason, *message ? ": " : "", message);
    if (container && container->waiting_reason && is_among(reason, unfit))
        return HELPER_UNFIT;
    if (container && container->terminated_reason)
        return strcmp(reason, "Completed") == 0 ? HELPER_ENDED : HELPER_UNFIT;
    return failed || strcmp(pod->phase, "Succeeded") == 0 || pod->terminating ? HELPER_ENDED
                                                                              : HELPER_STARTING;
}
