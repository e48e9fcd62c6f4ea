/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "capture/name_table.h"
#include "kube/client.h"
#include "kube/watch.h"
#include "method/facts.h"

#define NEWS_MS        100 /* from a name to its event, with those that follow it meanwhile */
#define NAMESPACES_MAX 50  /* of targets, that are listed each for itself */

/* What is listed: in the whole cluster, else in the targets' namespaces. */
struct kind {
    const char *resource; /* in paths and messages */
    bool namespaced;
    void (*take)(struct name_table *table, const json_t *object);
};

static const struct kind kinds[] = {
    {"pods", true, name_table_pod},
    {"services", true, name_table_service},
    {"nodes", false, name_table_node},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* One list, or watch. */
struct source {
    struct names *names;
    const struct kind *kind;
    const char *namespace; /* NULL: the whole cluster */
    struct kube_watch *watch;
    bool listed;
    struct source *next;
};

struct names {
    struct kube_client *client;
    struct name_table *table;
    bool follow;
    char **namespaces; /* owned; count of them */
    size_t count;
    struct source *sources;
    const struct fact *servers; /* the EndpointSlice of the API servers */
    struct facts_wait wait;
    size_t awaited; /* answers to the first requests */
    struct {
        bool elsewhere; /* outside of the targets' namespaces */
        bool here;      /* in one of them */
    } missing[KINDS];
    struct error why; /* of the first that is missing */
    bool told;

    struct loop_timer *timer;
    bool due;       /* it runs */
    uint64_t known; /* the cursor up to which @news has been called */
    void (*news)(void *data);
    void *data;
};

/* ---- what is told ---- */

static void add_words(char *out, size_t size, const char *resource, const char *where)
{
    size_t used = strlen(out);

    snprintf(out + used, size - used, "%s%s%s", used ? ", " : "", resource, where);
}

static void tell_what_is_missing(struct names *names)
{
    char whats[160] = "";

    for (size_t i = 0; i < KINDS; i++) {
        if (names->missing[i].here)
            add_words(whats, sizeof(whats), kinds[i].resource, "");
        else if (names->missing[i].elsewhere)
            add_words(whats, sizeof(whats), kinds[i].resource, " of other namespaces");
    }
    if (*whats)
        log_info("names of %s are missing: %s", whats,
                 names->why.kind == ERROR_FORBIDDEN ? "you may not list them in the whole cluster"
                                                    : names->why.text);
    if (name_table_full(names->table))
        log_info("names are missing of all but %d addresses", NAME_TABLE_MAX);
}

static void give_news(struct names *names)
{
    names->due = false;
    loop_stop_timer(names->timer);
    if (name_table_last(names->table) == names->known)
        return;
    names->known = name_table_last(names->table);
    names->news(names->data);
}

static void on_timer(void *data)
{
    give_news(data);
}

/* Something has been taken. */
static void taken(struct names *names)
{
    if (names->due || name_table_last(names->table) == names->known)
        return;
    names->due = true;
    loop_set_timer(names->timer, NEWS_MS);
}

/* One of the first requests has been answered. */
static void answered(struct names *names)
{
    if (names->awaited == 0 || --names->awaited > 0 || names->told)
        return;
    names->told = true;
    tell_what_is_missing(names);
    give_news(names);
    log_debug("names: all that can be had are there");
}

/* ---- lists ---- */

static void on_object(void *data, json_t *object)
{
    struct source *source = data;

    source->kind->take(source->names->table, object);
    taken(source->names);
}

static void on_synced(void *data)
{
    struct source *source = data;

    if (!source->listed)
        answered(source->names);
    source->listed = true;
}

static void on_failed(void *data, const struct error *err);

static const struct kube_watch_events events = {
    .object = on_object, .synced = on_synced, .failed = on_failed};

/* @namespace: NULL: the whole cluster. Return: owned by the caller; NULL when out of memory. */
static char *list_path(const struct kind *kind, const char *namespace)
{
    cleanup_free char *escaped = namespace ? kube_escape(namespace) : NULL;

    if (!namespace)
        return text_format("/api/v1/%s", kind->resource);
    return escaped ? text_format("/api/v1/namespaces/%s/%s", escaped, kind->resource) : NULL;
}

/* Return: false when out of memory, which is no more than a name that is missing. */
static bool add_source(struct names *names, const struct kind *kind, const char *namespace)
{
    struct source *source = calloc(1, sizeof(*source));
    cleanup_free char *path = list_path(kind, namespace);
    const struct kube_watch_wanted wanted = {.path = path, .once = !names->follow, .quiet = true};

    if (!source || !path) {
        free(source);
        return false;
    }
    *source = (struct source){
        .names = names, .kind = kind, .namespace = namespace, .next = names->sources};
    source->watch = kube_watch_start(names->client, &wanted, &events, source);
    names->sources = source;
    names->awaited += source->watch != NULL;
    return source->watch != NULL;
}

static void on_failed(void *data, const struct error *err)
{
    struct source *source = data;
    struct names *names = source->names;
    size_t kind = (size_t)(source->kind - kinds);

    log_debug("no %snames of %s: %s", source->listed ? "more " : "", source->kind->resource,
              err->text);
    if (source->listed)
        return;
    if (names->why.kind == ERROR_NONE)
        names->why = *err;
    names->missing[kind].elsewhere = true;
    names->missing[kind].here |= source->namespace || !source->kind->namespaced;
    /* First these, so that the end of the one that has failed is not the last. */
    for (size_t i = 0; !source->namespace && source->kind->namespaced && i < names->count; i++)
        if (!add_source(names, source->kind, names->namespaces[i]))
            names->missing[kind].here = true;
    answered(names);
}

static void on_servers(void *data)
{
    struct names *names = data;

    name_table_api_server(names->table, fact_object(names->servers));
    taken(names);
    answered(names);
}

/* ---- life ---- */

static bool copy_namespaces(struct names *names, const char *const *namespaces, size_t count)
{
    names->namespaces = calloc(count + 1, sizeof(*names->namespaces));
    if (!names->namespaces)
        return false;
    for (size_t i = 0; i < count && i < NAMESPACES_MAX; i++) {
        names->namespaces[names->count] = strdup(namespaces[i]);
        if (!names->namespaces[names->count++])
            return false;
    }
    return true;
}

struct names *names_start(struct facts *facts, const char *const *namespaces, size_t count,
                          bool follow, void (*news)(void *data), void *data)
{
    struct names *names = calloc(1, sizeof(*names));

    if (!names)
        return NULL;
    *names =
        (struct names){.client = facts_client(facts), .follow = follow, .news = news, .data = data};
    names->table = name_table_new();
    names->timer = loop_add_timer(kube_client_loop(names->client), 0, on_timer, names);
    if (!names->table || !names->timer || !copy_namespaces(names, namespaces, count)) {
        names_free(names);
        return NULL;
    }
    loop_stop_timer(names->timer);
    for (size_t i = 0; i < KINDS; i++)
        if (!add_source(names, &kinds[i], NULL))
            names->missing[i].here = true;
    names->awaited++;
    names->servers = facts_wait_add(&names->wait, facts_servers(facts));
    facts_wait_begin(&names->wait, facts, on_servers, names);
    return names;
}

void names_free(struct names *names)
{
    struct source *next;

    if (!names)
        return;
    for (struct source *source = names->sources; source; source = next) {
        next = source->next;
        kube_watch_free(source->watch);
        free(source);
    }
    facts_wait_end(&names->wait);
    loop_remove_timer(names->timer);
    name_table_free(names->table);
    for (size_t i = 0; i < names->count; i++)
        free(names->namespaces[i]);
    free(names->namespaces);
    free(names);
}

void names_pod(struct names *names, const json_t *pod)
{
    if (!names)
        return;
    name_table_pod(names->table, pod);
    taken(names);
}

size_t names_next(const struct names *names, uint64_t *cursor,
                  struct capture_address *ret_addresses, size_t most)
{
    return name_table_next(names->table, cursor, ret_addresses, most);
}
