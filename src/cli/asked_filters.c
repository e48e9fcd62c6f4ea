/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/asked_filters.h"

#include <signal.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/loop.h"
#include "cli/options.h"
#include "settings/filter_names.h"
#include "settings/settings.h"

/* libpcap asks DNS for names in a filter, which blocks, and nothing of ours is in the cluster yet:
 * Ctrl-C ends it at once. */
static int compile_interruptibly(const char *text, uint32_t snaplen, struct filter *filter,
                                 struct error *err)
{
    const struct sigaction ends = {.sa_handler = SIG_DFL};
    struct sigaction old;
    bool ignored = loop_ignores(SIGINT);

    if (!ignored)
        sigaction(SIGINT, &ends, &old);
    int result = filter_compile(text, snaplen, filter, err);
    if (!ignored)
        sigaction(SIGINT, &old, NULL);
    return result;
}

/* Those names in a filter that the cluster knows, once it can be asked. @ret_text: owned by the
 * caller; NULL where there was nothing to do */
static int resolve_filter(struct kube_client *client, const struct settings *settings,
                          const char *text, struct filter *filter, char **ret_text,
                          struct error *err)
{
    if (filter->program || !text)
        return 0;
    if (filter_names_resolve(client, settings->namespace, text, ret_text, err) < 0)
        return -1;
    return compile_interruptibly(*ret_text, settings->snaplen, filter, err);
}

/* What can be said of a filter before the cluster is asked. */
static int prepare_filter(const char *text, uint32_t snaplen, struct filter *filter,
                          struct error *err)
{
    char *masked = NULL;

    if (filter_names_mask(text, &masked, err) < 0)
        return -1;
    int result = masked ? filter_check(masked, text, snaplen, err)
                        : filter_compile(text, snaplen, filter, err);
    free(masked);
    return result;
}

int asked_filters_prepare(const struct options *options, struct settings *settings,
                          struct error *err)
{
    if (prepare_filter(options->filter, options->snaplen, &settings->filter, err) < 0)
        return -1;
    if (!options->stop_when)
        return 0;
    if (prepare_filter(options->stop_when, options->snaplen, &settings->recording.stop_when, err) ==
        0)
        return 0;
    filter_free(&settings->filter);
    return error_prefix(err, "--stop-when");
}

int asked_filters_resolve(struct kube_client *client, const struct options *options,
                          struct settings *settings, char **ret_filter, char **ret_stop_when,
                          struct error *err)
{
    if (options->action > OPTIONS_RECORD)
        return 0;
    if (resolve_filter(client, settings, options->filter, &settings->filter, ret_filter, err) < 0)
        return -1;
    if (*ret_filter)
        settings->filter_text = *ret_filter;
    return resolve_filter(client, settings, options->stop_when, &settings->recording.stop_when,
                          ret_stop_when, err);
}
