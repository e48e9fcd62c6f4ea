/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fetching.h"

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "capture/run.h"
#include "cli/options.h"
#include "recording/recordings.h"
#include "recording/trigger.h"
#include "settings/moment.h"
#include "settings/settings.h"

void fetching_prepare(const struct options *options, struct settings *settings)
{
    settings->fetched = options->recording;
    settings->live = options->live;
    settings->whole = options->ends;
    settings->keylog = settings->tcpdump_path = settings->remote_path = NULL;
    settings->follow = false;
    settings->method = NULL;
}

/* @fired: what a time back is back from; 0: from now. Before 1970 there is nothing. */
static uint64_t moment_of(const char *text, uint64_t fired)
{
    struct timespec now;
    uint64_t moment;

    if (!text)
        return 0;
    clock_gettime(CLOCK_REALTIME, &now);
    if (!fired)
        fired = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    return moment_parse(text, fired, &moment) == 0 && moment > 0 ? moment : 1;
}

/* What is found here is what is frozen, fetched and removed. So that nothing is recorded any more
 * that would be removed unseen, it is frozen where it is to end. */
static int before(struct kube_client *client, const struct options *options, const char *namespace,
                  struct recordings *ret, uint64_t *ret_fired, struct error *err)
{
    const char *name = options->recording;
    uint64_t most = options->wait ? options->wait_timeout : 0;

    if (options->wait_for && trigger_wait(client, namespace, name, most, ret_fired, err) < 0)
        return -1;
    if (recordings_find(client, namespace, name, ret, err) < 0)
        return -1;
    return options->ends ? trigger_freeze(client, ret, err) : 0;
}

/* Nothing new comes of a ring that is frozen, so that nobody is left waiting for it. Return: 0; -1
 * when interrupted. */
static int look_for_frozen(struct kube_client *client, struct recordings *recordings,
                           struct settings *what, struct error *err)
{
    size_t frozen = 0, ended = 0;

    if (recordings_ask(client, recordings, "status", err) < 0)
        return -1;
    for (size_t i = 0; i < recordings->count; i++) {
        const struct recording_pod *pod = &recordings->pods[i];

        ended += pod->ended;
        if (pod->state.condition != RECORDING_FROZEN)
            continue;
        frozen++;
        log_info("what node '%s' records is frozen: nothing new will come of it", pod->node);
    }
    what->live = frozen + ended < recordings->count;
    if (!what->live && frozen > 0)
        log_info("all of the recording '%s' is frozen: the fetch ends with what is there",
                 what->fetched);
    return 0;
}

/* Return: @result, with the error, unless what is asked for now fails. */
static int end(struct kube_client *client, const char *namespace, const struct settings *settings,
               int result, struct error *err)
{
    struct error failure;

    if (result < 0 && err->kind != ERROR_GONE) {
        log_warning("nothing of the recording '%s' is removed: not all of it was fetched. It is "
                    "frozen: fetch it again, or end it",
                    settings->fetched);
        return -1;
    }
    if (recordings_take_away(client, namespace, settings->fetched, settings->recordings,
                             &failure) == 0)
        return result;
    *err = failure;
    return -1;
}

int fetching_run(struct kube_client *client, const struct options *options,
                 const struct settings *settings, struct sink *sink, bool status, struct error *err)
{
    const char *namespace = settings->all_namespaces ? NULL : settings->namespace;
    const char *name = options->recording;
    CLEANUP(recordings_free) struct recordings recordings = {0};
    struct settings what = *settings;
    uint64_t fired = 0;

    if (before(client, options, namespace, &recordings, &fired, err) < 0)
        return -1;
    if (what.live && look_for_frozen(client, &recordings, &what, err) < 0)
        return -1;
    what.recordings = &recordings;
    what.since = moment_of(options->since_text, fired);
    what.until = moment_of(options->until_text, fired);
    log_info("fetching the recording '%s' [%s%s%s, filter: '%s']", name,
             namespace ? "namespace: '" : "all namespaces", namespace ? namespace : "",
             namespace ? "'" : "", settings->filter_text ? settings->filter_text : "");
    int result = capture_run(client, &what, sink, status, NULL, err);

    return options->ends ? end(client, namespace, &what, result, err) : result;
}
