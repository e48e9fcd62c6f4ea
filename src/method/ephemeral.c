/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ephemeral method: a container that is added to the pod and shares its network. Its main
 * process waits for the agent, which an exec brings, and then becomes `ksniff-agent hold`: an
 * ephemeral container can never be removed, so that it has to end by itself. The next capture uses
 * one that still runs, and of captures that begin at the same time one adds it: whoever changes the
 * pod after it was looked at is refused (its resourceVersion), and looks again.
 *
 * Source: https://kubernetes.io/docs/concepts/workloads/pods/ephemeral-containers/
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/system.h"
#include "base/text.h"
#include "method/admission.h"
#include "method/agent_exec.h"
#include "method/method.h"
#include "method/helper.h"
#include "kube/patience.h"
#include "method/session.h"
#include "settings/settings.h"
#include "target/target.h"
#include "method/trial.h"
#include "method/upload.h"
#include "kube/client.h"
#include "kube/node.h"
#include "kube/pod.h"

#define NAME_PREFIX   "ksniff-"
#define DEFAULT_IMAGE "busybox"
#define IMAGES_MAX    3
#define POLL_MS       200
#define UNREACHED_MS  1000 /* until an exec that reached nobody is tried again */
#define LOOKS_MAX     10   /* at a pod that others change all the time */
#define STRATEGIC     "application/strategic-merge-patch+json"

/* The version stands in the path: a container that has another agent is not used again. */
#define AGENT_PATH "/.ksniff-agent-" KSNIFF_VERSION

/*
 * Waits at most a minute for the agent, then becomes it. As process 1 a shell is not ended by
 * SIGTERM unless it says so. "hold" ends a little before the minute that is promised.
 */
#define WAIT_FOR_AGENT                                                                             \
    "trap 'exit 0' TERM; i=0; until [ -x " AGENT_PATH                                              \
    " ]; do i=$((i + 1)); [ $i -le 55 ] || exit 0; "                                               \
    "sleep 1 || exit 1; done; exec " AGENT_PATH " hold -S 55 -u " AGENT_PATH

struct ephemeral {
    char name[32]; /* of the container */
    const char *images[IMAGES_MAX];
    size_t image_count, image;
    bool reused;  /* it was there already, and may end any moment */
    bool looking; /* for one that is there, in the next answer */
    unsigned looks;
    char version[64]; /* of the pod as it was looked at; "": does not matter */
    struct patience patience;
    bool net_raw; /* ask for it; else the runtime's default is kept */
    uint64_t end; /* loop_now() until which it may start; 0: no limit */
    struct kube_call *call;
    struct trial *trial; /* of an exec, before anything is added */
    struct loop_timer *poll;
};

static void give_up(struct session *session, const struct error *err)
{
    session->elsewhere = err->kind != ERROR_NETWORK && err->kind != ERROR_INTERNAL;
    session_end(session, err);
}

static int is_being_deleted(const struct session *session, struct error *err)
{
    return error_set(err, ERROR_TARGET, "%s is being deleted, and takes no container any more",
                     session->target->label);
}

/* ---- running the agent ---- */

static int run_agent(struct session *session, struct error *err)
{
    const struct ephemeral *ephemeral = session->method_data;
    const struct session_place place = {session->target->namespace, session->target->name,
                                        ephemeral->name};

    session_set_place(session, &place);
    return upload_start_keeping(session, AGENT_PATH, err);
}

/* ---- waiting for the container ---- */

static int add_container(struct session *session, struct error *err);
static void add_another(struct session *session);
static int use_or_add(struct session *session, const struct kube_pod *pod, struct error *err);

static void next_image(struct session *session, const char *why)
{
    struct ephemeral *ephemeral = session->method_data;
    struct error err;

    if (ephemeral->image + 1 == ephemeral->image_count) {
        error_set(&err, ERROR_TARGET,
                  "the ephemeral container \"%s\" cannot be started from \"%s\": %s",
                  ephemeral->name, ephemeral->images[ephemeral->image], why);
        error_remedy(&err,
                     "name an image with a shell that the node has, or can pull, with --image");
        give_up(session, &err);
        return;
    }
    log_info("image '%s' cannot be started (%s): trying '%s'", ephemeral->images[ephemeral->image],
             why, ephemeral->images[ephemeral->image + 1]);
    ephemeral->image++;
    if (add_container(session, &err) < 0)
        give_up(session, &err);
}

static void on_state(struct session *session, const struct kube_pod *pod)
{
    struct ephemeral *ephemeral = session->method_data;
    char why[300];
    struct error err;

    switch (helper_state(pod, kube_pod_container(pod, ephemeral->name), why, sizeof(why))) {
    case HELPER_RUNNING:
        if (run_agent(session, &err) < 0)
            session_end(session, &err);
        break;
    case HELPER_UNFIT:
        next_image(session, why);
        break;
    case HELPER_ENDED:
        if (ephemeral->reused) {
            add_another(session);
            break;
        }
        if (pod->terminating)
            is_being_deleted(session, &err);
        else
            error_set(&err, ERROR_TARGET, "the ephemeral container \"%s\" has ended: %s",
                      ephemeral->name, why);
        give_up(session, &err);
        break;
    case HELPER_STARTING:
        text_escape(session->last_complaint, sizeof(session->last_complaint), why, strlen(why));
        loop_set_timer(ephemeral->poll, POLL_MS);
        break;
    }
}

static void on_pod(void *data, json_t *answer, const struct error *err)
{
    struct session *session = data;
    struct ephemeral *ephemeral = session->method_data;
    struct kube_pod *pod;
    struct error failure;

    ephemeral->call = NULL;
    loop_stop_timer(ephemeral->poll); /* of PATIENCE_MS */
    if (session->state != SESSION_STARTING)
        return;
    if (err && patience_has(&ephemeral->patience, err)) {
        loop_set_timer(ephemeral->poll, POLL_MS);
        return;
    }
    patience_ended(&ephemeral->patience);
    if (err) {
        give_up(session, err);
    } else if (kube_pod_read(answer, &pod, &failure) < 0) {
        give_up(session, &failure);
    } else {
        if (!ephemeral->looking)
            on_state(session, pod);
        else if (use_or_add(session, pod, &failure) < 0)
            give_up(session, &failure);
        kube_pod_free(pod);
    }
}

static void on_poll(void *data)
{
    struct session *session = data;
    struct ephemeral *ephemeral = session->method_data;
    cleanup_free char *path = text_format("/api/v1/namespaces/%s/pods/%s",
                                          session->target->namespace, session->target->name);
    const struct kube_request request = {.path = path, .timeout = session_request_timeout(session)};
    struct error err = {0};

    if (session->state != SESSION_STARTING)
        return;
    if (ephemeral->call) {
        patience_failed(&ephemeral->patience, NULL);
        return;
    }
    ephemeral->call =
        path ? kube_call_start(session->client, &request, on_pod, session, &err) : NULL;
    if (!path)
        error_set(&err, ERROR_INTERNAL, "out of memory");
    if (ephemeral->call)
        loop_set_timer(ephemeral->poll, PATIENCE_MS);
    else
        session_end(session, &err);
}

/* ---- adding it ---- */

static json_t *build_patch(const struct ephemeral *ephemeral)
{
    json_t *context = json_pack("{s:i, s:b}", "runAsUser", 0, "runAsNonRoot", false);

    if (ephemeral->net_raw)
        json_object_set_new(context, "capabilities", json_pack("{s:[s]}", "add", "NET_RAW"));
    json_t *patch = json_pack(
        "{s:{s:[{s:s, s:s, s:s, s:[s, s, s], s:o}]}}", "spec", "ephemeralContainers", "name",
        ephemeral->name, "image", ephemeral->images[ephemeral->image], "imagePullPolicy",
        "IfNotPresent", "command", "sh", "-c", WAIT_FOR_AGENT, "securityContext", context);
    if (patch && *ephemeral->version)
        json_object_set_new(patch, "metadata",
                            json_pack("{s:s}", "resourceVersion", ephemeral->version));
    return patch;
}

static void on_added(void *data, json_t *answer, const struct error *err)
{
    struct session *session = data;
    struct ephemeral *ephemeral = session->method_data;
    struct error failure;

    (void)answer;
    ephemeral->call = NULL;
    if (session->state != SESSION_STARTING)
        return;
    if (err && ephemeral->net_raw && admission_refuses(err)) {
        log_debug("NET_RAW may not be asked for: %s", err->text);
        ephemeral->net_raw = false;
        if (add_container(session, &failure) < 0)
            give_up(session, &failure);
    } else if (err && err->kind == ERROR_CONFLICT && *ephemeral->version) {
        log_debug("the pod has changed meanwhile: looked at again");
        ephemeral->looking = true;
        loop_set_timer(ephemeral->poll, 1);
    } else if (err) {
        failure = *err;
        admission_remedy_ephemeral(&failure);
        give_up(session, &failure);
    } else {
        ephemeral->version[0] = '\0';
        loop_set_timer(ephemeral->poll, POLL_MS / 2);
    }
}

static int add_container(struct session *session, struct error *err)
{
    struct ephemeral *ephemeral = session->method_data;
    cleanup_free char *path = text_format("/api/v1/namespaces/%s/pods/%s/ephemeralcontainers",
                                          session->target->namespace, session->target->name);
    unsigned char random[4];
    json_t *patch;

    if (system_random(random, sizeof(random)) < 0)
        return error_set(err, ERROR_INTERNAL, "there is no randomness");
    snprintf(ephemeral->name, sizeof(ephemeral->name), NAME_PREFIX "%02x%02x%02x%02x", random[0],
             random[1], random[2], random[3]);
    patch = build_patch(ephemeral);
    if (!path || !patch) {
        json_decref(patch);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    log_debug("ephemeral container '%s' from '%s'", ephemeral->name,
              ephemeral->images[ephemeral->image]);
    const struct kube_request request = {.method = "PATCH",
                                         .path = path,
                                         .content_type = STRATEGIC,
                                         .body = patch,
                                         .answer = KUBE_ANSWER_METADATA,
                                         .timeout = session_request_timeout(session)};
    ephemeral->call = kube_call_start(session->client, &request, on_added, session, err);
    json_decref(patch);
    return ephemeral->call ? 0 : -1;
}

/* ---- before it is added ---- */

static void on_trial(void *data, const struct error *err)
{
    struct session *session = data;
    struct error failure;

    if (session->state != SESSION_STARTING)
        return;
    if (err && error_is_refusal(err)) {
        session_refused(session, err);
    } else if (err) {
        give_up(session, err);
    } else {
        session->exec_works = true;
        if (add_container(session, &failure) < 0)
            give_up(session, &failure);
    }
}

/* Return: a container of the pod that runs, the target's if it does; else that one. */
static const char *running_container(const struct session *session, const struct kube_pod *pod)
{
    const char *name = session->target->container->name;
    const struct kube_container *own = kube_pod_container(pod, name);

    for (size_t i = 0; !(own && own->running) && i < pod->container_count; i++)
        if (pod->containers[i].running)
            return pod->containers[i].name;
    return name;
}

/*
 * What is added can never be removed. So an exec into the pod must be known to reach its containers
 * first: from an upload that was tried, or by a trial. Where none of them runs, it must reach the
 * kubelet, which says so.
 */
static int add_where_exec_works(struct session *session, const char *container, struct error *err)
{
    struct ephemeral *ephemeral = session->method_data;
    const struct target *target = session->target;
    const struct session_place place = {target->namespace, target->name, container};

    if (target->exec_works || session->exec_works)
        return add_container(session, err);
    trial_free(ephemeral->trial);
    ephemeral->trial = trial_start(session->client, &place, on_trial, session, err);
    return ephemeral->trial ? 0 : -1;
}

/* In place of one that was used again, and has ended. */
static void add_another(struct session *session)
{
    struct ephemeral *ephemeral = session->method_data;
    struct error err;

    ephemeral->reused = false;
    if (add_where_exec_works(session, session->target->container->name, &err) < 0)
        give_up(session, &err);
}

/* ---- starting ---- */

/* Does the container's command wait for the very agent that we have? */
static bool is_ours(const struct kube_container *container)
{
    const char *script =
        json_string_value(json_array_get(json_object_get(container->spec, "command"), 2));

    return container->kind == KUBE_CONTAINER_EPHEMERAL &&
           strncmp(container->name, NAME_PREFIX, strlen(NAME_PREFIX)) == 0 && script &&
           strcmp(script, WAIT_FOR_AGENT) == 0;
}

/* Does it run, or is it about to? One whose image is waited for may wait for ever. */
static bool is_alive(const struct kube_container *container)
{
    return container->running || (!container->terminated_reason &&
                                  (!container->waiting_reason ||
                                   strcmp(container->waiting_reason, "ContainerCreating") == 0 ||
                                   strcmp(container->waiting_reason, "PodInitializing") == 0));
}

/* Return: one of ours that is alive, of @image where one is wished, and rather one that runs; NULL
 * when there is none. */
static const struct kube_container *find_alive(const struct kube_pod *pod, const char *image)
{
    const struct kube_container *found = NULL;

    for (size_t i = 0; i < pod->container_count; i++) {
        const struct kube_container *container = &pod->containers[i];
        const char *of = json_string_value(json_object_get(container->spec, "image"));

        if (is_ours(container) && is_alive(container) && (!found || container->running) &&
            (!image || (of && strcmp(of, image) == 0)))
            found = container;
    }
    return found;
}

/* Return: an image of the node that is a busybox, so that none has to be pulled; or NULL. */
static const char *busybox_of(const struct kube_node *node)
{
    const char *images[64];
    size_t count = node ? kube_node_images(node, images, 64) : 0;

    for (size_t i = 0; i < count; i++) {
        const char *slash = strrchr(images[i], '/'), *last = slash ? slash + 1 : images[i];

        if (strncmp(last, "busybox", 7) == 0 && strchr(":@", last[7]))
            return images[i];
    }
    return NULL;
}

static void choose_images(struct session *session, struct ephemeral *ephemeral)
{
    const struct target *target = session->target;
    const char *own = json_string_value(json_object_get(target->container->spec, "image"));
    const char *busybox = busybox_of(target->node);

    if (session->settings->image) {
        ephemeral->images[ephemeral->image_count++] = session->settings->image;
        return;
    }
    /* The target's own is on the node in any case. */
    if (target->has_shell && own)
        ephemeral->images[ephemeral->image_count++] = own;
    ephemeral->images[ephemeral->image_count++] = busybox ? busybox : DEFAULT_IMAGE;
    if (!target->has_shell && own)
        ephemeral->images[ephemeral->image_count++] = own;
}

/* Takes one of ours that is alive in the pod as it is; adds one if there is none. */
static int use_or_add(struct session *session, const struct kube_pod *pod, struct error *err)
{
    struct ephemeral *ephemeral = session->method_data;
    const struct kube_container *alive = find_alive(pod, session->settings->image);
    const char *version = json_string_value(
        json_object_get(json_object_get(pod->json, "metadata"), "resourceVersion"));

    ephemeral->looking = false;
    ephemeral->reused = alive != NULL;
    if (!alive) {
        /* Where others change the pod all the time, two containers are the lesser evil. */
        snprintf(ephemeral->version, sizeof(ephemeral->version), "%s",
                 version && ephemeral->looks++ < LOOKS_MAX ? version : "");
        return pod->terminating
                   ? is_being_deleted(session, err)
                   : add_where_exec_works(session, running_container(session, pod), err);
    }
    log_debug("ephemeral container '%s' still %s: used again", alive->name,
              alive->running ? "runs" : "starts");
    snprintf(ephemeral->name, sizeof(ephemeral->name), "%s", alive->name);
    if (alive->running)
        return run_agent(session, err);
    loop_set_timer(ephemeral->poll, POLL_MS / 2);
    return 0;
}

static void set_stage(struct session *session)
{
    const struct ephemeral *ephemeral = session->method_data;
    uint64_t now = loop_now();

    session_stage(session, ephemeral->end ? "the start of the ephemeral container" : NULL,
                  ephemeral->end > now ? ephemeral->end - now : 1);
    session->stage_flag = "--pod-creation-timeout";
}

static int start(struct session *session, struct error *err)
{
    struct ephemeral *ephemeral = session->method_data;
    uint64_t limit = session->settings->creation_timeout;

    if (!ephemeral) {
        ephemeral = calloc(1, sizeof(*ephemeral));
        if (!ephemeral)
            return error_set(err, ERROR_INTERNAL, "out of memory");
        session->method_data = ephemeral;
        ephemeral->net_raw = session->target->may_ask_for_capabilities;
        ephemeral->poll = loop_add_timer(session->loop, 0, on_poll, session);
        if (!ephemeral->poll)
            return error_set(err, ERROR_INTERNAL, "out of memory");
        loop_stop_timer(ephemeral->poll);
        choose_images(session, ephemeral);
    }
    loop_stop_timer(ephemeral->poll); /* of before a cut, as these */
    kube_call_cancel(ephemeral->call);
    trial_free(ephemeral->trial);
    ephemeral->call = NULL;
    ephemeral->trial = NULL;
    ephemeral->end = limit ? loop_now() + limit : 0;
    set_stage(session);
    /* The pod as it is now tells whether there is one. */
    ephemeral->looks = 0;
    ephemeral->looking = true;
    on_poll(session);
    return 0;
}

/* The one that was used again has ended meanwhile. */
static bool again(struct session *session, const struct kube_exit *exit)
{
    struct ephemeral *ephemeral = session->method_data;

    if (!ephemeral->reused || (exit->kind == KUBE_EXIT_CODE && exit->code != 137))
        return false;
    session_retire_stream(session);
    add_another(session);
    return true;
}

/* The container runs, but no exec gets there. */
static bool unreached(struct session *session)
{
    struct ephemeral *ephemeral = session->method_data;

    if (ephemeral->end && loop_now() + UNREACHED_MS >= ephemeral->end)
        return false;
    session_retire_stream(session);
    set_stage(session);
    loop_set_timer(ephemeral->poll, UNREACHED_MS);
    return true;
}

static void release(struct session *session)
{
    struct ephemeral *ephemeral = session->method_data;

    upload_release(session);
    if (!ephemeral)
        return;
    kube_call_cancel(ephemeral->call);
    trial_free(ephemeral->trial);
    loop_remove_timer(ephemeral->poll);
    free(ephemeral);
    session->method_data = NULL;
}

const struct method method_ephemeral = {
    .name = "ephemeral",
    .start = start,
    .stop = agent_exec_stop,
    .heartbeat = agent_exec_heartbeat,
    .again = again,
    .unreached = unreached,
    .explain = upload_explain,
    .release = release,
};
