/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/conflicts.h"

#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "cli/flags.h"
#include "cli/options.h"

/* The methods that a flag is of; one without a row is of all. */
static const struct {
    const char *flag;
    const char *methods[2];
} of_methods[] = {
    {"remote-tcpdump-path", {"upload"}},
    {"image", {"node", "ephemeral"}},
    {"pod-creation-timeout", {"node", "ephemeral"}},
    {"node-namespace", {"node"}},
    {"serviceaccount", {"node"}},
    {"requests", {"node"}},
    {"limits", {"node"}},
};

/* Of packets, which --check does not take. */
static const char *const of_a_run[] = {
    "output-file",  "viewer", "format",   "max-size",     "rotate-size", "rotate-time",
    "rotate-files", "count",  "duration", "no-reconnect", "follow",      "reorder-window",
    "clock-sync",   "dedup",  "no-names", "summary",      "fail-fast",   "keylog"};

static const char *const of_cleanup[] = {"cleanup", "all-namespaces", "quiet", "verbose"};

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (names[i] && strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool is_of_action(const struct flag *flag, enum options_action action)
{
    if (action == OPTIONS_CHECK)
        return !is_among(flag->name, of_a_run, sizeof(of_a_run) / sizeof(of_a_run[0]));
    return action != OPTIONS_CLEANUP || flag->group == FLAG_GROUP_CLUSTER ||
           is_among(flag->name, of_cleanup, sizeof(of_cleanup) / sizeof(of_cleanup[0]));
}

static bool is_of_method(const struct flag *flag, const char *method)
{
    for (size_t i = 0; method && i < sizeof(of_methods) / sizeof(of_methods[0]); i++)
        if (strcmp(flag->name, of_methods[i].flag) == 0)
            return is_among(method, of_methods[i].methods, 2);
    return true;
}

int conflicts_check(const struct options *options, const bool given[], struct error *err)
{
    const char *action = options->action == OPTIONS_CHECK ? "--check" : "--cleanup";

    if (options->wait && options->only_nodes)
        return error_set(err, ERROR_USAGE, "a node is not waited for: leave out --wait");
    if (options->follow && options->only_nodes)
        return error_set(err, ERROR_USAGE, "a node is not followed: leave out --follow");
    if (options->follow && options->wait) {
        error_set(err, ERROR_USAGE, "--follow waits without a time: leave out --wait");
        return error_remedy(err, "or --follow: then the capture begins once all are there");
    }
    if (options->keylog && options->headers_only) {
        error_set(err, ERROR_USAGE, "--headers-only leaves nothing for the secrets of --keylog");
        return error_remedy(err, "leave out one of them");
    }
    if (options->keylog && options->only_nodes) {
        error_set(err, ERROR_USAGE, "a node has no container, and no key log in it");
        return error_remedy(err, "leave out --keylog, or name pods");
    }
    for (size_t i = 0; i < flag_count; i++) {
        if (!given[i])
            continue;
        if (!is_of_action(&flags[i], options->action)) {
            error_set(err, ERROR_USAGE, "--%s does nothing with %s", flags[i].name, action);
            return error_remedy(err, "leave out one of them");
        }
        if (!is_of_method(&flags[i], options->method)) {
            error_set(err, ERROR_USAGE, "--%s does nothing with the %s method", flags[i].name,
                      options->method);
            return error_remedy(err, "leave it out, or choose another --method");
        }
    }
    return 0;
}
