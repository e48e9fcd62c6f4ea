/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/preflight.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "capture/agent_binary.h"
#include "capture/settings.h"
#include "capture/target.h"
#include "kube/client.h"
#include "kube/node.h"
#include "kube/pod.h"

/* An exec needs one of the two, depending on the server's version, or both: the attempt decides. */
#define EXEC_RIGHTS                                                                                \
    {"create", "pods", "exec"},                                                                    \
    {                                                                                              \
        "get", "pods", "exec"                                                                      \
    }
#define EXEC_COUNT 2

static const struct {
    const char *name;
    struct kube_right rights[PREFLIGHT_RIGHTS_MAX]; /* those of exec first */
} methods[METHOD_COUNT] = {
    [METHOD_UPLOAD] = {"upload", {EXEC_RIGHTS}},
    [METHOD_NODE] = {"node",
                     {EXEC_RIGHTS,
                      {"create", "configmaps", NULL},
                      {"patch", "configmaps", NULL},
                      {"create", "pods", NULL},
                      {"get", "pods", NULL},
                      {"delete", "pods", NULL}}},
    [METHOD_EPHEMERAL] = {"ephemeral", {EXEC_RIGHTS, {"patch", "pods", "ephemeralcontainers"}}},
};

const char *preflight_method_name(enum preflight_method method)
{
    return methods[method].name;
}

static const char *helper_namespace(const struct preflight *preflight)
{
    return preflight->settings->node_namespace ? preflight->settings->node_namespace
                                               : preflight->settings->namespace;
}

static const char *namespace_of(const struct preflight *preflight, enum preflight_method method)
{
    return method == METHOD_NODE ? helper_namespace(preflight) : preflight->settings->namespace;
}

static size_t rights_of(enum preflight_method method)
{
    size_t count = 0;

    while (count < PREFLIGHT_RIGHTS_MAX && methods[method].rights[count].verb)
        count++;
    return count;
}

/* ---- gathering ---- */

static enum pod_security level_of(struct kube_client *client, const char *namespace,
                                  struct error *err)
{
    static const char *const names[] = {[POD_SECURITY_PRIVILEGED] = "privileged",
                                        [POD_SECURITY_BASELINE] = "baseline",
                                        [POD_SECURITY_RESTRICTED] = "restricted"};
    cleanup_free char *path = text_format("/api/v1/namespaces/%s", namespace);
    json_t *answer = NULL;
    enum pod_security level = POD_SECURITY_PRIVILEGED; /* as where there is no label */

    if (!path || kube_request(client, "GET", path, NULL, NULL, &answer, err) < 0) {
        log_debug("namespace '%s' may not be looked at: %s", namespace, err->text);
        return POD_SECURITY_UNKNOWN;
    }
    const char *enforced = json_string_value(
        json_object_get(json_object_get(json_object_get(answer, "metadata"), "labels"),
                        "pod-security.kubernetes.io/enforce"));
    for (size_t i = POD_SECURITY_PRIVILEGED; enforced && i <= POD_SECURITY_RESTRICTED; i++)
        if (strcmp(enforced, names[i]) == 0)
            level = (enum pod_security)i;
    json_decref(answer);
    return level;
}

static int look_at_namespaces(struct preflight *preflight, struct error *err)
{
    const char *target = preflight->settings->namespace, *helper = helper_namespace(preflight);
    struct error failure = {0};

    if (preflight->looked_at_namespaces)
        return 0;
    preflight->looked_at_namespaces = true;
    preflight->target_level = level_of(preflight->client, target, &failure);
    preflight->helper_level = strcmp(target, helper) == 0
                                  ? preflight->target_level
                                  : level_of(preflight->client, helper, &failure);
    if (failure.kind != ERROR_INTERRUPTED)
        return 0;
    *err = failure;
    return -1;
}

int preflight_gather(struct preflight *preflight, enum preflight_method method, struct error *err)
{
    if (kube_access_ask(preflight->client, namespace_of(preflight, method), methods[method].rights,
                        rights_of(method), preflight->rights[method], err) < 0)
        return -1;
    if (method == METHOD_UPLOAD)
        return 0; /* nothing more: it is the fast way */
    target_learn_node(preflight->client, preflight->target);
    return look_at_namespaces(preflight, err);
}

/* ---- judging ---- */

struct verdict {
    enum preflight_verdict is;
    struct obstacle *obstacles;
    size_t most, count;
};

/* Adds an obstacle. @format: of what stands in the way; @who: who could change it */
__attribute__((format(printf, 3, 4))) static void add(struct verdict *verdict, const char *who,
                                                      const char *format, ...)
{
    char what[320];
    va_list arguments;

    verdict->is = PREFLIGHT_IMPOSSIBLE;
    if (verdict->count == verdict->most)
        return;
    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    struct obstacle *obstacle = &verdict->obstacles[verdict->count++];
    text_escape(obstacle->what, sizeof(obstacle->what), what, strlen(what));
    text_escape(obstacle->who, sizeof(obstacle->who), who, strlen(who));
}

static void doubt(struct verdict *verdict)
{
    if (verdict->is == PREFLIGHT_POSSIBLE)
        verdict->is = PREFLIGHT_MAYBE;
}

static void judge_rights(const struct preflight *preflight, enum preflight_method method,
                         struct verdict *verdict)
{
    const enum kube_access *answers = preflight->rights[method];
    const char *namespace = namespace_of(preflight, method);
    char who[120], right[80];

    snprintf(who, sizeof(who), "an administrator of the namespace: docs/rbac/%s.yaml",
             methods[method].name);
    if (answers[0] == KUBE_ACCESS_DENIED && answers[1] == KUBE_ACCESS_DENIED)
        add(verdict, who,
            "needs: create pods/exec (get pods/exec on older servers) in namespace \"%s\"",
            namespace);
    else if (answers[0] != KUBE_ACCESS_ALLOWED && answers[1] != KUBE_ACCESS_ALLOWED)
        doubt(verdict);
    for (size_t i = EXEC_COUNT; i < rights_of(method); i++) {
        if (answers[i] == KUBE_ACCESS_DENIED)
            add(verdict, who, "needs: %s in namespace \"%s\"",
                kube_right_text(right, sizeof(right), &methods[method].rights[i]), namespace);
        else if (answers[i] == KUBE_ACCESS_UNKNOWN)
            doubt(verdict);
    }
}

/* What no method gets around. */
static void judge_node(const struct target *target, struct verdict *verdict)
{
    if (!target->node)
        return;
    if (target->node->virtual)
        add(verdict, "nobody: the pods of such a node run elsewhere",
            "node \"%s\" is a virtual kubelet: it has no network of its own", target->node_name);
    if (strcmp(target->node->os, "windows") == 0)
        add(verdict, "nobody: Windows has no AF_PACKET", "node \"%s\" runs Windows",
            target->node_name);
}

static void judge_machine(const struct preflight *preflight, struct verdict *verdict)
{
    const struct kube_node *node = preflight->target->node;

    if (node && *node->architecture && !preflight->settings->tcpdump_path &&
        !agent_binary_find(node->architecture))
        add(verdict, "nobody yet: upload a static tcpdump for it with -l PATH",
            "there is no agent for \"%s\" machines", node->architecture);
}

/* ---- the container's security context ---- */

/* A field of the container's security context, else of the pod's. */
static const json_t *context_field(const struct target *target, const char *key)
{
    const json_t *own =
        json_object_get(json_object_get(target->container->spec, "securityContext"), key);

    return own ? own
               : json_object_get(
                     json_object_get(json_object_get(target->pod->json, "spec"), "securityContext"),
                     key);
}

static const json_t *container_field(const struct target *target, const char *key)
{
    return json_object_get(json_object_get(target->container->spec, "securityContext"), key);
}

/* Return: the user that the container runs as; -1: not known. */
static json_int_t user_of(const struct target *target)
{
    const json_t *user = context_field(target, "runAsUser");

    if (json_is_integer(user))
        return json_integer_value(user);
    return target->container->user;
}

static bool names_capability(const json_t *list, const char *name)
{
    size_t i;
    json_t *entry;

    json_array_foreach(list, i, entry)
    {
        const char *listed = json_string_value(entry);

        if (listed && strncasecmp(listed, "CAP_", 4) == 0)
            listed += 4;
        if (listed && strcasecmp(listed, name) == 0)
            return true;
    }
    return false;
}

/* Has the container lost NET_RAW, which runtimes give by default? */
static bool lacks_net_raw(const struct target *target)
{
    const json_t *capabilities = container_field(target, "capabilities");
    const json_t *drop = json_object_get(capabilities, "drop");
    const json_t *add = json_object_get(capabilities, "add");

    return !json_is_true(container_field(target, "privileged")) &&
           (names_capability(drop, "ALL") || names_capability(drop, "NET_RAW")) &&
           !names_capability(add, "ALL") && !names_capability(add, "NET_RAW");
}

static bool has_no_place(const struct preflight *preflight)
{
    const struct target *target = preflight->target;
    const char *mounts[1];

    return json_is_true(container_field(target, "readOnlyRootFilesystem")) &&
           !preflight->settings->remote_path &&
           kube_pod_writable_mounts(target->pod, target->container, mounts, 1) == 0;
}

static void judge_upload(const struct preflight *preflight, struct verdict *verdict)
{
    static const char deployer[] = "whoever deploys the pod: its securityContext";
    const struct target *target = preflight->target;

    if (!target->pod) {
        add(verdict, "nobody: use the node method", "a node has no containers");
        return;
    }
    const char *name = target->container->name;
    json_int_t user = user_of(target);

    if (!target->container->running)
        add(verdict, "whoever deploys the pod", "container \"%s\" is not running (%s)", name,
            target->container->waiting_reason      ? target->container->waiting_reason
            : target->container->terminated_reason ? target->container->terminated_reason
                                                   : target->pod->phase);
    /* Kubernetes knows no ambient capabilities, and an uploaded file has none of its own. */
    if (user > 0)
        add(verdict, deployer, "container \"%s\" runs as user %lld, who cannot have NET_RAW", name,
            (long long)user);
    else if (user < 0 && json_is_true(context_field(target, "runAsNonRoot")))
        add(verdict, deployer, "container \"%s\" does not run as root, and so without NET_RAW",
            name);
    if (lacks_net_raw(target))
        add(verdict, deployer, "container \"%s\" lacks the capability NET_RAW", name);
    if (has_no_place(preflight))
        add(verdict, "whoever deploys the pod: an emptyDir; or you, if you know a path: -r",
            "container \"%s\" has a read-only root file system and no emptyDir to write to", name);
}

/* ---- admission ---- */

static void judge_helper_level(const struct preflight *preflight, struct verdict *verdict)
{
    static const char *const names[] = {
        [POD_SECURITY_BASELINE] = "baseline", [POD_SECURITY_RESTRICTED] = "restricted"};
    enum pod_security level = preflight->helper_level;

    if (level == POD_SECURITY_UNKNOWN)
        doubt(verdict);
    else if (level != POD_SECURITY_PRIVILEGED)
        add(verdict, "a cluster administrator; or you, with --node-namespace NS",
            "namespace \"%s\" enforces Pod Security \"%s\", which forbids the helper pod",
            helper_namespace(preflight), names[level]);
}

static void judge_ephemeral(const struct preflight *preflight, struct verdict *verdict)
{
    const struct target *target = preflight->target;

    if (!target->pod) {
        add(verdict, "nobody: use the node method", "a node has no containers");
        return;
    }
    if (target->pod->mirror)
        add(verdict, "nobody: static pods take no ephemeral containers",
            "pod \"%s\" is a static pod", target->name);
    if (preflight->target_level == POD_SECURITY_RESTRICTED)
        add(verdict, "a cluster administrator",
            "namespace \"%s\" enforces Pod Security \"restricted\", which forbids NET_RAW",
            preflight->settings->namespace);
    else if (preflight->target_level == POD_SECURITY_UNKNOWN)
        doubt(verdict);
}

bool preflight_may_add_capabilities(const struct preflight *preflight)
{
    return preflight->target_level == POD_SECURITY_UNKNOWN ||
           preflight->target_level == POD_SECURITY_PRIVILEGED;
}

enum preflight_verdict preflight_judge(const struct preflight *preflight,
                                       enum preflight_method method, struct obstacle *obstacles,
                                       size_t most, size_t *ret_count)
{
    struct verdict verdict = {.is = PREFLIGHT_POSSIBLE, .obstacles = obstacles, .most = most};

    judge_node(preflight->target, &verdict);
    judge_machine(preflight, &verdict);
    if (method == METHOD_UPLOAD)
        judge_upload(preflight, &verdict);
    else if (method == METHOD_NODE)
        judge_helper_level(preflight, &verdict);
    else
        judge_ephemeral(preflight, &verdict);
    judge_rights(preflight, method, &verdict);
    *ret_count = verdict.count;
    return verdict.is;
}
