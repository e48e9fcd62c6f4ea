/* SPDX-License-Identifier: Apache-2.0 */
#include "target/find.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "kube/client.h"
#include "settings/settings.h"
#include "target/collect.h"
#include "target/missing.h"

#define WAIT_POLL_MS 1000
#define NAMES_LENGTH 300 /* bytes of names in a message */

/* ---- one pod or node ---- */

static int resolve_one(struct kube_client *client, const struct settings *settings,
                       struct target *ret_target, struct error *err)
{
    if (!settings->pod)
        return target_of_node(client, settings->node, ret_target, err);
    if (settings->wait)
        return target_wait(client, settings->namespace, settings->pod, settings->container,
                           settings->wait_timeout, ret_target, err);
    return target_resolve(client, settings->namespace, settings->pod, settings->container,
                          ret_target, err);
}

static int find_one(struct kube_client *client, const struct settings *settings,
                    struct target_set *ret_set, struct error *err)
{
    struct target target, *added;

    *ret_set = (struct target_set){0};
    if (resolve_one(client, settings, &target, err) == 0)
        return target_set_add(ret_set, &target, &added, err);
    if (settings->pod)
        missing_type(settings, settings->namespace, settings->pod, err);
    return -1;
}

/* ---- several ---- */

int targets_check_count(const struct settings *settings, size_t count, struct error *err)
{
    if (!settings->max_targets || count <= settings->max_targets)
        return 0;
    error_set(err, ERROR_TARGET, "%zu targets are found, more than the %llu of --max-targets",
              count, (unsigned long long)settings->max_targets);
    return error_remedy(err, "choose fewer, or allow so many: --max-targets %zu", count);
}

static int check_set(const struct collect *collect, struct error *err)
{
    size_t left_out = collect->left_out;

    if (collect->set->count > 0)
        return targets_check_count(collect->settings, collect->set->count, err);
    error_set(err, ERROR_TARGET, "%s %zu pod%s, and %s cannot be captured",
              left_out == 1 ? "there is" : "there are", left_out, left_out == 1 ? "" : "s",
              left_out == 1 ? "it" : "they");
    return error_remedy(err, "pods that have ended, or are Pending: --wait and --follow wait for "
                             "others; -v names them");
}

/* Looks once. Return: 0; 1 when something is waited for still (collect->yet); -1. */
static int look(struct kube_client *client, struct collect *collect, struct error *err)
{
    struct gather gather;
    int result = gather_start(&gather, client, collect->settings, false, NULL, NULL, err);

    if (result == 0)
        result = gather_await(&gather, err);
    if (result == 0)
        result = collect_all(collect, &gather, err);
    gather_end(&gather);
    return result < 0 ? -1 : collect->yet.kind != ERROR_NONE;
}

/* What a bad moment of the server's says, once it has answered, does not end hours of waiting. */
static bool goes_on(int result, bool begun, struct collect *collect, const struct error *err)
{
    if (result >= 0 || !begun || !error_is_passing(err) || err->kind == ERROR_INTERRUPTED)
        return result > 0;
    log_debug("not now: %s", err->text);
    collect->yet = *err;
    return true;
}

static int look_until_all_are_there(struct kube_client *client, struct collect *collect,
                                    struct error *err)
{
    uint64_t timeout = collect->settings->wait_timeout;
    uint64_t end = timeout ? loop_now() + timeout : UINT64_MAX;
    bool begun = false;

    for (;;) {
        int result = look(client, collect, err);

        if (!goes_on(result, begun, collect, err))
            return result;
        begun = true;
        if (loop_now() >= end) {
            *err = collect->yet;
            err->kind = ERROR_TIMEOUT;
            return -1;
        }
        target_set_free(collect->set);
        if (target_pass_time(kube_client_loop(client), WAIT_POLL_MS, err) < 0)
            return -1;
    }
}

/* "3 targets: pod "a", pod "b" and others" */
void targets_tell(struct target_set *set)
{
    cleanup_buf struct buf names;
    size_t i;

    buf_init(&names, NAMES_LENGTH);
    if (set->count == 0)
        return;
    target_set_name_namespaces(set);
    for (i = 0; i < set->count; i++)
        if (!buf_printf(&names, "%s%s", i ? ", " : "", set->targets[i]->label))
            break;
    log_info("%zu target%s: %s%s", set->count, set->count == 1 ? "" : "s", buf_string(&names),
             i < set->count ? " and others" : "");
}

static int find_several(struct kube_client *client, const struct settings *settings,
                        struct target_set *ret_set, struct error *err)
{
    struct target_set set = {0};
    struct collect collect = {
        .mode = settings->wait ? COLLECT_WAIT : COLLECT_NOW, .settings = settings, .set = &set};
    int result = settings->wait ? look_until_all_are_there(client, &collect, err)
                                : look(client, &collect, err);

    if (result == 0)
        result = check_set(&collect, err);
    collect_free(&collect);
    if (result < 0) {
        target_set_free(&set);
        return -1;
    }
    target_set_tell_shared(&set);
    targets_tell(&set);
    *ret_set = set;
    return 0;
}

int targets_find(struct kube_client *client, const struct settings *settings,
                 struct target_set *ret_set, struct error *err)
{
    return settings->pod || settings->node ? find_one(client, settings, ret_set, err)
                                           : find_several(client, settings, ret_set, err);
}
