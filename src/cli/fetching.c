/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fetching.h"

#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "capture/run.h"
#include "cli/options.h"
#include "recording/recordings.h"
#include "recording/trigger.h"
#include "settings/settings.h"

void fetching_prepare(const struct options *options, struct settings *settings)
{
    settings->fetched = options->recording;
    settings->since = options->since;
    settings->until = options->until;
    settings->live = options->live;
    settings->whole = options->ends;
    settings->keylog = settings->tcpdump_path = settings->remote_path = NULL;
    settings->follow = false;
    settings->method = NULL;
}

/* So that nothing is recorded any more that would be removed unseen. */
static int freeze(struct kube_client *client, const char *namespace, const char *name,
                  struct error *err)
{
    CLEANUP(recordings_free) struct recordings recordings = {0};

    return recordings_find(client, namespace, name, &recordings, err) < 0
               ? -1
               : trigger_freeze(client, &recordings, err);
}

static int before(struct kube_client *client, const struct options *options, const char *namespace,
                  struct error *err)
{
    const char *name = options->recording;

    if (options->wait_for &&
        trigger_wait(client, namespace, name, options->wait ? options->wait_timeout : 0, err) < 0)
        return -1;
    return options->ends ? freeze(client, namespace, name, err) : 0;
}

int fetching_run(struct kube_client *client, const struct options *options,
                 const struct settings *settings, struct sink *sink, bool status, struct error *err)
{
    const char *namespace = settings->all_namespaces ? NULL : settings->namespace;
    const char *name = options->recording;

    if (before(client, options, namespace, err) < 0)
        return -1;
    log_info("fetching the recording '%s' [%s%s%s, filter: '%s']", name,
             namespace ? "namespace: '" : "all namespaces", namespace ? namespace : "",
             namespace ? "'" : "", settings->filter_text ? settings->filter_text : "");
    if (capture_run(client, settings, sink, status, NULL, err) == 0)
        return options->ends ? recordings_end(client, namespace, name, err) : 0;
    if (options->ends)
        log_warning("nothing of the recording '%s' is removed: not all of it was fetched. It is "
                    "frozen: fetch it again, or end it",
                    name);
    return -1;
}
