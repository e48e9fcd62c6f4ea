/* SPDX-License-Identifier: Apache-2.0 */
#include "method/preflight.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/place.h"
#include "base/text.h"
#include "method/agent_binary.h"
#include "method/helper.h"
#include "settings/settings.h"
#include "target/target.h"
#include "kube/client.h"
#include "kube/node.h"
#include "kube/pod.h"
#include "kube/stream.h"

/* By SPDY an exec needs "create" alone. By WebSocket servers want "get", since 1.35 both: with
 * "get" alone the attempt decides. */
#define EXEC_RIGHTS                                                                                \
    {"create", "pods", "exec", NULL},                                                              \
    {                                                                                              \
        "get", "pods", "exec", NULL                                                                \
    }
#define EXEC_COUNT 2

static const struct {
    const char *name;
    struct kube_right rights[PREFLIGHT_RIGHTS_MAX]; /* those of exec first */
} methods[METHOD_COUNT] = {
    [METHOD_UPLOAD] = {"upload", {EXEC_RIGHTS}},
    [METHOD_NODE] = {"node",
                     {EXEC_RIGHTS,
                      {"create", "configmaps", NULL, NULL},
                      {"patch", "configmaps", NULL, NULL},
                      {"create", "pods", NULL, NULL},
                      {"get", "pods", NULL, NULL},
                      {"delete", "pods", NULL, NULL},
                      {"delete", "configmaps", NULL, NULL}}},
    [METHOD_EPHEMERAL] = {"ephemeral",
                          {EXEC_RIGHTS, {"patch", "pods", "ephemeralcontainers", NULL}}},
};

const char *preflight_method_name(enum preflight_method method)
{
    return methods[method].name;
}

/* Of the target; a node has none, but what the context says. */
static const char *own_namespace(const struct preflight *preflight)
{
    return preflight->target->pod ? preflight->target->namespace : preflight->settings->namespace;
}

static const char *helper_namespace(const struct preflight *preflight)
{
    return helper_namespace_of(preflight->settings, preflight->target);
}

static const char *namespace_of(const struct preflight *preflight, enum preflight_method method)
{
    return method == METHOD_NODE ? helper_namespace(preflight) : own_namespace(preflight);
}

static size_t rights_of(enum preflight_method method)
{
    size_t count = 0;

    while (count < PREFLIGHT_RIGHTS_MAX && methods[method].rights[count].verb)
        count++;
    return count;
}

/* ---- asking ---- */

enum pod_security preflight_level(const json_t *namespace)
{
    const json_t *labels = json_object_get(json_object_get(namespace, "metadata"), "labels");
    const char *enforced =
        json_string_value(json_object_get(labels, "pod-security.kubernetes.io/enforce"));

    if (!namespace)
        return POD_SECURITY_UNKNOWN;
    if (!enforced || strcmp(enforced, "privileged") == 0)
        return POD_SECURITY_PRIVILEGED;
    /* What is no level is enforced as the strictest. */
    return strcmp(enforced, "baseline") == 0 ? POD_SECURITY_BASELINE : POD_SECURITY_RESTRICTED;
}

static void take_node(struct preflight *preflight)
{
    json_t *object = fact_object(preflight->node);
    struct target *target = preflight->target;
    struct error err;

    if (object && !target->node && kube_node_read(object, &target->node, &err) < 0)
        log_debug("%s", err.text);
}

/* By an attempt, in the same namespace. */
static bool exec_was_refused(const struct preflight *preflight, enum preflight_method method)
{
    const char *namespace = namespace_of(preflight, method);

    for (int other = 0; other < METHOD_COUNT; other++)
        if (preflight->exec_refused[other] &&
            strcmp(namespace, namespace_of(preflight, other)) == 0)
            return true;
    return false;
}

static void take_facts(void *data)
{
    struct preflight *preflight = data;
    enum kube_access *answers = preflight->rights[preflight->asked];

    for (size_t i = 0; i < rights_of(preflight->asked); i++)
        answers[i] = fact_access(preflight->asked_rights[i]);
    if (exec_was_refused(preflight, preflight->asked))
        preflight_refuse_exec(preflight, preflight->asked);
    if (answers[0] == KUBE_ACCESS_ALLOWED && answers[1] == KUBE_ACCESS_DENIED)
        kube_stream_prefer_spdy(facts_client(preflight->facts));
    if (preflight->own) {
        preflight->target_level = preflight_level(fact_object(preflight->own));
        preflight->helper_level = preflight_level(fact_object(preflight->helper));
    }
    take_node(preflight);
    preflight->done(preflight->data);
}

/* Is it to be asked for the target alone? Of the two of exec one is enough. */
static bool is_refused(const struct preflight *preflight, size_t right)
{
    const struct fact *const *asked = preflight->asked_rights;

    if (right >= EXEC_COUNT)
        return fact_access(asked[right]) == KUBE_ACCESS_DENIED;
    for (size_t i = 0; i < EXEC_COUNT; i++)
        if (fact_access(asked[i]) != KUBE_ACCESS_DENIED)
            return false;
    return true;
}

static void ask_for_target(struct preflight *preflight, size_t at)
{
    struct kube_right right = methods[preflight->asked].rights[at];

    right.name = preflight->target->name;
    preflight->asked_rights[at] = facts_wait_add(
        &preflight->wait, facts_right(preflight->facts, own_namespace(preflight), &right));
}

/* A role may name the pods that it holds for: what is refused for any, and wanted for the target
 * alone, is asked for again. Return: was anything? */
static bool ask_by_name(struct preflight *preflight)
{
    const size_t count = rights_of(preflight->asked);
    bool refused[PREFLIGHT_RIGHTS_MAX];

    if (preflight->asked == METHOD_NODE || !preflight->target->pod)
        return false;
    preflight->wait = (struct facts_wait){.count = 0};
    for (size_t i = 0; i < count; i++)
        refused[i] = is_refused(preflight, i);
    for (size_t i = 0; i < count; i++)
        if (refused[i])
            ask_for_target(preflight, i);
    if (preflight->wait.count == 0)
        return false;
    facts_wait_begin(&preflight->wait, preflight->facts, take_facts, preflight);
    return true;
}

static void on_facts(void *data)
{
    if (!ask_by_name(data))
        take_facts(data);
}

static void ask_for_node(struct preflight *preflight)
{
    const struct target *target = preflight->target;

    if (!target->node && *target->node_name)
        preflight->node =
            facts_wait_add(&preflight->wait, facts_node(preflight->facts, target->node_name));
}

static void begin(struct preflight *preflight, void (*done)(void *data), void *data)
{
    preflight_end(preflight);
    preflight->wait = (struct facts_wait){.count = 0};
    preflight->own = preflight->helper = preflight->node = NULL;
    preflight->done = done;
    preflight->data = data;
}

void preflight_ask(struct preflight *preflight, enum preflight_method method,
                   void (*done)(void *data), void *data)
{
    struct facts *facts = preflight->facts;
    struct facts_wait *wait = &preflight->wait;

    begin(preflight, done, data);
    preflight->asked = method;
    if (preflight->target->host_network && !preflight->settings->own_traffic)
        facts_wait_add(wait, facts_servers(facts));
    if (method != METHOD_UPLOAD || wait->count > 0)
        ask_for_node(preflight);
    if (method != METHOD_UPLOAD) {
        preflight->own = facts_wait_add(wait, facts_namespace(facts, own_namespace(preflight)));
        preflight->helper =
            facts_wait_add(wait, facts_namespace(facts, helper_namespace(preflight)));
    }
    for (size_t i = 0; i < rights_of(method); i++)
        preflight->asked_rights[i] = facts_wait_add(
            wait, facts_right(facts, namespace_of(preflight, method), &methods[method].rights[i]));
    facts_wait_begin(wait, facts, on_facts, preflight);
}

static void on_node(void *data)
{
    struct preflight *preflight = data;

    take_node(preflight);
    preflight->done(preflight->data);
}

void preflight_ask_node(struct preflight *preflight, void (*done)(void *data), void *data)
{
    begin(preflight, done, data);
    ask_for_node(preflight);
    facts_wait_begin(&preflight->wait, preflight->facts, on_node, preflight);
}

void preflight_end(struct preflight *preflight)
{
    facts_wait_end(&preflight->wait);
}

/* ---- asking, and waiting for it ---- */

static void on_gathered(void *data)
{
    bool *done = data;

    *done = true;
}

static int await(struct preflight *preflight, const bool *done, struct error *err)
{
    struct loop *loop = kube_client_loop(facts_client(preflight->facts));

    while (!*done) {
        if (loop_interrupted(loop)) {
            preflight_end(preflight);
            return error_set(err, ERROR_INTERRUPTED, "interrupted before the capture had begun");
        }
        loop_step(loop, -1);
    }
    return 0;
}

int preflight_gather(struct preflight *preflight, enum preflight_method method, struct error *err)
{
    bool done = false;

    preflight_ask(preflight, method, on_gathered, &done);
    return await(preflight, &done, err);
}

int preflight_gather_node(struct preflight *preflight, struct error *err)
{
    bool done = false;

    preflight_ask_node(preflight, on_gathered, &done);
    return await(preflight, &done, err);
}

void preflight_refuse_exec(struct preflight *preflight, enum preflight_method method)
{
    preflight->exec_refused[method] = true;
    for (size_t i = 0; i < EXEC_COUNT; i++)
        preflight->rights[method][i] = KUBE_ACCESS_DENIED;
}

/* ---- judging ---- */

struct verdict {
    enum preflight_verdict is;
    struct obstacle *obstacles;
    size_t most, count;
};

static void put_obstacle(struct verdict *verdict, const char *who, const char *format,
                         va_list arguments)
{
    char what[sizeof(verdict->obstacles->what)];

    if (verdict->count == verdict->most)
        return;
    vsnprintf(what, sizeof(what), format, arguments);
    struct obstacle *obstacle = &verdict->obstacles[verdict->count++];
    text_escape(obstacle->what, sizeof(obstacle->what), what, strlen(what));
    text_escape(obstacle->who, sizeof(obstacle->who), who, strlen(who));
}

/* Adds an obstacle. @format: of what stands in the way; @who: who could change it */
__attribute__((format(printf, 3, 4))) static void add(struct verdict *verdict, const char *who,
                                                      const char *format, ...)
{
    va_list arguments;

    verdict->is = PREFLIGHT_IMPOSSIBLE;
    va_start(arguments, format);
    put_obstacle(verdict, who, format, arguments);
    va_end(arguments);
}

static void doubt(struct verdict *verdict)
{
    if (verdict->is == PREFLIGHT_POSSIBLE)
        verdict->is = PREFLIGHT_MAYBE;
}

/* Adds what may stand in the way. */
__attribute__((format(printf, 3, 4))) static void
doubt_because(struct verdict *verdict, const char *who, const char *format, ...)
{
    va_list arguments;

    doubt(verdict);
    va_start(arguments, format);
    put_obstacle(verdict, who, format, arguments);
    va_end(arguments);
}

static void judge_rights(const struct preflight *preflight, enum preflight_method method,
                         struct verdict *verdict)
{
    const enum kube_access *answers = preflight->rights[method];
    const char *namespace = namespace_of(preflight, method);
    char who[sizeof(verdict->obstacles->who)], right[80];

    snprintf(who, sizeof(who), "an administrator of the namespace: %s/rbac/%s.yaml",
             place_of_documents(), methods[method].name);
    if (answers[0] == KUBE_ACCESS_DENIED && answers[1] == KUBE_ACCESS_DENIED)
        add(verdict, who, "needs: create pods/exec in namespace \"%s\"", namespace);
    else if (answers[0] != KUBE_ACCESS_ALLOWED)
        doubt(verdict); /* "get" may be enough: it depends on the server's version */
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
    if (target->pod && strcmp(target->pod->os, "windows") == 0)
        add(verdict, "nobody: Windows has no AF_PACKET", "pod \"%s\" is one for Windows",
            target->name);
    if (!target->node)
        return;
    if (target->node->virtual)
        add(verdict, "nobody: the pods of such a node run elsewhere",
            "node \"%s\" is a virtual kubelet: it has no network of its own", target->node_name);
    if (strcmp(target->node->os, "windows") == 0)
        add(verdict, "nobody: Windows has no AF_PACKET", "node \"%s\" runs Windows",
            target->node_name);
}

static void judge_phase(const struct kube_pod *pod, struct verdict *verdict)
{
    if (strcmp(pod->phase, "Succeeded") == 0 || strcmp(pod->phase, "Failed") == 0)
        add(verdict, "nobody: there is nothing left to capture", "pod \"%s\" has ended (%s)",
            pod->name, pod->phase);
    else if (!*pod->node)
        add(verdict, "whoever deploys the pod; --wait waits for it",
            "pod \"%s\" has not been scheduled to a node yet", pod->name);
}

/* A tcpdump of the user's is uploaded in place of an agent; the other methods need one. */
static void judge_machine(const struct preflight *preflight, enum preflight_method method,
                          struct verdict *verdict)
{
    const struct kube_node *node = preflight->target->node;

    if (node && *node->architecture && !agent_binary_find(node->architecture) &&
        (method != METHOD_UPLOAD || !preflight->settings->tcpdump_path))
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

/* Is NET_RAW asked for, by name or with everything? */
static bool asks_for_net_raw(const struct target *target)
{
    const json_t *add = json_object_get(container_field(target, "capabilities"), "add");

    return json_is_true(container_field(target, "privileged")) || names_capability(add, "ALL") ||
           names_capability(add, "NET_RAW");
}

/* Has the container lost NET_RAW, which runtimes give by default? */
static bool lacks_net_raw(const struct target *target)
{
    const json_t *drop = json_object_get(container_field(target, "capabilities"), "drop");

    return (names_capability(drop, "ALL") || names_capability(drop, "NET_RAW")) &&
           !asks_for_net_raw(target);
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
        add(verdict,
            strcmp(target->pod->phase, "Pending") == 0 ? "you: --wait waits for it"
                                                       : "whoever deploys the pod",
            "container \"%s\" is not running (%s)", name,
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
    if (target->pod->terminating)
        add(verdict, "nobody: it takes no container any more", "pod \"%s\" is being deleted",
            target->name);
    if (target->pod->mirror)
        add(verdict, "nobody: static pods take no ephemeral containers",
            "pod \"%s\" is a static pod", target->name);
    if (preflight->target_level == POD_SECURITY_RESTRICTED)
        add(verdict, "a cluster administrator",
            "namespace \"%s\" enforces Pod Security \"restricted\", which forbids NET_RAW",
            own_namespace(preflight));
    else if (preflight->target_level == POD_SECURITY_UNKNOWN)
        doubt(verdict);
}

/* ---- what the runtime gives ---- */

/*
 * Is it a pod of GKE's Autopilot, whose admission lets only allowlisted pods have more than the
 * default? By the marks that it leaves on what it admits, and by the names of its nodes.
 * Source: https://cloud.google.com/kubernetes-engine/docs/concepts/autopilot-security
 */
static bool is_on_autopilot(const struct target *target)
{
    json_t *metadata = target->pod ? json_object_get(target->pod->json, "metadata") : NULL;
    const char *key;
    json_t *value;

    if (strncmp(target->node_name, "gk3-", 4) == 0)
        return true;
    json_object_foreach(json_object_get(metadata, "annotations"), key, value)
    {
        if (strncmp(key, "autopilot.gke.io/", 17) == 0)
            return true;
    }
    return false;
}

/* CRI-O's default set is without it since 1.18, unless its configuration has it. */
static bool is_on_crio(const struct target *target)
{
    const char *runtime = target->node        ? target->node->runtime
                          : target->container ? target->container->runtime
                                              : "";

    return strncmp(runtime, "cri-o://", 8) == 0;
}

/* What no field of the pod tells: the attempt decides, and this is why it may fail. */
static void judge_defaults(const struct preflight *preflight, enum preflight_method method,
                           struct verdict *verdict)
{
    static const char allowlist[] = "whoever may allow it: a WorkloadAllowlist";
    const struct target *target = preflight->target;
    bool autopilot = is_on_autopilot(target), crio = is_on_crio(target);

    if (method == METHOD_NODE) {
        if (autopilot)
            doubt_because(verdict, allowlist,
                          "GKE Autopilot admits no pod with the node's namespaces or with "
                          "SYS_ADMIN, unless it is allowlisted");
    } else if (method == METHOD_EPHEMERAL) {
        if (autopilot)
            doubt_because(verdict, allowlist,
                          "GKE Autopilot admits no container that asks for NET_RAW, unless it is "
                          "allowlisted, and gives it to none");
        else if (crio && preflight->target_level == POD_SECURITY_BASELINE)
            doubt_because(verdict, "a cluster administrator: default_capabilities of CRI-O",
                          "NET_RAW may not be asked for under Pod Security \"baseline\", and CRI-O "
                          "does not give it by default");
    } else if ((crio || autopilot) && !asks_for_net_raw(target)) {
        doubt_because(verdict, "whoever deploys the pod: capabilities.add in its securityContext",
                      "container \"%s\" may lack the capability NET_RAW: %s does not give it by "
                      "default",
                      target->container->name, autopilot ? "GKE Autopilot" : "CRI-O");
    }
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
    if (preflight->target->pod)
        judge_phase(preflight->target->pod, &verdict);
    judge_machine(preflight, method, &verdict);
    if (method == METHOD_UPLOAD)
        judge_upload(preflight, &verdict);
    else if (method == METHOD_NODE)
        judge_helper_level(preflight, &verdict);
    else
        judge_ephemeral(preflight, &verdict);
    judge_rights(preflight, method, &verdict);
    if (verdict.is != PREFLIGHT_IMPOSSIBLE)
        judge_defaults(preflight, method, &verdict);
    *ret_count = verdict.count;
    return verdict.is;
}
