/* SPDX-License-Identifier: Apache-2.0 */
#include "target/follow.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "kube/client.h"
#include "kube/node.h"
#include "settings/settings.h"
#include "target/again.h"
#include "target/collect.h"
#include "target/find.h"

struct target_follow {
    struct gather gather;
    struct collect collect;
    struct target_set known;  /* shadows of what is captured: no more than tells them apart */
    struct target_set *first; /* where targets go before the start is over; NULL afterwards */
    struct again again;       /* those that could not be captured */
    struct loop_timer *timer; /* something has changed */
    struct loop_timer *later; /* one of these is due */
    bool blind;               /* a watch was given up */
    const struct target_follow_events *events;
    void *data;
    struct error error; /* of the start */
};

/* Return: a target with the same names and interfaces, and nothing else; empty when out of memory.
 */
static struct target shadow_of(const struct target *target)
{
    json_t *json =
        json_pack("{s:{s:s, s:s, s:s}, s:{s:s, s:b}, s:{s:s, s:{}}}", "metadata", "name",
                  target->name, "namespace", target->namespace, "uid",
                  target->pod ? target->pod->uid : "", "spec", "nodeName", target->node_name,
                  "hostNetwork", target->host_network, "status", "phase", "Running", "nodeInfo");
    struct target shadow = *target;
    struct error err;

    shadow.pod = NULL;
    shadow.node = NULL;
    shadow.container = NULL;
    if (target->pod && kube_pod_read(json, &shadow.pod, &err) == 0) {
        shadow.namespace = shadow.pod->namespace;
        shadow.name = shadow.pod->name;
        shadow.node_name = shadow.pod->node;
    } else if (!target->pod && kube_node_read(json, &shadow.node, &err) == 0) {
        shadow.name = shadow.node_name = shadow.node->name;
    }
    json_decref(json);
    return shadow;
}

/* ---- what has failed, and is tried again ---- */

static const char *version_of(const json_t *pod)
{
    const char *version =
        json_string_value(json_object_get(json_object_get(pod, "metadata"), "resourceVersion"));

    return version ? version : "";
}

static bool is_leaving(const json_t *pod)
{
    return json_object_get(json_object_get(pod, "metadata"), "deletionTimestamp") != NULL;
}

static void wait_for_next(struct target_follow *follow)
{
    uint64_t wait = again_wait(&follow->again, loop_now());

    if (wait != UINT64_MAX)
        loop_set_timer(follow->later, wait);
}

bool target_follow_failed(struct target_follow *follow, const struct target *target,
                          const struct error *why)
{
    const struct kube_pod *pod = target->pod;
    bool news = again_failed(&follow->again, pod->uid, version_of(pod->json), why, loop_now());

    wait_for_next(follow);
    return news;
}

/* ---- what comes ---- */

static void tell_added(struct target_follow *follow, const struct target *target)
{
    const char *uid = target->pod ? target->pod->uid : "";

    if (again_knows(&follow->again, uid))
        log_debug("%s is tried again", target->label);
    else
        log_info("%s is captured from now on", target->label);
    again_tried(&follow->again, uid);
}

/* The run takes it; its shadow stays. */
static void on_added(void *data, struct target *target)
{
    struct target_follow *follow = data;
    struct target given = *target, *kept = malloc(sizeof(*kept));

    given.watched = !follow->blind;
    *target = shadow_of(&given);
    if (!kept) {
        target_free(&given);
        return;
    }
    *kept = given;
    if (!follow->first) {
        tell_added(follow, kept);
        follow->events->added(follow->data, kept);
        return;
    }
    free(kept);
    if (target_set_add(follow->first, &given, &kept, &follow->error) < 0)
        log_debug("%s", follow->error.text);
}

/* ---- what is gone ---- */

static bool has_ended(const json_t *pod)
{
    const char *phase = json_string_value(json_object_get(json_object_get(pod, "status"), "phase"));

    return phase && (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0);
}

static const json_t *find_pod(const struct target_follow *follow, const char *uid)
{
    const json_t *pod = NULL;

    for (size_t i = 0; i < follow->gather.count && !pod; i++)
        pod = json_object_get(follow->gather.sources[i]->pods, uid);
    return pod;
}

/* Why the pod is no more to be captured; NULL: it is. */
static const char *why_gone(const struct target_follow *follow, const char *uid)
{
    const json_t *pod = find_pod(follow, uid);

    if (!pod)
        return "it is gone";
    if (is_leaving(pod))
        follow->events->leaving(follow->data, uid);
    return has_ended(pod) ? "it has ended" : NULL;
}

/* Of one that has failed, and may not be known just now. */
static bool lose_failed(void *data, const char *uid)
{
    struct target_follow *follow = data;
    const char *why = why_gone(follow, uid);

    if (why && !target_set_has(&follow->known, uid))
        follow->events->gone(follow->data, uid, why);
    return why != NULL;
}

static void lose_what_is_gone(struct target_follow *follow)
{
    again_forget_if(&follow->again, lose_failed, follow);
    for (size_t i = 0; i < follow->known.count;) {
        const struct kube_pod *pod = follow->known.targets[i]->pod;
        const char *why = pod ? why_gone(follow, pod->uid) : NULL;

        if (!why) {
            i++;
            continue;
        }
        follow->events->gone(follow->data, pod->uid, why);
        target_set_remove(&follow->known, i);
    }
}

/* Until then they keep their places, so that others do not come instead. */
static void take_out_what_is_due(struct target_follow *follow)
{
    for (size_t i = 0; i < follow->known.count;) {
        const struct kube_pod *pod = follow->known.targets[i]->pod;
        const json_t *there = pod ? find_pod(follow, pod->uid) : NULL;

        if (there && !is_leaving(there) &&
            again_is_due(&follow->again, pod->uid, version_of(there), loop_now()))
            target_set_remove(&follow->known, i);
        else
            i++;
    }
}

static void look_at_watches(struct target_follow *follow)
{
    bool blind = false;

    for (size_t i = 0; i < follow->gather.count; i++)
        blind |= follow->gather.sources[i]->error.kind != ERROR_NONE;
    if (blind && !follow->blind)
        follow->events->blind(follow->data);
    follow->blind = blind;
}

/* ---- the loop ---- */

static bool is_settled(const struct target_follow *follow)
{
    for (size_t i = 0; i < follow->gather.count; i++)
        if (!source_is_settled(follow->gather.sources[i]))
            return false;
    return true;
}

/* Many changes at once are looked at once. */
static void on_heard(void *data)
{
    struct target_follow *follow = data;

    if (!follow->first)
        loop_set_timer(follow->timer, 0);
}

static void on_timer(void *data)
{
    struct target_follow *follow = data;
    struct error err;

    if (!is_settled(follow))
        return;
    look_at_watches(follow);
    lose_what_is_gone(follow);
    take_out_what_is_due(follow);
    if (collect_all(&follow->collect, &follow->gather, &err) < 0)
        log_warning("%s", err.text);
    wait_for_next(follow);
}

/* ---- life ---- */

static int start(struct target_follow *follow, struct kube_client *client,
                 const struct settings *settings, struct error *err)
{
    follow->timer = loop_add_timer(kube_client_loop(client), 0, on_timer, follow);
    follow->later = loop_add_timer(kube_client_loop(client), 0, on_timer, follow);
    if (!follow->timer || !follow->later)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    loop_stop_timer(follow->timer);
    loop_stop_timer(follow->later);
    if (gather_start(&follow->gather, client, settings, true, on_heard, follow, err) < 0 ||
        gather_await(&follow->gather, err) < 0 ||
        collect_all(&follow->collect, &follow->gather, err) < 0 ||
        targets_check_count(settings, follow->known.count, err) < 0)
        return -1;
    if (follow->error.kind != ERROR_NONE) {
        *err = follow->error;
        return -1;
    }
    return 0;
}

int target_follow_start(struct kube_client *client, const struct settings *settings,
                        const struct target_follow_events *events, void *data,
                        struct target_set *ret_set, struct target_follow **ret_follow,
                        struct error *err)
{
    struct target_follow *follow = calloc(1, sizeof(*follow));
    struct target_set set = {0};

    if (!follow)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    follow->events = events;
    follow->data = data;
    follow->first = &set;
    follow->collect = (struct collect){.mode = COLLECT_FOLLOW,
                                       .settings = settings,
                                       .set = &follow->known,
                                       .added = on_added,
                                       .data = follow};
    if (start(follow, client, settings, err) < 0) {
        target_follow_end(follow);
        target_set_free(&set);
        return -1;
    }
    follow->first = NULL;
    follow->collect.started = true;
    targets_tell(&set);
    target_set_name_namespaces(&follow->known);
    target_set_tell_shared(&follow->known);
    *ret_set = set;
    *ret_follow = follow;
    return 0;
}

void target_follow_end(struct target_follow *follow)
{
    if (!follow)
        return;
    gather_end(&follow->gather);
    collect_free(&follow->collect);
    target_set_free(&follow->known);
    again_free(&follow->again);
    loop_remove_timer(follow->timer);
    loop_remove_timer(follow->later);
    free(follow);
}
