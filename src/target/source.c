/* SPDX-License-Identifier: Apache-2.0 */
#include "target/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "kube/client.h"
#include "kube/pod.h"
#include "kube/watch.h"
#include "settings/settings.h"
#include "target/belongs.h"
#include "target/selector.h"

#define MANY_NAMES 5   /* from there on a list may be cheaper */
#define WORTH      100 /* pods that may be listed for each of them: a page of the list */

static void heard(const struct source *source)
{
    if (source->context->heard)
        source->context->heard(source->context->data);
}

static void fail(struct source *source, const struct error *err)
{
    if (source->error.kind == ERROR_NONE)
        source->error = *err;
    heard(source);
}

static void out_of_memory(struct source *source)
{
    struct error err;

    error_set(&err, ERROR_INTERNAL, "out of memory");
    fail(source, &err);
}

/* ---- pods ---- */

/* Of a list that is longer than what is looked for, only that is kept. */
static void keep_pod(struct source *source, json_t *pod)
{
    bool by_name = source->names || source->is_pattern;

    if (by_name && !belongs_to(source, pod)) {
        json_object_del(source->pods, belongs_uid(pod));
        return;
    }
    kube_pod_slim(pod);
    if (json_object_set(source->pods, belongs_uid(pod), pod) < 0)
        out_of_memory(source);
}

static void on_pod(void *data, json_t *pod)
{
    struct source *source = data;

    source->looked_at++;
    keep_pod(source, pod);
    if (source->pods_known)
        heard(source);
}

static void on_pod_gone(void *data, const char *uid)
{
    struct source *source = data;

    json_object_del(source->pods, uid);
    if (source->pods_known)
        heard(source);
}

static void on_pods(void *data)
{
    struct source *source = data;

    source->pods_known = true;
    heard(source);
}

static void on_failure(void *data, const struct error *err)
{
    fail(data, err);
}

/* @data: of the events */
static struct kube_watch *watch(struct source *source, const char *path,
                                const struct kube_watch_wanted *more,
                                const struct kube_watch_events *events, void *data)
{
    struct kube_watch_wanted wanted = *more;

    wanted.path = path;
    wanted.once = !source->context->follow;
    wanted.hasty = true;
    struct kube_watch *started =
        path ? kube_watch_start(source->context->client, &wanted, events, data) : NULL;
    if (!started)
        out_of_memory(source);
    return started;
}

/* The fields by which pods are listed. Return: owned by the caller; NULL: none. */
static char *fields_of(const struct source *source)
{
    const char *asked = source->context->settings->field_selector;

    if (source->names)
        return source->name_count == 1 ? text_format("metadata.name=%s", source->names[0].name)
                                       : NULL;
    /* Of a CronJob's Jobs most have ended. */
    if (source->kind->id == TARGET_CRON_JOB)
        return text_format("%s%sstatus.phase!=Succeeded,status.phase!=Failed", asked ? asked : "",
                           asked ? "," : "");
    return asked ? strdup(asked) : NULL;
}

static void list_pods(struct source *source, const struct kube_watch_events *events)
{
    cleanup_free char *path = source->namespace
                                  ? text_format("/api/v1/namespaces/%s/pods", source->namespace)
                                  : strdup("/api/v1/pods");
    cleanup_free char *fields = fields_of(source);
    const struct kube_watch_wanted wanted = {.labels = source->labels, .fields = fields};

    source->pods_watch = watch(source, path, &wanted, events, source);
}

static const struct kube_watch_events of_pods = {
    .object = on_pod, .gone = on_pod_gone, .synced = on_pods, .failed = on_failure};

/* ---- pods by their names ---- */

static void on_named_pod(void *data, json_t *pod, const struct error *err)
{
    struct source_name *name = data;

    name->call = NULL;
    if (err)
        name->error = *err;
    name->found = pod != NULL;
    if (pod)
        keep_pod(name->source, pod);
    heard(name->source);
}

static void get_pod(struct source_name *name)
{
    struct source *source = name->source;
    cleanup_free char *path =
        text_format("/api/v1/namespaces/%s/pods/%s", source->namespace, name->name);
    const struct kube_request request = {.path = path};

    if (path)
        name->call =
            kube_call_start(source->context->client, &request, on_named_pod, name, &name->error);
    else
        out_of_memory(source);
}

/* Those that the list has not shown: who may not list may get; and one may be in no list. */
static void get_the_others(struct source *source)
{
    kube_watch_free(steal_pointer(source->pods_watch));
    for (size_t i = 0; i < source->name_count; i++)
        if (!source->names[i].found && !source->names[i].call)
            get_pod(&source->names[i]);
    source->pods_known = true;
    heard(source);
}

static void on_one_of_many(void *data, json_t *pod)
{
    struct source *source = data;
    bool all = true;

    keep_pod(source, pod);
    for (size_t i = 0; i < source->name_count; i++) {
        source->names[i].found |= strcmp(source->names[i].name, belongs_name(pod)) == 0;
        all &= source->names[i].found;
    }
    if (all || ++source->looked_at >= WORTH * source->name_count)
        get_the_others(source);
}

static void on_many(void *data)
{
    get_the_others(data);
}

static void on_no_list(void *data, const struct error *err)
{
    struct source *source = data;

    if (err->kind == ERROR_FORBIDDEN)
        get_the_others(source);
    else
        fail(source, err);
}

static const struct kube_watch_events of_many_names = {
    .object = on_one_of_many, .synced = on_many, .failed = on_no_list};

/* ---- each of several names watched by itself ---- */

static void on_this_pod(void *data, json_t *pod)
{
    const struct source_name *name = data;

    on_pod(name->source, pod);
}

static void on_this_gone(void *data, const char *uid)
{
    const struct source_name *name = data;

    on_pod_gone(name->source, uid);
}

static void on_this_known(void *data)
{
    struct source_name *name = data;
    struct source *source = name->source;

    name->watched = true;
    for (size_t i = 0; i < source->name_count; i++)
        if (!source->names[i].watched)
            return;
    on_pods(source);
}

static void on_this_failure(void *data, const struct error *err)
{
    const struct source_name *name = data;

    fail(name->source, err);
}

static void watch_name(struct source_name *name)
{
    static const struct kube_watch_events events = {.object = on_this_pod,
                                                    .gone = on_this_gone,
                                                    .synced = on_this_known,
                                                    .failed = on_this_failure};
    struct source *source = name->source;
    cleanup_free char *path = text_format("/api/v1/namespaces/%s/pods", source->namespace);
    cleanup_free char *field = text_format("metadata.name=%s", name->name);
    const struct kube_watch_wanted wanted = {.fields = field};

    if (field)
        name->watch = watch(source, path, &wanted, &events, name);
    else
        out_of_memory(source);
}

/* A role may name the pods that may be listed: then each by its name, but not all of them. */
static void on_no_common_watch(void *data, const struct error *err)
{
    struct source *source = data;

    if (err->kind != ERROR_FORBIDDEN || source->name_count == 1) {
        fail(source, err);
        return;
    }
    log_debug("the pods are watched one by one: %s", err->text);
    kube_watch_free(steal_pointer(source->pods_watch));
    source->pods_known = false;
    json_object_clear(source->pods); /* whoever goes meanwhile is in no list */
    for (size_t i = 0; i < source->name_count; i++)
        watch_name(&source->names[i]);
}

static void follow_names(struct source *source)
{
    static const struct kube_watch_events events = {
        .object = on_pod, .gone = on_pod_gone, .synced = on_pods, .failed = on_no_common_watch};

    list_pods(source, &events);
}

static void find_names(struct source *source)
{
    if (source->context->follow)
        follow_names(source);
    else if (source->name_count >= MANY_NAMES)
        list_pods(source, &of_many_names);
    else
        get_the_others(source);
}

/* ---- what stands between a workload and its pods ---- */

static void keep_endpoint(struct source *source, const json_t *endpoint, json_t *names)
{
    const json_t *target = json_object_get(endpoint, "targetRef");
    const char *kind = json_string_value(json_object_get(target, "kind"));
    const char *name = json_string_value(json_object_get(target, "name"));
    const char *address =
        json_string_value(json_array_get(json_object_get(endpoint, "addresses"), 0));

    if (kind && name && strcmp(kind, "Pod") == 0)
        json_object_set_new(names, name, json_true());
    else if (address)
        snprintf(source->foreign, sizeof(source->foreign), "%s", address);
}

static void on_slice(struct source *source, const json_t *slice)
{
    json_t *names = json_object(), *endpoint;
    size_t i;

    json_array_foreach(json_object_get(slice, "endpoints"), i, endpoint)
    {
        keep_endpoint(source, endpoint, names);
    }
    if (json_object_set_new(source->slices, belongs_uid(slice), names) < 0)
        out_of_memory(source);
}

static void on_owned(void *data, json_t *object)
{
    struct source *source = data;

    if (source->kind->id == TARGET_SERVICE)
        on_slice(source, object);
    else if (json_object_set_new(source->owned, belongs_uid(object),
                                 json_string(belongs_controller(object))) < 0)
        out_of_memory(source);
    if (source->owned_known)
        heard(source);
}

static void on_owned_gone(void *data, const char *uid)
{
    struct source *source = data;

    json_object_del(source->kind->id == TARGET_SERVICE ? source->slices : source->owned, uid);
}

static void go_on_to_pods(struct source *source);

static void on_all_owned(void *data)
{
    struct source *source = data;

    source->owned_known = true;
    go_on_to_pods(source);
    heard(source);
}

static void on_nothing_owned(void *data, const struct error *err)
{
    struct source *source = data;

    if (source->kind->id != TARGET_SERVICE || err->kind != ERROR_FORBIDDEN) {
        fail(source, err);
        return;
    }
    log_debug("the selector of service '%s' stands for its endpoints: %s", source->name, err->text);
    source->slices_hidden = true;
    on_all_owned(source);
}

static void list_owned(struct source *source, const char *labels)
{
    static const struct kube_watch_events events = {.object = on_owned,
                                                    .gone = on_owned_gone,
                                                    .synced = on_all_owned,
                                                    .failed = on_nothing_owned};
    const struct kube_watch_wanted wanted = {.labels = labels,
                                             .metadata = source->kind->id != TARGET_SERVICE};
    const struct belongs_kind *owned = belongs_between(source);

    if (!owned || source->owned_watch)
        return;
    cleanup_free char *path =
        text_format("%s/namespaces/%s/%s", owned->root, source->namespace, owned->resource);

    source->owned_watch = watch(source, path, &wanted, &events, source);
}

static void list_slices(struct source *source)
{
    cleanup_free char *labels = text_format("kubernetes.io/service-name=%s", source->name);

    if (labels)
        list_owned(source, labels);
    else
        out_of_memory(source);
}

/* ---- the object of a workload ---- */

static int take_selector(struct source *source, struct error *err)
{
    const json_t *spec = json_object_get(source->object, "spec");
    const char *external = json_string_value(json_object_get(spec, "externalName"));

    if (source->kind->id == TARGET_SERVICE && external) {
        error_set(err, ERROR_TARGET, "service \"%s\" has no pods, it stands for \"%s\"",
                  source->name, external);
        return error_remedy(err, "capture at a client of it, with -f 'host %s'", external);
    }
    free(source->labels);
    source->labels = source->kind->id == TARGET_CRON_JOB
                         ? strdup("job-name")
                         : selector_of_object(json_object_get(spec, "selector"));
    if (source->labels || source->kind->id == TARGET_SERVICE)
        return 0;
    return error_set(err, ERROR_TARGET, "%s \"%s\" has no selector of pods", source->kind->name,
                     source->name);
}

/* A Service without a selector has endpoints that somebody else has written. */
static bool has_pods_to_list(const struct source *source)
{
    const char *uid;
    json_t *names;

    if (source->labels || source->context->follow)
        return true;
    json_object_foreach(source->slices, uid, names)
    {
        if (json_object_size(names) > 0)
            return true;
    }
    return false;
}

/* Lists the pods, once it is known which. */
static void go_on_to_pods(struct source *source)
{
    if (!source->object || source->pods_watch || source->pods_known ||
        (!source->labels && !source->owned_known))
        return;
    if (!source->labels && source->slices_hidden) {
        struct error err;

        error_set(&err, ERROR_FORBIDDEN,
                  "service \"%s\" has no selector, and its endpoints may not be listed",
                  source->name);
        error_remedy(&err, "needs: list endpointslices");
        fail(source, &err);
        return;
    }
    if (has_pods_to_list(source))
        list_pods(source, &of_pods);
    else
        source->pods_known = true;
}

/* Another selector chooses other pods. */
static void begin_again(struct source *source)
{
    kube_watch_free(steal_pointer(source->pods_watch));
    source->pods_known = false;
    json_object_clear(source->pods);
    if (source->kind->id == TARGET_SERVICE)
        return;
    kube_watch_free(steal_pointer(source->owned_watch));
    source->owned_known = false;
    json_object_clear(source->owned);
}

static void take_object(struct source *source, json_t *object)
{
    cleanup_free char *before = source->labels ? strdup(source->labels) : NULL;
    struct error err;

    json_decref(source->object);
    source->object = json_incref(object);
    source->object_known = true;
    if (source->kind->id != TARGET_NODE && take_selector(source, &err) < 0) {
        fail(source, &err);
        return;
    }
    if (source->pods_watch &&
        strcmp(before ? before : "", source->labels ? source->labels : "") != 0)
        begin_again(source);
    if (source->kind->id != TARGET_NODE && source->kind->id != TARGET_SERVICE)
        list_owned(source, source->kind->id == TARGET_CRON_JOB ? NULL : source->labels);
    if (source->kind->id != TARGET_NODE)
        go_on_to_pods(source);
    heard(source);
}

static void on_object(void *data, json_t *object, const struct error *err)
{
    struct source *source = data;

    source->call = NULL;
    if (err)
        fail(source, err);
    else
        take_object(source, object);
}

static void get_object(struct source *source)
{
    cleanup_free char *path =
        source->namespace
            ? text_format("%s/namespaces/%s/%s/%s", source->kind->root, source->namespace,
                          source->kind->resource, source->name)
            : text_format("%s/%s/%s", source->kind->root, source->kind->resource, source->name);
    const struct kube_request request = {.path = path};
    struct error err = {0};

    if (path)
        source->call = kube_call_start(source->context->client, &request, on_object, source, &err);
    else
        error_set(&err, ERROR_INTERNAL, "out of memory");
    if (!source->call)
        fail(source, &err);
}

static void on_object_there(void *data, json_t *object)
{
    take_object(data, object);
}

/* Its pods go as well, each in its own time. */
static void on_object_gone(void *data, const char *uid)
{
    struct source *source = data;

    (void)uid;
    log_info("%s '%s' was deleted", source->kind->name, source->name);
    json_decref(steal_pointer(source->object));
    heard(source);
}

static void on_object_synced(void *data)
{
    struct source *source = data;

    source->object_known = true;
    heard(source);
}

static void watch_object(struct source *source)
{
    static const struct kube_watch_events events = {.object = on_object_there,
                                                    .gone = on_object_gone,
                                                    .synced = on_object_synced,
                                                    .failed = on_failure};
    cleanup_free char *path = text_format("%s/namespaces/%s/%s", source->kind->root,
                                          source->namespace, source->kind->resource);
    cleanup_free char *fields = text_format("metadata.name=%s", source->name);
    const struct kube_watch_wanted wanted = {.fields = fields};

    source->object_watch = watch(source, fields ? path : NULL, &wanted, &events, source);
}

/* ---- life ---- */

bool source_is_settled(const struct source *source)
{
    for (size_t i = 0; i < source->name_count; i++)
        if (source->names[i].call)
            return false;
    if (source->error.kind != ERROR_NONE)
        return true;
    if (source->kind->id == TARGET_NODE)
        return source->object_known;
    if (source->kind->id == TARGET_POD)
        return source->pods_known;
    if (source->object_known && !source->object)
        return true; /* followed, and not there yet */
    return source->object_known && source->pods_known &&
           (source->owned_known || !belongs_between(source));
}

static struct source *allocate(const struct source_context *context, const struct target_kind *kind,
                               const struct target_word *word)
{
    const struct settings *settings = context->settings;
    struct source *source = calloc(1, sizeof(*source));

    if (!source)
        return NULL;
    source->context = context;
    source->kind = kind;
    source->pods = json_object();
    source->owned = json_object();
    source->slices = json_object();
    source->namespace = word && *word->namespace                              ? word->namespace
                        : settings->all_namespaces || kind->id == TARGET_NODE ? NULL
                                                                              : settings->namespace;
    return source;
}

struct source *source_new(const struct source_context *context, const struct target_word *word)
{
    struct source *source = allocate(context, word ? word->kind : &target_kinds[TARGET_POD], word);
    const char *labels = context->settings->selector;

    if (!source)
        return NULL;
    source->name = word ? word->name : NULL;
    source->is_pattern = word && word->is_pattern;
    if (!word && labels)
        source->labels = strdup(labels);
    if (source->kind->id == TARGET_POD)
        list_pods(source, &of_pods);
    else if (context->follow && source->kind->id != TARGET_NODE)
        watch_object(source);
    else
        get_object(source);
    if (source->kind->id == TARGET_SERVICE)
        list_slices(source);
    return source;
}

struct source *source_new_pods(const struct source_context *context,
                               const struct target_word *const *words, size_t count)
{
    struct source *source = allocate(context, words[0]->kind, words[0]);

    if (!source)
        return NULL;
    source->names = calloc(count, sizeof(*source->names));
    if (!source->names) {
        source_free(source);
        return NULL;
    }
    source->name_count = count;
    for (size_t i = 0; i < count; i++)
        source->names[i] = (struct source_name){.name = words[i]->name, .source = source};
    find_names(source);
    return source;
}

void source_free(struct source *source)
{
    if (!source)
        return;
    for (size_t i = 0; i < source->name_count; i++) {
        kube_call_cancel(source->names[i].call);
        kube_watch_free(source->names[i].watch);
    }
    kube_call_cancel(source->call);
    kube_watch_free(source->object_watch);
    kube_watch_free(source->owned_watch);
    kube_watch_free(source->pods_watch);
    json_decref(source->object);
    json_decref(source->owned);
    json_decref(source->slices);
    json_decref(source->pods);
    free(source->labels);
    free(source->names);
    free(source);
}
