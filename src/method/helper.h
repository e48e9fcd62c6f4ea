/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helper pod of the node method and its ConfigMap, as objects of the API.
 *
 * Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/,
 * .../config-and-storage-resources/config-map-v1/
 */
#ifndef KSNIFF_METHOD_HELPER_H
#define KSNIFF_METHOD_HELPER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agent_binary;
struct kube_pod;
struct settings;
struct target;

#define HELPER_NAME_LABEL "app.kubernetes.io/name"
#define HELPER_NAME       "ksniff"
#define HELPER_SELECTOR                                                                            \
    "app.kubernetes.io%2Fname%3Dksniff%2Capp.kubernetes.io%2Fmanaged-by%3Dkubectl-sniff"
#define HELPER_CONTAINER "ksniff"
#define HELPER_DIRECTORY "/ksniff" /* where its ConfigMap is mounted */
#define HELPER_FILE      "ksniff-agent"
#define HELPER_AGENT     HELPER_DIRECTORY "/" HELPER_FILE
/* On those that record: the name of the recording. They serve whoever asks, and stay. */
#define HELPER_RECORDING_LABEL    "kubectl-sniff/recording"
#define HELPER_RECORDING_SELECTOR HELPER_SELECTOR "%2Ckubectl-sniff%2Frecording"
/* How long a client may wait for the pod, seconds; the clean-up leaves it alone until then. */
#define HELPER_TIMEOUT_ANNOTATION "kubectl-sniff/creation-timeout"

/* What the helper is allowed, least first: each is tried where the one before may not enter. */
enum helper_privilege {
    HELPER_CAPABILITIES, /* SYS_ADMIN, SYS_PTRACE, NET_RAW; with --keylog DAC_READ_SEARCH */
    HELPER_UNCONFINED,   /* and no AppArmor, and SELinux's spc_t */
    HELPER_PRIVILEGED,
};

/* What a helper's main process does in the place of `hold`. All is borrowed. */
struct helper_work {
    const char *program; /* its file in HELPER_DIRECTORY */
    /* That file for a machine, as agent_binary_find(). */
    const struct agent_binary *(*find)(const char *machine);
    const json_t *arguments;   /* behind its name */
    const json_t *labels;      /* of both objects, besides ours */
    const json_t *annotations; /* of the pod */
    const char *directory;     /* where it has a volume of its own, which lives with the pod */
    uint64_t size;             /* bytes that it writes there at most */
    bool in_memory;            /* that is the node's memory, not its disk */
    uint64_t seconds;          /* that the pod may live */
};

struct helper {
    const char *name; /* of the pod and of the ConfigMap */
    const char *namespace;
    const char *target; /* for a person: "shop/web", "node/node1" */
    const char *node_name;
    const char *image;
    bool pull;                   /* the image may be pulled */
    const json_t *pull_secrets;  /* imagePullSecrets; borrowed; NULL: none */
    const char *service_account; /* NULL: no token is mounted */
    const char *secret_hash;     /* of what the agent wants to hear (common/agent.h) */
    bool host_network;           /* the node's own interfaces; nothing is entered then */
    bool reads_files;            /* of containers, whoever owns them: key logs */
    bool disk_uncounted;         /* the node has no ephemeral-storage to ask for */
    enum helper_privilege privilege;
    uint64_t deadline;              /* seconds, activeDeadlineSeconds */
    uint64_t creation_timeout;      /* seconds, 0: no limit */
    uint64_t ring;                  /* bytes of the packet ring of each agent */
    uint64_t agents;                /* that run in it at once, at most */
    const char *requests, *limits;  /* as helper_resources() reads them; NULL: the default */
    const struct helper_work *work; /* NULL: it holds, for agents that are run beside it */
};

/* helper_namespace_of - where the helper pod of a target is made */
const char *helper_namespace_of(const struct settings *settings, const struct target *target);

/* helper_pod, helper_config_map - Return: owned by the caller, NULL when out of memory. */
json_t *helper_pod(const struct helper *helper);
json_t *helper_config_map(const struct helper *helper, const struct agent_binary *agent);

/* helper_owner - a merge patch that gives the ConfigMap to the pod. @pod: as the server has it. */
json_t *helper_owner(const json_t *pod);

/* helper_resources - "cpu=10m,memory=32Mi" as a ResourceList. Return: NULL when it is not one. */
json_t *helper_resources(const char *text);

/* helper_resource - one of such a list, in whole units. @text: NULL: empty. Return: whether it is
 * there; *ret_value is untouched where it is not. */
bool helper_resource(const char *text, const char *name, uint64_t *ret_value);

/*
 * What a helper's work takes of the node, of the resource that its volume counts as:
 * helper_work_resource - "memory" or "ephemeral-storage"
 * helper_work_needs - bytes: a limit below that would end it, and the API refuses it
 * helper_work_asks - bytes that its pod asks the node for. @requests: as in struct helper
 */
const char *helper_work_resource(const struct helper_work *work);
uint64_t helper_work_needs(const struct helper_work *work);
uint64_t helper_work_asks(const struct helper_work *work, const char *requests);

enum helper_state {
    HELPER_STARTING,
    HELPER_RUNNING,
    HELPER_UNFIT, /* its image cannot be started: another may */
    HELPER_ENDED, /* or will never start, whatever the image */
};

/*
 * helper_state - how far a container of a pod is
 * @container: NULL: not known of yet
 * @ret_why: what it waits for, or why it does not start; raw text of the server
 */
struct kube_container;
enum helper_state helper_state(const struct kube_pod *pod, const struct kube_container *container,
                               char *ret_why, size_t size);

/*
 * helper_end_code - how its container has ended, the last time it has
 * @ret_why: what it has said then; raw text
 *
 * Return: the exit code; -1 where it has not ended, or was never started.
 */
int helper_end_code(const struct kube_pod *pod, char *ret_why, size_t size);

/*
 * helper_seconds_left - until the kubelet ends the pod (activeDeadlineSeconds, which somebody else
 * may have set, and which can be lowered, but never raised)
 * @now: seconds since 1970, by the server's clock
 *
 * Return: INT64_MAX: it has no such limit.
 */
int64_t helper_seconds_left(const struct kube_pod *pod, int64_t now);

/* helper_held_up_by - Return: the init container that has not ended well yet, and before which no
 * other container is started; NULL: none. We ask for none: a webhook adds them. */
const struct kube_container *helper_held_up_by(const struct kube_pod *pod);

/*
 * helper_is_pulling - has the pod all that it needs but its image, which may be pulled? A container
 * that is not started then soon waits for that. Servers before 1.28 do not tell: false.
 * Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/ (the condition
 * PodReadyToStartContainers)
 */
bool helper_is_pulling(const struct kube_pod *pod);

#endif
