/* SPDX-License-Identifier: Apache-2.0 */
#include "target/collect.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "settings/settings.h"
#include "target/belongs.h"
#include "target/missing.h"
#include "target/nearest.h"

#define NAMES_LENGTH 500 /* bytes of names in a message */

void collect_free(struct collect *collect)
{
    json_decref(collect->told);
    json_decref(collect->hints);
    json_decref(collect->lacking);
    collect->told = collect->hints = collect->lacking = NULL;
}

/* A line that is true for some time is told once. Return: is it now? */
static bool is_news(struct collect *collect, const char *text)
{
    if (!collect->told)
        collect->told = json_object();
    if (json_object_get(collect->told, text))
        return false;
    json_object_set_new(collect->told, text, json_true());
    return true;
}

static void tell_once(struct collect *collect, const char *text)
{
    if (is_news(collect, text))
        log_info("%s", text);
}

/* ---- what is not there (yet) ---- */

static void not_yet(struct collect *collect, const struct error *why)
{
    bool hint = missing_is_explained(why);
    char line[sizeof(why->text) + sizeof(why->remedy) + 20];

    if (collect->mode == COLLECT_WAIT && collect->yet.kind == ERROR_NONE)
        collect->yet = *why;
    snprintf(line, sizeof(line), "waiting: %s%s%s%s", why->text, hint ? " (" : "",
             hint ? why->remedy : "", hint ? ")" : "");
    tell_once(collect, line);
}

/*
 * What may have been meant is asked for once; and not from the loop, where no request may be waited
 * for.
 *
 * Return: is it to be asked for, and then to be kept? Else @err has what is known.
 */
static bool lacks_hint(struct collect *collect, struct error *err)
{
    const char *hint = json_string_value(json_object_get(collect->hints, err->text));

    if (hint)
        error_remedy(err, "%s", hint);
    return !hint && !collect->started;
}

static void keep_hint(struct collect *collect, const struct error *err)
{
    if (!collect->hints)
        collect->hints = json_object();
    json_object_set_new(collect->hints, err->text, json_string(err->remedy));
}

static void name_near(const struct collect *collect, const struct source *source, const char *name,
                      struct error *err)
{
    nearest_object(source->context->client, source->kind, source->namespace, name, err);
    if (source->names)
        missing_type(collect->settings, source->namespace, name, err);
}

/* Of a source that failed, or of a pod that is named: with what may have been meant. */
static int absent(struct collect *collect, const struct source *source, const char *name,
                  const struct error *why, struct error *err)
{
    *err = *why;
    if (err->kind != ERROR_NOT_FOUND)
        return -1;
    if (collect->mode == COLLECT_NOW || source->kind->id == TARGET_NODE) {
        name_near(collect, source, name, err);
        return -1;
    }
    if (lacks_hint(collect, err)) {
        name_near(collect, source, name, err);
        keep_hint(collect, err);
    }
    not_yet(collect, err);
    return 0;
}

static int no_pods(struct collect *collect, const struct source *source, struct error *err)
{
    char text[600];

    if (collect->mode == COLLECT_NOW)
        return missing_set(source, err);
    error_set(err, ERROR_TARGET, "%s", missing_text(source, text, sizeof(text)));
    if (lacks_hint(collect, err)) {
        missing_set(source, err);
        if (!missing_is_explained(err))
            error_remedy(err, "--follow goes on waiting, as --wait does without a time");
        keep_hint(collect, err);
    }
    not_yet(collect, err);
    return 0;
}

/* ---- pods ---- */

enum verdict { POD_FIT, POD_NOT_YET, POD_ENDED, POD_NEVER };

/* The container of -c, else the one that is taken where there is none of that name. */
static const struct kube_container *chosen(const struct collect *collect,
                                           const struct kube_pod *pod)
{
    const char *wanted = collect->settings->container;
    const struct kube_container *container = wanted ? kube_pod_container(pod, wanted) : NULL;

    return container ? container : target_default_container(pod);
}

/* Can a Pending pod be captured? An init container that runs has a network already; but who can
 * wait, waits for the container that is taken, unless none is needed. */
static bool has_begun(const struct collect *collect, const struct kube_pod *pod)
{
    if (collect->mode != COLLECT_NOW && !collect->settings->by_node) {
        const struct kube_container *container = chosen(collect, pod);

        return container && container->running;
    }
    for (size_t i = 0; i < pod->container_count; i++)
        if (pod->containers[i].running)
            return true;
    return false;
}

static enum verdict judge(const struct collect *collect, const struct kube_pod *pod)
{
    if (strcmp(pod->phase, "Succeeded") == 0 || strcmp(pod->phase, "Failed") == 0)
        return POD_ENDED;
    if (strcmp(pod->os, "windows") == 0)
        return POD_NEVER;
    if (!*pod->node || (strcmp(pod->phase, "Pending") == 0 && !has_begun(collect, pod)))
        return POD_NOT_YET;
    return POD_FIT;
}

/* What lines call a pod: with its namespace where there may be one of that name in another. */
static const char *called(const struct collect *collect, const struct kube_pod *pod, char *out,
                          size_t size)
{
    const struct settings *settings = collect->settings;
    bool elsewhere = settings->all_namespaces || !settings->namespace ||
                     strcmp(settings->namespace, pod->namespace) != 0;

    snprintf(out, size, "%s%s%s", elsewhere ? pod->namespace : "", elsewhere ? "/" : "", pod->name);
    return out;
}

/* Says why a pod of many is not captured. Return: false when it is to be captured. */
static bool leave_out(struct collect *collect, const struct kube_pod *pod)
{
    enum verdict verdict = judge(collect, pod);
    struct error why;
    char line[ERROR_TEXT_MAX], name[400];

    if (verdict == POD_FIT)
        return false;
    collect->left_out++;
    called(collect, pod, name, sizeof(name));
    if (verdict == POD_NOT_YET && collect->mode == COLLECT_WAIT) {
        error_set(&why, ERROR_TIMEOUT, "pod \"%s\" is still Pending: %s", name,
                  target_why_pending(pod));
        error_remedy(&why, "see: kubectl describe pod %s -n %s", pod->name, pod->namespace);
        not_yet(collect, &why);
    } else if (verdict == POD_ENDED ||
               (verdict == POD_NOT_YET && collect->mode == COLLECT_FOLLOW)) {
        snprintf(line, sizeof(line), "pod '%s' is left out: it %s", name,
                 verdict == POD_ENDED ? "has ended" : "is not there yet");
        if (is_news(collect, line))
            log_debug("%s", line);
    } else {
        snprintf(line, sizeof(line), "pod '%s' is left out: %s", name,
                 verdict == POD_NEVER ? "it runs on Windows, which has no AF_PACKET"
                                      : target_why_pending(pod));
        tell_once(collect, line);
    }
    return true;
}

static void note_lacking(struct collect *collect, const struct kube_pod *pod)
{
    char name[400];

    if (!collect->lacking)
        collect->lacking = json_array();
    json_array_append_new(collect->lacking, json_string(called(collect, pod, name, sizeof(name))));
}

/* Return: the container to take, by name; NULL: the default, which may be worth a warning. -c is
 * for those that have such a container. */
static const char *choose(struct collect *collect, const struct kube_pod *pod)
{
    const char *wanted = collect->settings->container;
    const struct kube_container *container = chosen(collect, pod);

    /* It was told of before, where it is waited for others, or it is tried again. */
    if (!is_news(collect, pod->uid))
        return container ? container->name : NULL;
    if (wanted && !kube_pod_container(pod, wanted)) {
        note_lacking(collect, pod);
        wanted = NULL;
    }
    return wanted;
}

/* What comes later to a node that is captured is worth a line, as at the start. */
static void tell_shared(struct collect *collect, const struct target *target,
                        const struct target *captured)
{
    char line[ERROR_TEXT_MAX];

    snprintf(line, sizeof(line),
             "%s has the interfaces of node '%s': it is captured already, as %s", target->label,
             target->node_name, captured->label);
    tell_once(collect, line);
}

/* By whom the pod's interfaces are captured, as they are its node's; NULL: by nobody. */
static const struct target *sharer(const struct collect *collect, const struct kube_pod *pod)
{
    return pod->host_network ? target_set_on_node(collect->set, pod->node) : NULL;
}

static int add_pod(struct collect *collect, struct kube_pod *pod, struct error *err)
{
    const struct target *captured = sharer(collect, pod);
    struct target target, *added = NULL;

    if (target_of_pod(pod, choose(collect, pod), &target, err) < 0)
        return -1;
    if (collect->mode == COLLECT_FOLLOW &&
        (collect->settings->all_namespaces ||
         target_set_spans_namespaces(collect->set, target.namespace)))
        target_name_namespace(&target);
    if (captured && collect->started)
        tell_shared(collect, &target, captured);
    if (target_set_add(collect->set, &target, &added, err) < 0)
        return -1;
    if (added && collect->added)
        collect->added(collect->data, added);
    return 0;
}

/* More than is allowed comes later: that ends nothing. */
static bool is_too_many(struct collect *collect, const struct kube_pod *pod)
{
    uint64_t most = collect->settings->max_targets;
    char name[400], key[sizeof(name) + 20];

    if (!collect->started || !most || collect->set->count < most || sharer(collect, pod))
        return false;
    snprintf(key, sizeof(key), "too many: %s", called(collect, pod, name, sizeof(name)));
    if (is_news(collect, key))
        log_warning("pod '%s' is not captured: there are %llu targets, and --max-targets allows no "
                    "more",
                    name, (unsigned long long)most);
    return true;
}

/* @named: by its own name: what cannot be captured is an error then */
static int take_pod(struct collect *collect, json_t *json, bool named, struct error *err)
{
    const char *uid = json_string_value(json_object_get(json_object_get(json, "metadata"), "uid"));
    struct kube_pod *pod;

    if (target_set_has(collect->set, uid ? uid : ""))
        return 0;
    if (kube_pod_read(json, &pod, err) < 0)
        return -1;
    bool waits = collect->mode != COLLECT_NOW && judge(collect, pod) == POD_NOT_YET;
    if (((!named || waits) && leave_out(collect, pod)) || is_too_many(collect, pod)) {
        kube_pod_free(pod);
        return 0;
    }
    return add_pod(collect, pod, err);
}

static json_t *pod_of_name(const struct source *source, const char *name)
{
    const char *uid;
    json_t *pod;

    json_object_foreach(source->pods, uid, pod)
    {
        const char *its =
            json_string_value(json_object_get(json_object_get(pod, "metadata"), "name"));

        if (its && strcmp(its, name) == 0)
            return pod;
    }
    return NULL;
}

static int take_name(struct collect *collect, const struct source *source,
                     const struct source_name *name, struct error *err)
{
    json_t *pod = pod_of_name(source, name->name);
    struct error why = name->error;

    if (pod)
        return take_pod(collect, pod, collect->mode != COLLECT_FOLLOW, err);
    if (why.kind == ERROR_NONE)
        error_set(&why, ERROR_NOT_FOUND, "pods \"%s\" not found in namespace \"%s\"", name->name,
                  source->namespace);
    return absent(collect, source, name->name, &why, err);
}

static int take_names(struct collect *collect, const struct source *source, struct error *err)
{
    for (size_t i = 0; i < source->name_count; i++)
        if (take_name(collect, source, &source->names[i], err) < 0)
            return -1;
    return 0;
}

static int take_node(struct collect *collect, const struct source *source, struct error *err)
{
    struct target target, *added = NULL;

    if (target_of_node_object(source->object, &target, err) < 0 ||
        target_set_add(collect->set, &target, &added, err) < 0)
        return -1;
    if (added && collect->added)
        collect->added(collect->data, added);
    return 0;
}

static int take_pods(struct collect *collect, const struct source *source, struct error *err)
{
    const char *uid;
    json_t *pod;
    size_t found = 0;

    json_object_foreach(source->pods, uid, pod)
    {
        if (!belongs_to(source, pod))
            continue;
        found++;
        if (take_pod(collect, pod, false, err) < 0)
            return -1;
    }
    return found == 0 ? no_pods(collect, source, err) : 0;
}

/* ---- all ---- */

static int take_source(struct collect *collect, const struct source *source, struct error *err)
{
    if (source->error.kind != ERROR_NONE && !collect->started)
        return absent(collect, source, source->name ? source->name : "", &source->error, err);
    if (source->error.kind != ERROR_NONE) {
        if (is_news(collect, source->error.text))
            log_warning("what comes later is not captured: %s", source->error.text);
        return 0;
    }
    if (source->names)
        return take_names(collect, source, err);
    if (source->kind->id == TARGET_NODE)
        return take_node(collect, source, err);
    if (source->kind->id != TARGET_POD && !source->object) {
        struct error why;

        error_set(&why, ERROR_NOT_FOUND, "%s \"%s\" not found in namespace \"%s\"",
                  source->kind->resource, source->name, source->namespace);
        return absent(collect, source, source->name, &why, err);
    }
    return take_pods(collect, source, err);
}

/* One line for all pods without the container of -c. */
static void tell_lacking(struct collect *collect)
{
    size_t i, count = json_array_size(collect->lacking);
    cleanup_buf struct buf names;
    json_t *name;

    buf_init(&names, NAMES_LENGTH);
    if (count == 0)
        return;
    json_array_foreach(collect->lacking, i, name)
    {
        if (!buf_printf(&names, "%s'%s'", i ? ", " : "", json_string_value(name)))
            break;
    }
    log_warning("pod%s %s%s: no container '%s' there, another one is taken", count > 1 ? "s" : "",
                buf_string(&names), i < count ? " and others" : "", collect->settings->container);
    json_array_clear(collect->lacking);
}

int collect_all(struct collect *collect, const struct gather *gather, struct error *err)
{
    collect->left_out = 0;
    collect->yet = (struct error){.kind = ERROR_NONE};
    for (size_t i = 0; i < gather->count; i++)
        if (take_source(collect, gather->sources[i], err) < 0)
            return -1;
    tell_lacking(collect);
    return 0;
}
