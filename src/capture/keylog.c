/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/keylog.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "capture/secrets.h"
#include "common/keylog.h"
#include "kube/client.h"
#include "kube/pod.h"
#include "method/method.h"
#include "method/session.h"
#include "settings/settings.h"
#include "target/target.h"

#define AWAITED_MS       5000 /* that packets may wait for its start */
#define BACKOFF_FIRST_MS 500
#define BACKOFF_MOST_MS  30000
#define METHODS_MAX      2

enum state {
    STARTING,
    RUNNING,
    WAITING, /* to be taken up again */
    ENDED,
};

struct keylog {
    enum state state;
    struct keylog_of of;
    struct settings settings;
    const struct method *methods[METHODS_MAX]; /* that are tried, in this order */
    size_t method_count, method;
    struct session *session;
    struct target fresh; /* the target as it was seen last, once that was asked for */
    bool has_fresh;
    bool has_run;
    bool overdue; /* it is not awaited any more */
    uint64_t secrets;

    struct loop_timer *timer;
    bool due;
    unsigned backoff; /* milliseconds */
    struct kube_call *call;
};

/* ---- what it brings ---- */

static void take_lines(struct keylog *keylog, const struct capture_secrets *secrets)
{
    const char *at = secrets->lines, *end = at + secrets->length;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline ? newline : end) - at);

        /* The agent has looked at them, but who knows what it has become. */
        if (keylog_line(at, length) == KEYLOG_SECRET)
            keylog->secrets += secrets_add(keylog->of.recorder, keylog->of.share, at, length);
        at += length + 1;
    }
}

static bool on_item(void *data, enum capture_item_kind kind, const struct capture_item *item)
{
    if (kind == CAPTURE_SECRETS)
        take_lines(data, &item->secrets);
    return true;
}

/* ---- its agent ---- */

static const struct target *target_of(const struct keylog *keylog)
{
    return keylog->has_fresh ? &keylog->fresh : keylog->of.target;
}

static void end(struct keylog *keylog)
{
    keylog->state = ENDED;
    loop_stop_timer(keylog->timer);
    if (keylog->has_run && keylog->secrets == 0)
        log_warning("%sno secret of TLS has come from the key log '%s'", keylog->of.who,
                    keylog->settings.keylog);
    else
        log_debug("%s%" PRIu64 " secrets came from the key log", keylog->of.who, keylog->secrets);
}

static void fail(struct keylog *keylog, const struct error *err)
{
    log_warning("%sthe key log '%s' is not read: %s%s%s%s", keylog->of.who, keylog->settings.keylog,
                err->text, err->remedy[0] ? " (" : "", err->remedy, err->remedy[0] ? ")" : "");
    keylog->has_run = true; /* nothing more is to be said of it */
    keylog->secrets += keylog->secrets == 0;
    end(keylog);
}

static void start_session(struct keylog *keylog)
{
    const struct method *method = keylog->methods[keylog->method];
    struct error err;

    session_free(keylog->session);
    keylog->state = STARTING;
    keylog->session = session_start(keylog->of.env, method, target_of(keylog), &keylog->settings,
                                    on_item, keylog, &err);
    if (!keylog->session)
        fail(keylog, &err);
}

/* Which may do, beside one that captures by this method. What the user forces is not left. */
static void choose_methods(struct keylog *keylog)
{
    const struct method *capture = keylog->of.method;
    const bool any = !keylog->settings.method;
    /* A helper with the node's network cannot look into containers. */
    const bool node = !keylog->of.target->host_network &&
                      (capture == &method_node || (any && capture == &method_ephemeral));

    if (node && capture == &method_node)
        keylog->methods[keylog->method_count++] = &method_node;
    if (any || capture != &method_node || !node)
        keylog->methods[keylog->method_count++] = &method_upload;
    if (node && capture != &method_node)
        keylog->methods[keylog->method_count++] = &method_node;
}

/* ---- after a cut ---- */

static void on_timer(void *data)
{
    struct keylog *keylog = data;

    keylog->due = keylog->overdue = true;
}

static void begin_to_wait(struct keylog *keylog)
{
    keylog->state = WAITING;
    keylog->due = false;
    loop_set_timer(keylog->timer, keylog->backoff);
    keylog->backoff = 2 * keylog->backoff < BACKOFF_MOST_MS ? 2 * keylog->backoff : BACKOFF_MOST_MS;
}

/* The container may have been started anew meanwhile, and have another id. Return: does it run? */
static bool take_pod(struct keylog *keylog, json_t *answer, struct error *err)
{
    struct target fresh = {0};
    struct kube_pod *pod;

    if (kube_pod_read(answer, &pod, err) < 0 ||
        target_of_pod(pod, keylog->of.target->container->name, &fresh, err) < 0)
        return false;
    bool same = strcmp(fresh.pod->uid, keylog->of.target->pod->uid) == 0;
    if (!same || !fresh.container->running) {
        target_free(&fresh);
        return false;
    }
    /* The session before it points into the old one. */
    session_free(keylog->session);
    keylog->session = NULL;
    if (keylog->has_fresh)
        target_free(&keylog->fresh);
    keylog->fresh = fresh;
    keylog->has_fresh = true;
    return true;
}

static void on_pod(void *data, json_t *answer, const struct error *err)
{
    struct keylog *keylog = data;
    struct error failure;

    keylog->call = NULL;
    if (keylog->state != WAITING)
        return;
    if (err || !take_pod(keylog, answer, &failure))
        begin_to_wait(keylog);
    else
        start_session(keylog);
}

static bool ask_for_pod(struct keylog *keylog)
{
    const struct target *target = keylog->of.target;
    cleanup_free char *path =
        text_format("/api/v1/namespaces/%s/pods/%s", target->namespace, target->name);
    const struct kube_request request = {.path = path,
                                         .timeout = kube_client_doubtful(keylog->of.env->client)};

    keylog->due = false;
    keylog->call =
        path ? kube_call_start(keylog->of.env->client, &request, on_pod, keylog, NULL) : NULL;
    if (!keylog->call)
        begin_to_wait(keylog);
    return true;
}

/* ---- its steps ---- */

static bool step_ended(struct keylog *keylog)
{
    const struct session *session = keylog->session;
    bool ran = keylog->state == RUNNING;

    if (session->error.kind == ERROR_NONE) {
        end(keylog);
    } else if (!keylog->has_run && keylog->method + 1 < keylog->method_count) {
        log_debug("%sthe key log by the %s method: %s", keylog->of.who, session->method->name,
                  session->error.text);
        keylog->method++;
        start_session(keylog);
    } else if (keylog->has_run && session->cut && keylog->settings.reconnect) {
        if (ran)
            log_info("%sthe key log: %s: taking it up again", keylog->of.who, session->error.text);
        session_hang_up(keylog->session);
        begin_to_wait(keylog);
    } else {
        fail(keylog, &session->error);
    }
    return true;
}

bool keylog_step(struct keylog *keylog)
{
    if (!keylog || keylog->state == ENDED)
        return false;
    if (keylog->state == WAITING)
        return keylog->due && !keylog->call && ask_for_pod(keylog);
    struct session *session = keylog->session;
    if (keylog->state == STARTING && session->reader) {
        log_debug("%sthe key log '%s' is followed by the %s method", keylog->of.who,
                  keylog->settings.keylog, session->method->name);
        keylog->state = RUNNING;
        keylog->has_run = true;
        keylog->backoff = BACKOFF_FIRST_MS;
        return true;
    }
    return session->state == SESSION_ENDED && step_ended(keylog);
}

bool keylog_is_awaited(const struct keylog *keylog)
{
    return keylog && keylog->state == STARTING && !keylog->has_run && !keylog->overdue &&
           keylog->of.target->container->running;
}

void keylog_stop(struct keylog *keylog)
{
    if (!keylog || keylog->state == ENDED)
        return;
    if (keylog->state == WAITING)
        end(keylog);
    else
        session_stop(keylog->session, true);
}

void keylog_cut(struct keylog *keylog)
{
    keylog_stop(keylog);
    if (keylog && keylog->session)
        session_cut(keylog->session);
}

bool keylog_has_ended(const struct keylog *keylog)
{
    return !keylog || keylog->state == ENDED;
}

/* ---- from nothing, and back ---- */

struct keylog *keylog_start(const struct keylog_of *of, struct error *err)
{
    struct keylog *keylog = calloc(1, sizeof(*keylog));

    if (keylog)
        keylog->timer =
            loop_add_timer(kube_client_loop(of->env->client), AWAITED_MS, on_timer, keylog);
    if (!keylog || !keylog->timer) {
        free(keylog);
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    keylog->of = *of;
    keylog->settings = *of->settings;
    keylog->settings.follows_keylog = true;
    keylog->settings.tcpdump_path = NULL;
    keylog->settings.leave_own_out = false;
    /* It needs no filter, and one that is changed does not live on. */
    keylog->settings.filter_text = keylog->settings.asked_filter = NULL;
    keylog->settings.filter = (struct filter){0};
    keylog->backoff = BACKOFF_FIRST_MS;
    choose_methods(keylog);
    start_session(keylog);
    return keylog;
}

void keylog_free(struct keylog *keylog)
{
    if (!keylog)
        return;
    kube_call_cancel(keylog->call);
    session_free(keylog->session);
    if (keylog->has_fresh)
        target_free(&keylog->fresh);
    loop_remove_timer(keylog->timer);
    free(keylog);
}
