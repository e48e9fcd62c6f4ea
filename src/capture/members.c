/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/members.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "capture/member.h"
#include "capture/names.h"
#include "capture/recorder.h"
#include "capture/run_state.h"
#include "method/facts.h"
#include "method/helper_pods.h"
#include "recording/fetch.h"
#include "settings/settings.h"
#include "target/find.h"
#include "target/follow.h"

/* ---- from targets to members ---- */

static struct member *make_member(struct run *run, struct target *target, bool several,
                                  struct error *err)
{
    struct member *member =
        member_new(&run->env, run->facts, &run->present, target, &run->timeline, several, err);

    if (member && target->pod)
        names_pod(run->names, target->pod->json);
    return member;
}

static int add_member(struct run *run, struct target *target, bool several, struct error *err)
{
    struct member **members = realloc(run->members, (run->count + 1) * sizeof(struct member *));

    if (!members) {
        target_free(target);
        free(target);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    run->members = members;
    if (!target->keeper)
        helper_pods_expect(run->env.helpers, target);
    members[run->count] = make_member(run, target, several, err);
    if (!members[run->count])
        return -1;
    run->count++;
    return 0;
}

/* ---- those that could not be captured ---- */

/* Of several, one that did not begin to capture may do so later. */
static bool is_tried_again(const struct run *run, const struct member *member)
{
    return run->follow && member->target->pod && !member->begun && !run->stopping &&
           !run->settings->fail_fast;
}

void members_failed(const struct run *run, const struct member *member)
{
    const struct error *why = &member->error;

    if (!is_tried_again(run, member))
        log_warning("%s: %s", member->target->label, why->text);
    else if (target_follow_failed(run->follow, member->target, why))
        log_warning("%s: %s; it is tried again as long as it is there", member->target->label,
                    why->text);
    else
        log_debug("%s: %s", member->target->label, why->text);
}

/* Return: where the one stands that is tried again; NULL: it is a new one, or its pod has come back
 * into what is followed. */
static struct member **place_of(const struct run *run, const struct target *target)
{
    for (size_t i = 0; target->pod && i < run->count; i++) {
        const struct member *member = run->members[i];

        if (member->target->pod && !member->departing &&
            strcmp(member->target->pod->uid, target->pod->uid) == 0)
            return &run->members[i];
    }
    return NULL;
}

/* One that has failed begins anew, with its pod as it is now. */
static int try_again(struct run *run, struct member **place, struct target *target,
                     struct error *err)
{
    struct member *before = *place;
    bool is_subject = run->recorder.subject == before->target->name;

    /* Another capture has begun meanwhile, or none will. */
    if (before->state != MEMBER_ENDED || run->stopping) {
        target_free(target);
        free(target);
        return 0;
    }
    facts_forget(run->facts); /* what it may not do was perhaps allowed meanwhile */
    struct member *fresh = make_member(run, target, true, err);
    if (!fresh)
        return -1;
    fresh->again = true;
    if (is_subject)
        run->recorder.subject = fresh->target->name;
    timeline_remove(&run->timeline, before->source);
    member_free(before);
    *place = fresh;
    return 0;
}

/* ---- those that come and go ---- */

/* One more, which is followed. */
static void on_added(void *data, struct target *target)
{
    struct run *run = data;
    struct member **place = place_of(run, target);
    struct error err;

    if (place ? try_again(run, place, target, &err) < 0 : add_member(run, target, true, &err) < 0)
        log_warning("%s", err.text);
    else if (run->stopping && !place) /* it belongs to another capture, if there is one */
        member_stop(run->members[run->count - 1], true);
}

static void depart(struct run *run, const char *uid, bool gone)
{
    for (size_t i = 0; i < run->count; i++) {
        struct member *member = run->members[i];

        if (member->target->pod && strcmp(member->target->pod->uid, uid) == 0)
            member_depart(member, gone);
    }
}

static void on_leaving(void *data, const char *uid)
{
    depart(data, uid, false);
}

static void on_gone(void *data, const char *uid, const char *why)
{
    log_debug("the pod of the uid %s: %s", uid, why);
    depart(data, uid, true);
}

static void on_blind(void *data)
{
    const struct run *run = data;

    for (size_t i = 0; i < run->count; i++)
        run->members[i]->target->watched = false;
}

static int find_targets(struct run *run, struct error *err)
{
    static const struct target_follow_events events = {
        .added = on_added, .leaving = on_leaving, .gone = on_gone, .blind = on_blind};

    if (run->settings->fetched)
        return fetch_targets(run->settings, &run->targets, err);
    return run->settings->follow ? target_follow_start(run->env.client, run->settings, &events, run,
                                                       &run->targets, &run->follow, err)
                                 : targets_find(run->env.client, run->settings, &run->targets, err);
}

int members_find(struct run *run, struct error *err)
{
    struct target_set *set = &run->targets;

    if (find_targets(run, err) < 0)
        return -1;
    bool several = run->follow || set->count > 1;

    for (size_t i = 0; i < set->count; i++) {
        struct target *target = set->targets[i];

        set->targets[i] = NULL;
        if (target && add_member(run, target, several, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- names of their addresses ---- */

static void on_names(void *data)
{
    struct run *run = data;

    recorder_names(&run->recorder);
}

static size_t next_names(void *data, uint64_t *cursor, struct capture_address *ret_addresses,
                         size_t most)
{
    const struct run *run = data;

    return names_next(run->names, cursor, ret_addresses, most);
}

/* Return: the namespaces of the targets, each once, *@ret_count of them; borrowed strings in an
 * array owned by the caller. */
static const char **namespaces_of(const struct run *run, size_t *ret_count)
{
    const char **namespaces = calloc(run->count + 1, sizeof(*namespaces));
    size_t count = 0, k;

    for (size_t i = 0; namespaces && i < run->count; i++) {
        const struct target *target = run->members[i]->target;

        for (k = 0; k < count && target->pod; k++)
            if (strcmp(namespaces[k], target->namespace) == 0)
                break;
        if (target->pod && k == count)
            namespaces[count++] = target->namespace;
    }
    if (namespaces && count == 0 && !run->settings->all_namespaces)
        namespaces[count++] = run->settings->namespace;
    *ret_count = count;
    return namespaces;
}

void members_ask_names(struct run *run)
{
    size_t count = 0;

    if (!run->settings->names)
        return;
    if (!run->settings->format->names) {
        log_info("a %s file holds no names of pods and Services: --format pcapng does",
                 run->settings->format->name);
        return;
    }
    const char **namespaces = namespaces_of(run, &count);

    run->names = names_start(run->facts, namespaces, count, run->settings->follow, on_names, run);
    free(namespaces);
    for (size_t i = 0; i < run->count; i++)
        if (run->members[i]->target->pod)
            names_pod(run->names, run->members[i]->target->pod->json);
    run->recorder.next_names = run->names ? next_names : NULL;
}

/* ---- all of them ---- */

bool members_single(const struct run *run)
{
    return run->count == 1 && !run->members[0]->several;
}

bool members_ended(const struct run *run)
{
    if (run->follow && !run->stopping)
        return false;
    for (size_t i = 0; i < run->count; i++)
        if (run->members[i]->state != MEMBER_ENDED)
            return false;
    return true;
}

void members_forget_gone(struct run *run)
{
    size_t kept = 0;

    for (size_t i = 0; i < run->count; i++) {
        if (run->members[i]->departing)
            member_free(run->members[i]);
        else
            run->members[kept++] = run->members[i];
    }
    run->count = kept;
}

void members_free(struct run *run)
{
    for (size_t i = 0; i < run->count; i++)
        member_free(run->members[i]);
    free(run->members);
}
