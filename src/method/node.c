/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node method: a helper pod on the target's node, made of an image that is there already, with
 * the agent from a ConfigMap. Its main process only holds it; the capture is an exec into it, which
 * finds the target among the node's processes and enters its network namespace.
 *
 * The order of things: ConfigMap, pod, the pod made the ConfigMap's owner (the garbage collector
 * takes both then) while the pod starts, exec. Where the image cannot be started, or the agent may
 * not enter, all of it is made anew with the next image, or with more privilege.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__APPLE__) || (defined(__GLIBC__) && __GLIBC__ >= 2)
#include <sys/random.h>
#endif

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "method/admission.h"
#include "method/agent_binary.h"
#include "method/agent_exec.h"
#include "method/method.h"
#include "method/helper.h"
#include "method/helper_image.h"
#include "kube/patience.h"
#include "method/secret.h"
#include "method/session.h"
#include "settings/settings.h"
#include "target/target.h"
#include "method/trial.h"
#include "common/agent.h"
#include "kube/client.h"
#include "kube/node.h"
#include "kube/pod.h"

#define POLL_FIRST_MS   50
#define POLL_MOST_MS    500
#define PULL_MS         3000 /* a registry that nobody reaches lets a pull take minutes */
#define TARGET_POLL_MS  5000 /* is the target still there? */
#define WATCH_TICKS     4    /* that an answer to that may take */
#define NO_PROCESS_MS   1000
#define UNREACHED_MS    1000 /* until an exec that reached nobody is tried again */
#define REMOVE_MS       5000 /* for each request that cleans up */
#define REMOVE_FIRST_MS 300  /* until the first repetition */
#define DAY_SECONDS     86400
#define RUNNING_ASKED   200 /* pods of kube-system on the node */
#define AGE_SPARE_MIN   2   /* seconds before a helper's end that another takes its place: */
#define AGE_SPARE_MAX   60  /* an eighth of its life, within these */
#define SPARE_SECONDS   180 /* that the helper may live longer than --duration */
#define MERGE_PATCH     "application/merge-patch+json"

struct node_method {
    char name[32]; /* of the pod and of the ConfigMap */
    const char *namespace;
    struct secret secret; /* of the helper that there is */
    bool config_map_made, pod_made, owned;
    bool making;   /* call is a request that makes something */
    bool resuming; /* after a cut: the helper may be there still, or not */
    bool removing; /* it is taken away: no next step */

    const char *machine; /* the agent's: "amd64" */
    bool machine_known;  /* it is no guess */
    bool machine_tried;  /* with this image, the other one too */

    struct helper_images images;
    char why[300]; /* the last one was passed over; "": none was */
    bool looked;   /* at what runs on the node */
    enum helper_privilege privilege;

    struct patience patience; /* with the API server */
    bool told_of_init;        /* that the pod waits for a container of somebody else */

    uint64_t end;           /* loop_now() until which it may start; 0: no limit */
    uint64_t pulling;       /* loop_now() since when its image seems to be pulled; 0: it does not */
    struct kube_call *call; /* the step that is waited for */
    struct trial *trial;    /* of an exec, before anything is made */
    struct kube_call *owner; /* the patch of the ConfigMap */
    struct loop_timer *poll;
    unsigned poll_ms;
    struct loop_timer *age; /* of the helper: another must take its place */
    bool old;               /* that time has come */
    char farewell[120];
    struct loop_timer *watch; /* of the target */
    struct kube_call *watch_call;
    unsigned watch_ticks; /* that its answer has not come for */
};

static int begin_helper(struct session *session, struct error *err);
static void set_stage(struct session *session);

/* ---- the clean-up ---- */

/* Removes one of our objects. Return: 0, also when it is gone already; -1 with the error. */
static int remove_object(struct session *session, const char *resource, struct error *err)
{
    const struct node_method *node = session->method_data;
    cleanup_free char *path =
        text_format("/api/v1/namespaces/%s/%s/%s", node->namespace, resource, node->name);

    if (!path)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    uint64_t refused = 0;
    bool away = false;

    /* Again where the server has a bad moment: nobody else does it soon. */
    for (uint64_t end = loop_now() + REMOVE_MS, wait = REMOVE_FIRST_MS;; wait *= 2) {
        uint64_t now = loop_now();

        if (kube_delete(session->client, path, end > now ? (unsigned)(end - now) : 1, err) == 0 ||
            err->kind == ERROR_NOT_FOUND)
            return 0;
        bool doubtful = patience_doubts(&refused, err) && away;
        if ((!error_is_passing(err) && !doubtful) || loop_now() + wait >= end)
            return -1;
        away = true;
        for (uint64_t next = loop_now() + wait; (now = loop_now()) < next;)
            loop_step(session->loop, (int)(next - now));
    }
}

/* Lets a request that makes something come to its end: only then is it known what there is. */
static void await_calls(struct session *session)
{
    struct node_method *node = session->method_data;
    uint64_t end = loop_now() + REMOVE_MS;

    for (uint64_t now = loop_now(); ((node->call && node->making) || node->owner) && now < end;
         now = loop_now())
        loop_step(session->loop, (int)(end - now));
    /* What is still under way may yet be made. */
    if (node->call && node->making && node->config_map_made)
        node->pod_made = true;
    else if (node->call && node->making)
        node->config_map_made = true;
    kube_call_cancel(node->call);
    kube_call_cancel(node->owner);
    node->call = node->owner = NULL;
}

/* Takes the helper away, with all that belongs to it. */
static void remove_helper(struct session *session)
{
    struct node_method *node = session->method_data;
    struct error err;

    loop_stop_timer(node->poll);
    loop_stop_timer(node->watch);
    loop_stop_timer(node->age);
    kube_call_cancel(node->watch_call);
    node->watch_call = NULL;
    node->removing = true;
    await_calls(session);
    node->removing = false;
    if (node->pod_made && remove_object(session, "pods", &err) < 0) {
        log_warning("helper pod '%s' in namespace '%s' could not be removed: %s; it ends by itself "
                    "within %d s, and 'kubectl sniff --cleanup' removes it",
                    node->name, node->namespace, err.text, AGENT_HOLD_SECONDS);
    } else if (node->config_map_made && !node->owned &&
               remove_object(session, "configmaps", &err) < 0) {
        log_warning("ConfigMap '%s' in namespace '%s' could not be removed: %s; 'kubectl sniff "
                    "--cleanup' does it",
                    node->name, node->namespace, err.text);
    }
    node->pod_made = node->config_map_made = node->owned = node->old = false;
    session->farewell = NULL;
}

static void release(struct session *session)
{
    struct node_method *node = session->method_data;

    if (!node)
        return;
    remove_helper(session);
    trial_free(node->trial);
    loop_remove_timer(node->poll);
    loop_remove_timer(node->watch);
    loop_remove_timer(node->age);
    session->first_line = NULL;
    helper_images_free(&node->images);
    free(node);
    session->method_data = NULL;
}

/* ---- when a step fails ---- */

/*
 * Is there anything, after the request to make it ended so? Where nobody refused it there may be:
 * an answer that was lost, a proxy's, or, as curl repeats what a dying connection took, a conflict
 * with ourselves.
 */
static bool may_be_made(const struct error *err)
{
    return !err || error_is_passing(err) || err->kind == ERROR_CONFLICT;
}

static void give_up(struct session *session, const struct error *err)
{
    /* Another method needs other rights, and passes other admission. */
    session->elsewhere = err->kind != ERROR_NETWORK && err->kind != ERROR_INTERNAL;
    session_end(session, err);
}

static void next_attempt(struct session *session)
{
    struct error err;

    remove_helper(session);
    if (session->state == SESSION_STARTING && begin_helper(session, &err) < 0)
        give_up(session, &err);
}

static const struct helper_image *image_of(const struct node_method *node)
{
    return &node->images.list[node->images.at];
}

static void no_image_left(struct session *session)
{
    struct node_method *node = session->method_data;
    struct error err;

    if (node->images.count > 1)
        error_set(&err, ERROR_TARGET,
                  "the helper pod cannot be started on node \"%s\" from any of %zu images, at last "
                  "from \"%s\": %s",
                  session->target->node_name, node->images.count, image_of(node)->name, node->why);
    else
        error_set(&err, ERROR_TARGET,
                  "the helper pod cannot be started on node \"%s\" from \"%s\": %s",
                  session->target->node_name, image_of(node)->name, node->why);
    error_remedy(&err, "name an image that the node has, or can pull, with --image");
    give_up(session, &err);
}

static void tell_of_shell(const struct session *session)
{
    const struct node_method *node = session->method_data;

    log_warning("the helper pod runs from image '%s', which has a shell%s: until the end of the "
                "capture, who may exec in namespace '%s' can use its rights on node '%s'",
                image_of(node)->name,
                node->images.count > 1 ? ", as no image without one could be started" : "",
                node->namespace, session->target->node_name);
}

/* The image cannot be started, or has a shell. */
static void try_next_image(struct session *session)
{
    struct node_method *node = session->method_data;
    const struct helper_image *passed = image_of(node);

    remove_helper(session);
    if (session->state != SESSION_STARTING)
        return;
    node->machine_tried = false;
    if (!helper_images_next(&node->images)) {
        no_image_left(session);
        return;
    }
    if (node->images.second_round)
        tell_of_shell(session);
    else if (passed->guess)
        log_debug("image '%s' is not on the node: %s", passed->name, node->why);
    else
        log_info("image '%s' cannot be started on node '%s' (%s): trying '%s'", passed->name,
                 session->target->node_name, node->why, image_of(node)->name);
    next_attempt(session);
}

/* ---- what runs on the node ---- */

static void on_running(void *data, json_t *answer, const struct error *err)
{
    struct session *session = data;
    struct node_method *node = session->method_data;
    struct error failure;

    node->call = NULL;
    if (session->state != SESSION_STARTING)
        return;
    if (err)
        log_debug("what runs on the node is not known: %s", err->text);
    else
        helper_images_add_running(&node->images, answer);
    if (*node->why)
        try_next_image(session);
    else if (begin_helper(session, &failure) < 0)
        give_up(session, &failure);
}

/* Asks what DaemonSets run on the node, once. Return: whether the answer is waited for. */
static bool look_at_running(struct session *session)
{
    struct node_method *node = session->method_data;
    cleanup_free char *escaped = kube_escape(session->target->node_name);
    cleanup_free char *path =
        escaped ? text_format("/api/v1/namespaces/kube-system/pods?fieldSelector=spec.nodeName%%3D"
                              "%s&limit=%d",
                              escaped, RUNNING_ASKED)
                : NULL;
    const struct kube_request request = {.path = path, .timeout = session_request_timeout(session)};

    if (!path || node->looked || session->settings->image)
        return false;
    node->looked = true;
    set_stage(session);
    node->call = kube_call_start(session->client, &request, on_running, session, NULL);
    return node->call != NULL;
}

static void next_image(struct session *session, const char *why)
{
    struct node_method *node = session->method_data;

    snprintf(node->why, sizeof(node->why), "%.299s", why);
    if (!look_at_running(session))
        try_next_image(session);
}

/* It needs more to get in, or to run at all. */
static void next_privilege(struct session *session, const char *why)
{
    static const char *const how[] = {"", "without AppArmor, and as SELinux's spc_t", "privileged"};
    struct node_method *node = session->method_data;

    node->privilege++;
    log_info("the node does not let the helper pod in (%s): trying again %s", why,
             how[node->privilege]);
    next_attempt(session);
}

/*
 * Was it the agent that could not be started, being one for another machine? Who may not read nodes
 * does not know theirs. Return: whether the other agent is tried.
 */
static bool other_machine(struct session *session, const struct kube_container *container)
{
    struct node_method *node = session->method_data;

    if (node->machine_known || node->machine_tried || !container || !container->terminated_reason)
        return false;
    node->machine_tried = true;
    node->machine = strcmp(node->machine, "amd64") == 0 ? "arm64" : "amd64";
    log_debug("the agent does not start on node '%s': trying the one for '%s'",
              session->target->node_name, node->machine);
    next_attempt(session);
    return true;
}

/* ---- the target, while the capture runs ---- */

static void on_target(void *data, json_t *answer, const struct error *err)
{
    struct session *session = data;
    struct node_method *node = session->method_data;
    const char *uid =
        json_string_value(json_object_get(json_object_get(answer, "metadata"), "uid"));
    const char *phase =
        json_string_value(json_object_get(json_object_get(answer, "status"), "phase"));
    struct error gone;

    node->watch_call = NULL;
    loop_set_timer(node->watch, TARGET_POLL_MS);
    if (session->state != SESSION_RUNNING)
        return;
    if (err ? err->kind != ERROR_NOT_FOUND
            : uid && strcmp(uid, session->target->pod->uid) == 0 && phase &&
                  strcmp(phase, "Succeeded") != 0 && strcmp(phase, "Failed") != 0)
        return;
    error_set(&gone, ERROR_TARGET, "%s is gone: it %s", session->target->label,
              err ? "was deleted" : "has ended, or another one has taken its name");
    session_leave(session, &gone);
}

static void on_watch(void *data)
{
    struct session *session = data;
    struct node_method *node = session->method_data;
    cleanup_free char *path = text_format("/api/v1/namespaces/%s/pods/%s",
                                          session->target->namespace, session->target->name);
    const struct kube_request request = {.path = path, .timeout = session_request_timeout(session)};

    /* On a connection that has died silently no answer comes. */
    if (node->watch_call && ++node->watch_ticks >= WATCH_TICKS) {
        kube_call_cancel(node->watch_call);
        node->watch_call = NULL;
    }
    if (path && !node->watch_call && session->state == SESSION_RUNNING) {
        node->watch_ticks = 0;
        node->watch_call = kube_call_start(session->client, &request, on_target, session, NULL);
    }
    loop_set_timer(node->watch, TARGET_POLL_MS);
}

/* ---- running the agent ---- */

static int run_agent(struct session *session, struct error *err)
{
    struct node_method *node = session->method_data;
    const struct target *target = session->target;
    const struct session_place place = {node->namespace, node->name, HELPER_CONTAINER};
    const char *more[2 * AGENT_TARGETS_MAX + 4];
    size_t used = 0;

    session_set_place(session, &place);
    if (!node->images.second_round)
        more[used++] = "-N";
    if (!target->host_network) {
        /* The chosen container first; they all share the network. */
        if (*target->container->id) {
            more[used++] = "-C";
            more[used++] = target->container->id;
        }
        for (size_t i = 0; i < target->pod->container_count && used < 17; i++) {
            const struct kube_container *container = &target->pod->containers[i];

            if (container != target->container && container->running && *container->id) {
                more[used++] = "-C";
                more[used++] = container->id;
            }
        }
        more[used++] = "-P";
        more[used++] = target->pod->config_hash ? target->pod->config_hash : target->pod->uid;
    }
    if (target->pod)
        loop_set_timer(node->watch, TARGET_POLL_MS);
    more[used] = NULL;
    return agent_exec_start(session, HELPER_AGENT, more, 0, err);
}

/* ---- its age ---- */

/*
 * The kubelet is about to end the pod, and would take what the agent still holds: so the agent ends
 * in order before, which is a cut, and the capture is taken up again with another helper.
 */
static void on_age(void *data)
{
    struct session *session = data;
    struct node_method *node = session->method_data;

    if (session->state != SESSION_RUNNING)
        return;
    snprintf(node->farewell, sizeof(node->farewell),
             "the helper pod \"%s\" is as old as it may be (activeDeadlineSeconds)", node->name);
    session->farewell = node->farewell;
    node->old = true;
    agent_exec_stop(session);
}

static void watch_age(struct session *session, const struct kube_pod *pod)
{
    struct node_method *node = session->method_data;
    int64_t left = helper_seconds_left(pod, kube_client_time(session->client));
    int64_t spare = left / 8;

    if (left == INT64_MAX)
        return;
    spare = spare < AGE_SPARE_MIN ? AGE_SPARE_MIN : spare > AGE_SPARE_MAX ? AGE_SPARE_MAX : spare;
    loop_set_timer(node->age, left > spare ? (uint64_t)(left - spare) * 1000 : 1000);
}

/* ---- waiting for the pod ---- */

static void poll_again(struct session *session)
{
    struct node_method *node = session->method_data;

    loop_set_timer(node->poll, node->poll_ms);
    node->poll_ms = node->poll_ms * 3 / 2 < POLL_MOST_MS ? node->poll_ms * 3 / 2 : POLL_MOST_MS;
}

/* The kubelet has refused the pod: what may help. Source of the reasons: k8s.io/kubernetes
 * pkg/kubelet/lifecycle/predicate.go. */
static void add_rejection_remedy(struct error *err, const char *why)
{
    static const struct {
        const char *reason, *remedy;
    } rejections[] = {
        {"OutOfcpu", "the node is full: ask for nothing with --requests cpu=0,memory=0"},
        {"OutOfmemory", "the node is full: ask for nothing with --requests cpu=0,memory=0"},
        {"OutOfpods", "the node has as many pods as it may have"},
        {"NodeAffinity", "pods of this namespace may not run on that node: choose another "
                         "namespace with --node-namespace"},
        {"its init container", "what adds that container to pods of this namespace may leave out "
                               "another one: choose it with --node-namespace"},
    };

    for (size_t i = 0; i < sizeof(rejections) / sizeof(rejections[0]); i++)
        if (strncmp(why, rejections[i].reason, strlen(rejections[i].reason)) == 0)
            error_remedy(err, "%s", rejections[i].remedy);
}

static void tell_of_init(struct session *session, const struct kube_pod *pod)
{
    struct node_method *node = session->method_data;
    const struct kube_container *first = helper_held_up_by(pod);

    if (!first || node->told_of_init)
        return;
    node->told_of_init = true;
    log_info("the helper pod waits for its init container '%s', which something in the cluster has "
             "added",
             first->name);
}

static void on_state(struct session *session, const struct kube_pod *pod)
{
    struct node_method *node = session->method_data;
    char why[300];
    struct error err;
    enum helper_state state =
        helper_state(pod, kube_pod_container(pod, HELPER_CONTAINER), why, sizeof(why));

    if (node->resuming && (state == HELPER_UNFIT || state == HELPER_ENDED)) {
        next_attempt(session);
        return;
    }
    switch (state) {
    case HELPER_RUNNING:
        watch_age(session, pod);
        if (run_agent(session, &err) < 0)
            session_end(session, &err);
        break;
    case HELPER_UNFIT:
        if (node->privilege != HELPER_CAPABILITIES && node->privilege != HELPER_PRIVILEGED)
            next_privilege(session, why); /* the image has been started before */
        else if (!other_machine(session, kube_pod_container(pod, HELPER_CONTAINER)))
            next_image(session, why);
        break;
    case HELPER_ENDED:
        error_set(&err, ERROR_TARGET, "the helper pod \"%s\" was not started on node \"%s\": %s",
                  pod->name, session->target->node_name, *why ? why : "it ended");
        add_rejection_remedy(&err, why);
        give_up(session, &err);
        break;
    case HELPER_STARTING:
        text_escape(session->last_complaint, sizeof(session->last_complaint), why, strlen(why));
        tell_of_init(session, pod);
        if (!node->pulling && helper_is_pulling(pod))
            node->pulling = loop_now();
        if (node->pulling && loop_now() - node->pulling >= PULL_MS && node->images.count > 1)
            next_image(session, "it seems to be pulled, and that takes long");
        else
            poll_again(session);
        break;
    }
}

static void on_pod(void *data, json_t *answer, const struct error *err)
{
    struct session *session = data;
    struct node_method *node = session->method_data;
    struct kube_pod *pod;
    struct error failure;

    node->call = NULL;
    loop_stop_timer(node->poll); /* of PATIENCE_MS */
    if (session->state != SESSION_STARTING)
        return;
    if (err && err->kind == ERROR_NOT_FOUND && node->resuming) {
        node->pod_made = false;
        next_attempt(session);
    } else if (err && err->kind == ERROR_NOT_FOUND) {
        error_set(&failure, ERROR_TARGET, "the helper pod \"%s\" was deleted by somebody",
                  node->name);
        session->cut = true;
        give_up(session, &failure);
    } else if (err && patience_has(&node->patience, err)) {
        poll_again(session);
    } else if (err) {
        give_up(session, err);
    } else if (kube_pod_read(answer, &pod, &failure) < 0) {
        give_up(session, &failure);
    } else {
        patience_ended(&node->patience);
        on_state(session, pod);
        kube_pod_free(pod);
    }
}

static void ask_for_pod(struct session *session)
{
    struct node_method *node = session->method_data;
    cleanup_free char *path =
        text_format("/api/v1/namespaces/%s/pods/%s", node->namespace, node->name);
    const struct kube_request request = {.path = path, .timeout = session_request_timeout(session)};
    struct error err = {0};

    if (node->call || session->state != SESSION_STARTING)
        return;
    node->call = path ? kube_call_start(session->client, &request, on_pod, session, &err) : NULL;
    if (!path)
        error_set(&err, ERROR_INTERNAL, "out of memory");
    if (node->call)
        loop_set_timer(node->poll, PATIENCE_MS);
    else
        session_end(session, &err);
}

static void on_poll(void *data)
{
    struct session *session = data;
    struct node_method *node = session->method_data;

    if (node->call && session->state == SESSION_STARTING)
        patience_failed(&node->patience, NULL);
    else
        ask_for_pod(session);
}

/* ---- making it ---- */

static void on_owned(void *data, json_t *answer, const struct error *err)
{
    struct session *session = data;
    struct node_method *node = session->method_data;

    (void)answer;
    node->owner = NULL;
    node->owned = !err;
    if (err)
        log_debug("the ConfigMap could not be given to the pod: %s", err->text);
}

/* One of the two objects was refused. */
static void refused(struct session *session, const struct error *err)
{
    const struct node_method *node = session->method_data;
    struct error told = *err;

    admission_remedy_helper(session->settings, node->namespace, &told);
    give_up(session, &told);
}

static void on_pod_made(void *data, json_t *answer, const struct error *err)
{
    struct session *session = data;
    struct node_method *node = session->method_data;
    cleanup_free char *path =
        text_format("/api/v1/namespaces/%s/configmaps/%s", node->namespace, node->name);
    json_t *patch;

    node->call = NULL;
    node->making = false;
    if (err) {
        node->pod_made = may_be_made(err);
        refused(session, err);
        return;
    }
    node->pod_made = true;
    log_debug("helper pod '%s' in namespace '%s', image '%s'", node->name, node->namespace,
              image_of(node)->name);
    if (path && (patch = helper_owner(answer))) {
        const struct kube_request request = {.method = "PATCH",
                                             .path = path,
                                             .content_type = MERGE_PATCH,
                                             .body = patch,
                                             .answer = KUBE_ANSWER_METADATA,
                                             .timeout = session_request_timeout(session)};

        node->owner = kube_call_start(session->client, &request, on_owned, session, NULL);
        json_decref(patch);
    }
    if (session->state != SESSION_STARTING || node->removing)
        return;
    node->poll_ms = POLL_FIRST_MS;
    poll_again(session);
}

/* Return: seconds that the helper pod may live at most, the pull of its image included. */
static uint64_t deadline_of(const struct settings *settings)
{
    uint64_t start = settings->creation_timeout ? settings->creation_timeout / 1000 : DAY_SECONDS;

    return settings->duration ? settings->duration / 1000 + SPARE_SECONDS + start : DAY_SECONDS;
}

/* Everything of the helper that is the same for each attempt. Strings are borrowed. */
static void describe(const struct session *session, const char *target, struct helper *helper)
{
    const struct node_method *node = session->method_data;
    const struct settings *settings = session->settings;
    const struct helper_image *image = image_of(node);

    *helper = (struct helper){
        .name = node->name,
        .namespace = node->namespace,
        .target = target,
        .node_name = session->target->node_name,
        .image = image->name,
        .pull = image->pull,
        .pull_secrets = image->pull_secrets,
        .service_account = settings->service_account,
        .secret_hash = node->secret.hash,
        .host_network = session->target->host_network,
        .privilege = node->privilege,
        .deadline = deadline_of(settings),
        .creation_timeout = settings->creation_timeout / 1000,
        .ring = settings->buffer_size ? settings->buffer_size : AGENT_RING_DEFAULT,
        .requests = settings->requests,
        .limits = settings->limits,
    };
}

/* Posts one of the two objects. */
static struct kube_call *post(struct session *session, const char *resource, bool pod,
                              kube_call_fn *done, struct error *err)
{
    struct node_method *node = session->method_data;
    const struct target *target = session->target;
    const struct agent_binary *agent = agent_binary_find(node->machine);
    cleanup_free char *path = text_format("/api/v1/namespaces/%s/%s", node->namespace, resource);
    cleanup_free char *name =
        text_format("%s/%s", target->pod ? target->namespace : "node", target->name);
    struct helper helper;
    struct kube_call *call;
    json_t *object;

    if (!agent) {
        error_set(err, ERROR_TARGET, "there is no agent for \"%s\" machines", node->machine);
        return NULL;
    }
    if (!path || !name) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    describe(session, name, &helper);
    object = pod ? helper_pod(&helper) : helper_config_map(&helper, agent);
    if (!object) {
        error_set(err, ERROR_INTERNAL, "the helper pod cannot be described");
        return NULL;
    }
    const struct kube_request request = {.method = "POST",
                                         .path = path,
                                         .body = object,
                                         .answer = KUBE_ANSWER_METADATA,
                                         .timeout = session_request_timeout(session)};
    call = kube_call_start(session->client, &request, done, session, err);
    json_decref(object);
    return call;
}

static void on_config_map_made(void *data, json_t *answer, const struct error *err)
{
    struct session *session = data;
    struct node_method *node = session->method_data;
    struct error failure;

    (void)answer;
    node->call = NULL;
    node->config_map_made = may_be_made(err);
    if (err) {
        refused(session, err);
        return;
    }
    if (session->state != SESSION_STARTING || node->removing)
        return;
    node->call = post(session, "pods", true, on_pod_made, &failure);
    if (!node->call)
        give_up(session, &failure);
}

static void set_stage(struct session *session)
{
    const struct node_method *node = session->method_data;
    uint64_t now = loop_now();

    session_stage(session, node->end ? "the start of the helper pod" : NULL,
                  node->end > now ? node->end - now : 1);
    session->stage_flag = "--pod-creation-timeout";
}

static int make_config_map(struct session *session, struct error *err)
{
    struct node_method *node = session->method_data;

    node->making = true;
    node->call = post(session, "configmaps", false, on_config_map_made, err);
    return node->call ? 0 : -1;
}

/* A helper that is not there is not found: so an exec into it would be let through. */
static void on_trial(void *data, const struct error *err)
{
    struct session *session = data;
    struct error failure;

    if (session->state != SESSION_STARTING)
        return;
    if (err && error_is_refusal(err))
        session_refused(session, err);
    else if (make_config_map(session, &failure) < 0)
        give_up(session, &failure);
}

/* An exec into the target was refused: is one into the helper, before there is any? */
static int try_exec(struct session *session, struct error *err)
{
    struct node_method *node = session->method_data;
    const struct session_place place = {node->namespace, node->name, HELPER_CONTAINER};

    node->trial = trial_start(session->client, &place, on_trial, session, err);
    return node->trial ? 0 : -1;
}

static int begin_helper(struct session *session, struct error *err)
{
    struct node_method *node = session->method_data;
    unsigned char random[5];

    if (getentropy(random, sizeof(random)) < 0)
        return error_set(err, ERROR_INTERNAL, "there is no randomness");
    snprintf(node->name, sizeof(node->name), "ksniff-%02x%02x%02x%02x%02x", random[0], random[1],
             random[2], random[3], random[4]);
    if (secret_make(&node->secret, err) < 0)
        return -1;
    session->first_line = node->secret.line;
    node->resuming = false;
    node->pulling = 0;
    set_stage(session);
    if (session->target->exec_refused && !node->trial)
        return try_exec(session, err);
    return make_config_map(session, err);
}

/* ---- starting ---- */

/* From the node, else from what the pod asks of it, else a guess. */
static void choose_machine(const struct target *target, struct node_method *node)
{
    const char *asked =
        target->pod
            ? json_string_value(json_object_get(
                  json_object_get(json_object_get(target->pod->json, "spec"), "nodeSelector"),
                  "kubernetes.io/arch"))
            : NULL;

    node->machine =
        target->node && *target->node->architecture ? target->node->architecture : asked;
    node->machine_known = node->machine != NULL;
    if (!node->machine)
        node->machine = "amd64";
}

/* What is no container to the node has a network of its own behind the one that is seen. Names are
 * free: one for GPUs is harmless, so it is no warning. */
static void tell_of_runtime(const struct target *target)
{
    const char *class =
        target->pod ? json_string_value(json_object_get(json_object_get(target->pod->json, "spec"),
                                                        "runtimeClassName"))
                    : NULL;

    if (class)
        log_info("%s has the RuntimeClass '%s': if that is gVisor or Kata, what it sends to itself "
                 "is not seen from the node (--method upload captures inside)",
                 target->label, class);
}

static int start(struct session *session, struct error *err)
{
    struct node_method *node = session->method_data;
    uint64_t limit = session->settings->creation_timeout;

    if (node) { /* after a cut: the helper may still be there */
        if (node->making || node->old)
            remove_helper(session); /* or half of it */
        if (session->state != SESSION_STARTING)
            return 0;
        loop_stop_timer(node->poll);
        kube_call_cancel(node->call);
        kube_call_cancel(node->watch_call);
        node->call = node->watch_call = NULL;
        node->end = limit ? loop_now() + limit : 0;
        set_stage(session);
        node->resuming = true;
        node->poll_ms = POLL_FIRST_MS;
        if (!node->pod_made)
            return begin_helper(session, err);
        ask_for_pod(session);
        return 0;
    }
    node = calloc(1, sizeof(*node));
    if (!node)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    session->method_data = node;
    node->namespace = helper_namespace_of(session->settings, session->target);
    node->end = limit ? loop_now() + limit : 0;
    node->poll = loop_add_timer(session->loop, 0, on_poll, session);
    node->watch = loop_add_timer(session->loop, 0, on_watch, session);
    node->age = loop_add_timer(session->loop, 0, on_age, session);
    if (!node->poll || !node->watch || !node->age)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    loop_stop_timer(node->poll);
    loop_stop_timer(node->watch);
    loop_stop_timer(node->age);
    helper_images_choose(&node->images, session->target, session->settings->image, node->namespace);
    choose_machine(session->target, node);
    tell_of_runtime(session->target);
    if (!node->images.sure && look_at_running(session))
        return 0;
    return begin_helper(session, err);
}

/* ---- the agent's end before it began ---- */

/*
 * A pod without a running container may have no process at all just now (CRI-O has none that holds
 * the pod's namespaces): between two crashes it is waited for.
 */
static bool comes_back(const struct session *session, const struct node_method *node)
{
    return session->target->pod && !session->target->container->running && node->end &&
           loop_now() + NO_PROCESS_MS < node->end;
}

/* The agent has seen a shell beside it: who may exec could do more than we let him. */
static bool beside_a_shell(struct session *session)
{
    struct node_method *node = session->method_data;
    char why[sizeof(session->last_complaint)];
    struct error err;

    snprintf(why, sizeof(why), "%s", session->last_complaint);
    session->last_complaint[0] = '\0';
    session_retire_stream(session);
    node->images.list[node->images.at].shell = true;
    if (node->images.count > 1) {
        next_image(session, why);
    } else if (helper_images_next(&node->images)) {
        tell_of_shell(session);
        if (run_agent(session, &err) < 0)
            session_end(session, &err);
    }
    return true;
}

static bool again(struct session *session, const struct kube_exit *exit)
{
    struct node_method *node = session->method_data;
    char why[sizeof(session->last_complaint)];

    if (exit->kind != KUBE_EXIT_CODE)
        return false;
    if (exit->code == AGENT_EXIT_NO_NAMESPACE && comes_back(session, node)) {
        session_retire_stream(session);
        set_stage(session);
        loop_set_timer(node->poll, NO_PROCESS_MS);
        return true;
    }
    if (exit->code == AGENT_EXIT_SHELL && !node->images.second_round)
        return beside_a_shell(session);
    if ((exit->code != AGENT_EXIT_NO_ENTRY && exit->code != AGENT_EXIT_NO_PERMISSION) ||
        node->privilege == HELPER_PRIVILEGED)
        return false;
    snprintf(why, sizeof(why), "%s", session->last_complaint);
    session->last_complaint[0] = '\0';
    session_retire_stream(session);
    next_privilege(session, why);
    return true;
}

/* The helper runs, but no exec gets there. */
static bool unreached(struct session *session)
{
    struct node_method *node = session->method_data;

    if (node->end && loop_now() + UNREACHED_MS >= node->end)
        return false;
    session_retire_stream(session);
    set_stage(session);
    loop_set_timer(node->poll, UNREACHED_MS);
    return true;
}

static bool explain(struct session *session, const struct kube_exit *exit, struct error *err)
{
    (void)session;
    (void)exit;
    (void)err;
    return false;
}

const struct method method_node = {
    .name = "node",
    .start = start,
    .stop = agent_exec_stop,
    .heartbeat = agent_exec_heartbeat,
    .again = again,
    .unreached = unreached,
    .explain = explain,
    .release = release,
};
