/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request at a time: the pages of the list, then watches, one after the other. What a watch
 * sends comes from within curl, where no request can be made: it is kept, and read by the timer.
 */
#include "kube/watch.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "kube/client.h"
#include "kube/patience.h"
#include "kube/watch_events.h"

#define PAGE        100         /* objects of one answer: a megabyte of pods, perhaps */
#define EVENTS_MAX  (64u << 20) /* bytes; as of any other answer (client.c) */
#define KNOWN_MAX   (1u << 18)  /* objects of which it is heard that they are gone */
#define LIST_MAX    (1u << 19) /* objects and pages of a list; clusters have at most 150,000 pods */
#define VERSION_MAX 256        /* bytes */
#define WATCH_S     300        /* a watch lasts; the next goes on from it */
#define ANSWER_MS   30000      /* and what its end may take */
#define DELAY_FIRST 200        /* milliseconds between two watches */
#define DELAY_MOST  30000
#define STEADY_MS   5000 /* a watch of this length was none in vain, though nothing came */

struct kube_watch {
    struct kube_client *client;
    const struct kube_watch_events *events;
    void *data;
    char *path; /* with the selectors, to be gone on with: "/api/v1/pods?labelSelector=app&" */
    bool metadata, once, quiet, hasty;

    struct kube_call *call; /* NULL: none is under way */
    struct loop_timer *timer;
    struct kube_events received;
    char *page;                /* the token of the list's next page, escaped; NULL: the first */
    size_t length;             /* of the list so far: its objects and pages */
    char version[VERSION_MAX]; /* "": the list comes first */
    json_t *known;             /* uid: the round in which it was listed or heard of last */
    json_int_t round;
    bool listed;      /* once at least */
    bool watched;     /* a watch has gone well since */
    unsigned delay;   /* milliseconds, after the next failure */
    uint64_t begun;   /* loop_now(), of the watch */
    bool fruitful;    /* something has come of it */
    bool ended;       /* its answer is whole, or cut */
    bool over;        /* synced() with nothing to follow, or failed() */
    unsigned busy;    /* calls under way that may step the loop */
    bool freed;       /* and are to release it in the end */
    struct error why; /* of the watch's end */
    struct patience patience;
};

static void release(struct kube_watch *watch)
{
    kube_call_cancel(watch->call);
    loop_remove_timer(watch->timer);
    kube_events_free(&watch->received);
    json_decref(watch->known);
    free(watch->path);
    free(watch->page);
    free(watch);
}

void kube_watch_free(struct kube_watch *watch)
{
    if (!watch)
        return;
    watch->freed = watch->over = true;
    if (!watch->busy)
        release(watch);
}

/* Behind everything that begins with watch->busy++. */
static void leave(struct kube_watch *watch)
{
    if (--watch->busy == 0 && watch->freed)
        release(watch);
}

static void give_up(struct kube_watch *watch, const struct error *err)
{
    watch->over = true;
    loop_stop_timer(watch->timer);
    if (!watch->freed)
        watch->events->failed(watch->data, err);
}

/* What is not over goes on after a while. */
static void plan(struct kube_watch *watch)
{
    if (watch->over)
        return;
    loop_set_timer(watch->timer, watch->delay);
    watch->delay = 2 * watch->delay < DELAY_MOST ? 2 * watch->delay : DELAY_MOST;
}

/* Of several servers the next may have just started, where the last one has ended the watch in
 * order: what was allowed is not believed to be refused at once. */
static bool may_pass(struct kube_watch *watch, const struct error *err)
{
    return error_is_passing(err) ||
           (watch->watched && patience_doubts(&watch->patience.refused, err));
}

/* What has failed is tried again later, or is given up. */
static void judge(struct kube_watch *watch, const struct error *err)
{
    if (watch->hasty && !watch->listed)
        give_up(watch, err);
    else if (patience_has(&watch->patience, err) || (watch->listed && may_pass(watch, err)))
        plan(watch);
    else
        give_up(watch, err);
}

static void forgive(struct kube_watch *watch)
{
    if (watch->quiet)
        watch->patience = (struct patience){.told = true};
    else
        patience_ended(&watch->patience);
}

/* ---- what is there ---- */

static void remember(struct kube_watch *watch, const char *uid)
{
    if (watch->once || !watch->events->gone ||
        (json_object_size(watch->known) >= KNOWN_MAX && !json_object_get(watch->known, uid)))
        return;
    json_object_set_new(watch->known, uid, json_integer(watch->round));
}

static void have_object(struct kube_watch *watch, json_t *object)
{
    const char *uid = kube_uid(object);

    if (!uid || watch->over)
        return;
    remember(watch, uid);
    watch->events->object(watch->data, object);
}

static void lose_object(struct kube_watch *watch, const char *uid)
{
    if (!uid || json_object_del(watch->known, uid) < 0 || watch->over)
        return;
    watch->events->gone(watch->data, uid);
}

/* The list is whole: what was there before, and is not in it, has gone meanwhile. */
static void sweep(struct kube_watch *watch)
{
    const char *uid;
    json_t *round;
    void *next;

    json_object_foreach_safe(watch->known, next, uid, round)
    {
        cleanup_free char *gone = json_integer_value(round) != watch->round ? strdup(uid) : NULL;

        lose_object(watch, gone);
    }
}

/* ---- the list ---- */

/* Return: false when the version is none that could be asked for. */
static bool take_version(struct kube_watch *watch, const char *version)
{
    if (!version || !*version || strlen(version) >= sizeof(watch->version))
        return false;
    strcpy(watch->version, version);
    return true;
}

static void list_again(struct kube_watch *watch)
{
    free(steal_pointer(watch->page));
    watch->length = 0;
    watch->version[0] = '\0';
    watch->round++;
}

static void end_list(struct kube_watch *watch, const json_t *list)
{
    struct error err;

    sweep(watch);
    if (watch->over)
        return;
    if (!watch->once && !take_version(watch, kube_version(list))) {
        error_set(&err, ERROR_PROTOCOL, "the list %s has no version", watch->path);
        give_up(watch, &err);
        return;
    }
    watch->listed = true;
    watch->over = watch->once;
    watch->events->synced(watch->data);
}

/* Gives up what would go on for ever: a page that follows itself, or too many of them. */
static void turn_page(struct kube_watch *watch, const char *token)
{
    cleanup_free char *before = watch->page;
    struct error err;

    watch->page = kube_escape(token);
    if (watch->length <= LIST_MAX && !(before && watch->page && strcmp(before, watch->page) == 0))
        return;
    error_set(&err, ERROR_PROTOCOL, "the list %s has no end", watch->path);
    give_up(watch, &err);
}

static void take_page(struct kube_watch *watch, json_t *list)
{
    const char *next =
        json_string_value(json_object_get(json_object_get(list, "metadata"), "continue"));
    json_t *items = json_object_get(list, "items");
    size_t i;
    json_t *object;

    json_array_foreach(items, i, object)
    {
        have_object(watch, object);
    }
    watch->length += json_array_size(items) + 1;
    if (watch->over)
        return;
    if (next && *next) {
        turn_page(watch, next);
    } else {
        free(steal_pointer(watch->page));
        end_list(watch, list);
    }
    if (!watch->over)
        loop_set_timer(watch->timer, 0);
}

static void refused_list(struct kube_watch *watch, const struct error *err)
{
    /* Of the next page: it is a part of a list that is too old by now. */
    if (err->kind == ERROR_EXPIRED) {
        list_again(watch);
        plan(watch);
    } else {
        judge(watch, err);
    }
}

static void on_list(void *data, json_t *list, const struct error *err)
{
    struct kube_watch *watch = data;

    watch->call = NULL;
    watch->busy++;
    if (list) {
        forgive(watch);
        take_page(watch, list);
    } else {
        refused_list(watch, err);
    }
    leave(watch);
}

/* ---- the watch ---- */

/* Takes what has come. Return: false when the watch is of no use any more. */
static bool take_events(struct kube_watch *watch)
{
    while (!watch->over) {
        json_t *object = NULL;
        enum kube_event event = kube_events_next(&watch->received, &object, &watch->why);

        if (event == KUBE_EVENT_MORE)
            return true;
        if (event == KUBE_EVENT_FAILED)
            return false;
        watch->fruitful = true;
        take_version(watch, kube_version(object));
        if (event == KUBE_EVENT_OBJECT)
            have_object(watch, object);
        else if (event == KUBE_EVENT_GONE)
            lose_object(watch, kube_uid(object));
        json_decref(object);
    }
    return true;
}

/* It is over, for whatever reason: another one goes on from where it was, or the list does. */
static void end_watch(struct kube_watch *watch)
{
    const bool whole = watch->why.kind == ERROR_NONE, expired = watch->why.kind == ERROR_EXPIRED;

    kube_call_cancel(steal_pointer(watch->call));
    kube_events_clear(&watch->received);
    watch->ended = false;
    if (!whole)
        log_debug("%s: %s", watch->path, watch->why.text);
    if (watch->fruitful || (whole && loop_now() - watch->begun >= STEADY_MS)) {
        forgive(watch);
        watch->watched = true;
        watch->delay = DELAY_FIRST;
    }
    /* An event that cannot be read would come again and again. */
    if (expired || watch->why.kind == ERROR_PROTOCOL)
        list_again(watch);
    if (whole || expired || watch->fruitful)
        plan(watch);
    else
        judge(watch, &watch->why);
}

static void read_on(struct kube_watch *watch)
{
    if (watch->busy)
        return; /* whoever is hearing of something reads on afterwards */
    watch->busy++;
    bool useful = take_events(watch);
    if (!watch->over && (!useful || watch->ended))
        end_watch(watch);
    leave(watch);
}

/* From within curl. */
static bool on_part(void *data, const char *bytes, size_t length)
{
    struct kube_watch *watch = data;

    loop_set_timer(watch->timer, 0);
    return buf_append(&watch->received.bytes, bytes, length);
}

static void on_watch_end(void *data, json_t *answer, const struct error *err)
{
    struct kube_watch *watch = data;

    (void)answer;
    watch->call = NULL;
    watch->ended = true;
    watch->why = err ? *err : (struct error){.kind = ERROR_NONE};
    read_on(watch);
}

/* ---- requests ---- */

/* Return: the path and query, owned by the caller; NULL when out of memory. */
static char *query(const struct kube_watch *watch)
{
    if (!watch->version[0])
        return text_format("%slimit=%d%s%s", watch->path, PAGE, watch->page ? "&continue=" : "",
                           watch->page ? watch->page : "");
    cleanup_free char *version = kube_escape(watch->version);

    return version ? text_format("%swatch=true&allowWatchBookmarks=true&timeoutSeconds=%d"
                                 "&resourceVersion=%s",
                                 watch->path, WATCH_S, version)
                   : NULL;
}

static struct kube_call *start_call(struct kube_watch *watch, struct error *err)
{
    const bool watching = watch->version[0];
    const enum kube_answer metadata = watching ? KUBE_ANSWER_METADATA : KUBE_ANSWER_METADATA_LIST;
    cleanup_free char *path = query(watch);
    const struct kube_request request = {
        .path = path,
        .answer = watch->metadata ? metadata : KUBE_ANSWER_WHOLE,
        .timeout = watching ? WATCH_S * 1000 + ANSWER_MS : 0,
        .part = watching ? on_part : NULL,
    };

    if (!path) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    return kube_call_start(watch->client, &request, watching ? on_watch_end : on_list, watch, err);
}

/* Sends the next request. */
static void go_on(struct kube_watch *watch)
{
    struct error err;

    watch->fruitful = watch->ended = false;
    watch->why.kind = ERROR_NONE;
    watch->begun = loop_now();
    watch->call = start_call(watch, &err);
    if (!watch->call && !watch->over)
        judge(watch, &err);
}

static void on_timer(void *data)
{
    struct kube_watch *watch = data;

    if (watch->call || watch->ended) {
        read_on(watch);
        return;
    }
    if (watch->busy)
        return;
    watch->busy++;
    go_on(watch);
    leave(watch);
}

/* ---- life ---- */

/* Adds a selector to the path, which it takes. Return: the longer one; NULL when out of memory. */
static char *with_selector(char *path, const char *name, const char *selector)
{
    cleanup_free char *before = path;
    cleanup_free char *escaped = selector ? kube_escape(selector) : NULL;

    if (!path || !selector)
        return steal_pointer(before);
    return escaped ? text_format("%s%s=%s&", path, name, escaped) : NULL;
}

struct kube_watch *kube_watch_start(struct kube_client *client,
                                    const struct kube_watch_wanted *wanted,
                                    const struct kube_watch_events *events, void *data)
{
    struct kube_watch *watch = calloc(1, sizeof(*watch));

    if (!watch)
        return NULL;
    *watch = (struct kube_watch){.client = client,
                                 .events = events,
                                 .data = data,
                                 .metadata = wanted->metadata,
                                 .once = wanted->once,
                                 .quiet = wanted->quiet,
                                 .hasty = wanted->hasty};
    kube_events_init(&watch->received, EVENTS_MAX);
    watch->path = with_selector(text_format("%s?", wanted->path), "labelSelector", wanted->labels);
    watch->path = with_selector(watch->path, "fieldSelector", wanted->fields);
    watch->known = json_object();
    watch->timer = loop_add_timer(kube_client_loop(client), 0, on_timer, watch);
    if (watch->path && watch->known && watch->timer) {
        watch->delay = DELAY_FIRST;
        forgive(watch);
        return watch;
    }
    release(watch);
    return NULL;
}
