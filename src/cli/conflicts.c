/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/conflicts.h"

#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "cli/flags.h"
#include "cli/options.h"
#include "method/helper.h"
#include "settings/keep.h"

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

/* Of a capture that somebody waits for. */
static const char *const of_a_client[] = {"remote-tcpdump-path", "drain-timeout"};

static const char *const of_a_recording[] = {"keep", "keep-in", "for", "stop-when", "after"};

/* What is fetched from there, and how; beside where the packets go. */
static const char *const of_a_fetch_alone[] = {"since", "until", "live"};
static const char *const of_a_fetch[] = {
    "fetch",    "since",          "until",      "live",          "wait-for",      "wait",
    "end",      "filter",         "count",      "dedup",         "fail-fast",     "no-reconnect",
    "duration", "reorder-window", "clock-sync", "drain-timeout", "all-namespaces"};

/* What takes no targets takes these, beside its own. */
static const char *const of_all[] = {"cleanup", "recordings",     "end",    "print-config",
                                     "quiet",   "all-namespaces", "verbose"};

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (names[i] && strcmp(name, names[i]) == 0)
            return true;
    return false;
}

#define IS_AMONG(flag, names) is_among((flag)->name, names, sizeof(names) / sizeof((names)[0]))

static bool is_of_action(const struct flag *flag, enum options_action action)
{
    switch (action) {
    case OPTIONS_SNIFF:
        return !IS_AMONG(flag, of_a_recording) && !IS_AMONG(flag, of_a_fetch_alone);
    case OPTIONS_FETCH:
        return flag->group == FLAG_GROUP_CLUSTER || flag->group == FLAG_GROUP_OUTPUT ||
               IS_AMONG(flag, of_a_fetch);
    case OPTIONS_CHECK:
        return !IS_AMONG(flag, of_a_recording) && !IS_AMONG(flag, of_a_run) &&
               !IS_AMONG(flag, of_a_fetch_alone);
    case OPTIONS_RECORD:
        return !IS_AMONG(flag, of_a_run) && !IS_AMONG(flag, of_a_client) &&
               !IS_AMONG(flag, of_a_fetch_alone);
    default:
        return flag->group == FLAG_GROUP_CLUSTER || IS_AMONG(flag, of_all);
    }
}

static const char *const actions[] = {
    [OPTIONS_FETCH] = "--fetch",   [OPTIONS_CHECK] = "--check",
    [OPTIONS_RECORD] = "--record", [OPTIONS_RECORDINGS] = "--recordings",
    [OPTIONS_END] = "--end",       [OPTIONS_CLEANUP] = "--cleanup"};

static int does_nothing(const struct flag *flag, enum options_action action, struct error *err)
{
    if (IS_AMONG(flag, of_a_fetch_alone)) {
        error_set(err, ERROR_USAGE, "--%s does nothing without --fetch", flag->name);
        return error_remedy(err, "leave it out, or fetch a recording with --fetch NAME");
    }
    if (action == OPTIONS_SNIFF || (action == OPTIONS_CHECK && IS_AMONG(flag, of_a_recording))) {
        error_set(err, ERROR_USAGE, "--%s does nothing without --record", flag->name);
        return error_remedy(err, "leave it out, or record with --record[=NAME]");
    }
    error_set(err, ERROR_USAGE, "--%s does nothing with %s", flag->name, actions[action]);
    if (action == OPTIONS_RECORD && strcmp(flag->name, "duration") == 0)
        return error_remedy(err, "--for says how long a recorder stays");
    return error_remedy(err, "leave out one of them");
}

static bool is_of_method(const struct flag *flag, const char *method)
{
    for (size_t i = 0; method && i < sizeof(of_methods) / sizeof(of_methods[0]); i++)
        if (strcmp(flag->name, of_methods[i].flag) == 0)
            return is_among(method, of_methods[i].methods, 2);
    return true;
}

/* What would do nothing with a fetch as it is asked for here. */
static int check_fetch(const struct options *options, struct error *err)
{
    if (options->duration && !options->live) {
        error_set(err, ERROR_USAGE, "--duration is of what comes live: --fetch ends by itself");
        return error_remedy(err, "--since and --until say which packets");
    }
    if (options->ends && (options->count || options->max_size || options->rotate_files)) {
        error_set(err, ERROR_USAGE, "--%s leaves packets behind, which --end would remove",
                  options->count      ? "count"
                  : options->max_size ? "max-size"
                                      : "rotate-files");
        return error_remedy(err, "leave out one of them");
    }
    if (options->wait && !options->wait_for) {
        error_set(err, ERROR_USAGE, "--wait does nothing with --fetch");
        return error_remedy(err, "--wait-for NAME waits until a recording has been stopped");
    }
    return 0;
}

/* A limit below what is kept: the API refuses the pod, or it is ended again and again. */
static int check_limits(const struct options *options, struct error *err)
{
    const struct helper_work work = {.size = options->keep_bytes,
                                     .in_memory = options->keep_in_memory};
    const char *resource = helper_work_resource(&work);
    char keep[KEEP_TEXT_SIZE], needs[KEEP_TEXT_SIZE];
    uint64_t limit;

    if (!helper_resource(options->limits, resource, &limit) || limit >= helper_work_needs(&work))
        return 0;
    error_set(err, ERROR_USAGE, "--limits allows less %s than --keep %s takes: %s", resource,
              keep_format(keep, options->keep_bytes), keep_format(needs, helper_work_needs(&work)));
    return error_remedy(err, "a smaller --keep, or leave %s out of --limits: it follows --keep",
                        resource);
}

int conflicts_check(const struct options *options, const bool given[], struct error *err)
{
    if (options->action == OPTIONS_FETCH && check_fetch(options, err) < 0)
        return -1;
    if (options->action == OPTIONS_RECORD && check_limits(options, err) < 0)
        return -1;
    if (options->wait && options->only_nodes)
        return error_set(err, ERROR_USAGE, "a node is not waited for: leave out --wait");
    if (options->follow && options->only_nodes)
        return error_set(err, ERROR_USAGE, "a node is not followed: leave out --follow");
    if (options->follow && options->wait) {
        error_set(err, ERROR_USAGE, "--follow waits without a time: leave out --wait");
        return error_remedy(err, "or --follow: then the capture begins once all are there");
    }
    if (options->output_file && options->summary && strcmp(options->output_file, "-") == 0 &&
        strcmp(options->summary, "-") == 0) {
        error_set(err, ERROR_USAGE, "standard output cannot take the packets and the summary");
        return error_remedy(err, "name a file with -o, or with --summary");
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
        if (!is_of_action(&flags[i], options->action))
            return does_nothing(&flags[i], options->action, err);
        if (!is_of_method(&flags[i], options->method)) {
            error_set(err, ERROR_USAGE, "--%s does nothing with the %s method", flags[i].name,
                      options->method);
            return error_remedy(err, "leave it out, or choose another --method");
        }
    }
    return 0;
}
