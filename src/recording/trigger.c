/* SPDX-License-Identifier: Apache-2.0 */
#include "recording/trigger.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "kube/client.h"
#include "recording/recordings.h"
#include "target/target.h"

#define ASK_MS    2000  /* between two rounds of questions */
#define FREEZE_MS 20000 /* from the wish to the ring that holds still */
#define LOOK_MS   500   /* between two looks at whether it does */

struct waiting {
    struct kube_client *client;
    const char *namespace, *name;
    uint64_t timeout, started; /* milliseconds; loop_now() */
    bool told_waiting, told_triggered, told_trouble;
    uint64_t fired; /* nanoseconds since 1970; 0: no trigger has */
};

/* ---- what is seen in one round ---- */

static bool has_trigger(const struct recordings *recordings)
{
    for (size_t i = 0; i < recordings->count; i++)
        if (json_is_string(json_object_get(recordings->pods[i].described, "stopWhen")))
            return true;
    return false;
}

static bool all_have_ended(const struct recordings *recordings)
{
    for (size_t i = 0; i < recordings->count; i++)
        if (!recordings->pods[i].ended)
            return false;
    return true;
}

/* Return: when the first of them was fired; 0: none was. */
static uint64_t first_fired(const struct recordings *recordings)
{
    uint64_t first = 0;

    for (size_t i = 0; i < recordings->count; i++) {
        uint64_t fired = recordings->pods[i].state.trigger;

        if (fired && (!first || fired < first))
            first = fired;
    }
    return first;
}

/* Return: one that is in this condition; NULL: none is. */
static const struct recording_pod *find(const struct recordings *recordings,
                                        enum recording_condition condition)
{
    for (size_t i = 0; i < recordings->count; i++)
        if (recordings->pods[i].state.condition == condition)
            return &recordings->pods[i];
    return NULL;
}

/* Is there any use in waiting? */
static int check(const struct waiting *wait, const struct recordings *recordings, struct error *err)
{
    if (all_have_ended(recordings)) {
        error_set(err, ERROR_TARGET, "every recorder of \"%s\" has ended, and its ring with it",
                  wait->name);
        return error_remedy(err, "--for gives a recording more time");
    }
    if (has_trigger(recordings))
        return 0;
    error_set(err, ERROR_TARGET, "the recording \"%s\" has no trigger to wait for", wait->name);
    return error_remedy(err, "--stop-when gives it one; --fetch %s takes what there is",
                        wait->name);
}

static void tell_trouble(struct waiting *wait, const char *text)
{
    if (!wait->told_trouble)
        log_warning("%s: asking again", text);
    wait->told_trouble = true;
}

/* Of those that could not be asked. */
static void tell_errors(struct waiting *wait, const struct recordings *recordings)
{
    for (size_t i = 0; i < recordings->count; i++)
        if (recordings->pods[i].error.kind != ERROR_NONE) {
            tell_trouble(wait, recordings->pods[i].error.text);
            return;
        }
    wait->told_trouble = false;
}

static void tell(struct waiting *wait, const struct recordings *recordings)
{
    const struct recording_pod *triggered = find(recordings, RECORDING_TRIGGERED);

    tell_errors(wait, recordings);
    if (!wait->told_waiting)
        log_info("waiting for the trigger of '%s' on %zu node%s; Ctrl-C ends it", wait->name,
                 recordings->count, recordings->count == 1 ? "" : "s");
    wait->told_waiting = true;
    if (triggered && !wait->told_triggered) {
        log_info("the trigger has fired on node '%s', which records a little longer",
                 triggered->node);
        wait->told_triggered = true;
    }
}

/* ---- freezing ---- */

static bool is_frozen(const struct recording_pod *pod)
{
    return pod->ended || (pod->runs && pod->state.condition == RECORDING_FROZEN);
}

/* What `freeze` has said. @said: as many as there are pods */
static void take_answers(struct recordings *recordings, struct error *said)
{
    for (size_t i = 0; i < recordings->count; i++) {
        struct recording_pod *pod = &recordings->pods[i];

        said[i] = pod->error;
        if (pod->runs && pod->error.kind == ERROR_NONE)
            pod->state.condition = RECORDING_FROZEN;
    }
}

/* The wish stays in the ring, whatever became of the exec that has brought it there. Return: does
 * any of them answer, and may freeze yet? */
static bool may_freeze_yet(const struct recordings *recordings, const struct error *said)
{
    for (size_t i = 0; i < recordings->count; i++)
        if (!is_frozen(&recordings->pods[i]) && error_is_passing(&said[i]) &&
            recordings->pods[i].error.kind == ERROR_NONE)
            return true;
    return false;
}

static int not_frozen(const struct recording_pod *pod, const struct error *said, struct error *err)
{
    if (!pod->runs)
        error_set(err, ERROR_TARGET, "pod \"%s\" does not run: %s", pod->name, pod->why);
    else if (pod->error.kind != ERROR_NONE)
        *err = pod->error;
    else if (error_is_passing(said))
        error_set(err, ERROR_TIMEOUT, "it was told to %d s ago, and is still %s", FREEZE_MS / 1000,
                  recording_condition_name(pod->state.condition));
    else
        *err = *said;
    return error_prefix(err, "the recorder of node \"%s\" could not be frozen", pod->node);
}

static bool all_are_frozen(const struct recordings *recordings)
{
    for (size_t i = 0; i < recordings->count; i++)
        if (!is_frozen(&recordings->pods[i]))
            return false;
    return true;
}

/* Return: 0, frozen or not; -1 with the error. @said: gets what each pod has answered */
static int freeze(struct kube_client *client, struct recordings *recordings, struct error *said,
                  struct error *err)
{
    uint64_t end = loop_now() + FREEZE_MS;

    /* Nothing is asked before: the rings of all others would go on for so long. */
    if (recordings_ask(client, recordings, "freeze", err) < 0)
        return -1;
    take_answers(recordings, said);
    while (!all_are_frozen(recordings)) {
        if (recordings_ask(client, recordings, "status", err) < 0)
            return -1;
        if (!may_freeze_yet(recordings, said) || loop_now() >= end)
            return 0;
        if (target_pass_time(kube_client_loop(client), LOOK_MS, err) < 0)
            return -1;
    }
    return 0;
}

int trigger_freeze(struct kube_client *client, struct recordings *recordings, struct error *err)
{
    cleanup_free struct error *said = calloc(recordings->count + 1, sizeof(*said));

    if (!said)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (freeze(client, recordings, said, err) < 0)
        return -1;
    for (size_t i = 0; i < recordings->count; i++)
        if (!is_frozen(&recordings->pods[i]))
            return not_frozen(&recordings->pods[i], &said[i], err);
    return 0;
}

/* What the others have is wanted, too: as much as they can be told. */
static int freeze_others(const struct waiting *wait, struct recordings *recordings,
                         struct error *err)
{
    struct error failure;

    if (trigger_freeze(wait->client, recordings, &failure) == 0)
        return 0;
    if (failure.kind == ERROR_INTERRUPTED) {
        *err = failure;
        return -1;
    }
    log_warning("%s", failure.text);
    return 0;
}

/* ---- waiting ---- */

/* Asks them all once. Return: 1: one is frozen, and all others now, too; 0: not yet; -1: with the
 * error. */
static int look(struct waiting *wait, struct error *err)
{
    CLEANUP(recordings_free) struct recordings recordings = {0};

    if (recordings_find(wait->client, wait->namespace, wait->name, &recordings, err) < 0 ||
        check(wait, &recordings, err) < 0 ||
        recordings_ask(wait->client, &recordings, "status", err) < 0)
        return -1;
    tell(wait, &recordings);
    const struct recording_pod *frozen = find(&recordings, RECORDING_FROZEN);
    if (!frozen)
        return 0;
    wait->fired = first_fired(&recordings);
    log_info("the recorder of node '%s' is frozen%s", frozen->node,
             frozen->state.trigger ? ": its trigger has fired" : ", though not by its trigger");
    return freeze_others(wait, &recordings, err) < 0 ? -1 : 1;
}

/* A bad moment of the network is waited for, too, once all was well. */
static bool is_survived(struct waiting *wait, const struct error *err)
{
    if (!wait->told_waiting || !error_is_passing(err) || err->kind == ERROR_INTERRUPTED)
        return false;
    tell_trouble(wait, err->text);
    return true;
}

int trigger_wait(struct kube_client *client, const char *namespace, const char *name,
                 uint64_t timeout, uint64_t *ret_fired, struct error *err)
{
    struct loop *loop = kube_client_loop(client);
    struct waiting wait = {.client = client,
                           .namespace = namespace,
                           .name = name,
                           .timeout = timeout,
                           .started = loop_now()};

    for (;;) {
        struct error failure = {0};
        int result = look(&wait, &failure);

        if (result > 0) {
            *ret_fired = wait.fired;
            return 0;
        }
        if (result < 0 && !is_survived(&wait, &failure)) {
            *err = failure;
            return -1;
        }
        if (timeout && loop_now() - wait.started >= timeout) {
            error_set(err, ERROR_TIMEOUT, "the trigger of \"%s\" has not fired", name);
            return error_remedy(err, "it goes on recording: wait longer, or see --recordings");
        }
        if (target_pass_time(loop, ASK_MS, NULL) < 0)
            return error_set(err, ERROR_INTERRUPTED, "interrupted while waiting for the trigger");
    }
}
