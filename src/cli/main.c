/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubectl-sniff: from options to a capture. The order matters: all that can be wrong on this
 * machine is found before anything touches the cluster.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/system.h"
#include "capture/check.h"
#include "capture/remote.h"
#include "capture/run.h"
#include "capture/summary.h"
#include "method/sweep.h"
#include "recording/listing.h"
#include "recording/recordings.h"
#include "recording/start.h"
#include "settings/settings.h"
#include "cli/asked.h"
#include "cli/asked_filters.h"
#include "cli/defaults.h"
#include "cli/fetching.h"
#include "cli/help.h"
#include "cli/opening.h"
#include "cli/options.h"
#include "extcap/answers.h"
#include "extcap/extcap.h"
#include "extcap/install.h"
#include "extcap/path.h"
#include "kube/client.h"
#include "sink/sink.h"
#include "target/words.h"

/* A pipe's reader, such as tshark, writes to the same terminal: a status line would stand amid it.
 */
static bool wants_status(const struct options *options, const struct sink *sink)
{
    struct stat out;
    bool piped = options->output_file && strcmp(options->output_file, "-") == 0 &&
                 fstat(STDOUT_FILENO, &out) == 0 && S_ISFIFO(out.st_mode);

    return log_is_terminal() && !options->quiet && !piped && !sink->terminal;
}

/* Does what the options ask for, once the API server can be spoken to. Return: the exit code, or
 * -1 with the error. */
static int act(struct kube_client *client, const struct options *options, struct settings *settings,
               struct sink *sink, struct extcap *extcap, struct error *err)
{
    const char *namespace = options->all_namespaces ? NULL : settings->namespace;

    switch (options->action) {
    case OPTIONS_FETCH:
        return fetching_run(client, options, settings, sink, wants_status(options, sink), err);
    case OPTIONS_CHECK:
        return capture_check(client, settings, options->check_json, err);
    case OPTIONS_RECORD:
        return recording_start(client, settings, err);
    case OPTIONS_RECORDINGS:
        return listing_run(client, namespace, options->recordings_json, err);
    case OPTIONS_END:
        return recordings_end(client, namespace, options->recording, err);
    case OPTIONS_CLEANUP:
        return sweep_run(client, namespace, err);
    default:
        opening_tell(settings);
        return extcap ? extcap_run(extcap, client, settings, sink, err)
                      : capture_run(client, settings, sink, wants_status(options, sink), NULL, err);
    }
}

/* Everything from the kubeconfig on: needs the event loop. */
static int run_in_loop(struct loop *loop, const struct options *options, struct settings *settings,
                       struct sink *sink, struct extcap *extcap, struct error *err)
{
    struct kube_overrides overrides = options->kube;
    struct kube_config *config = NULL;
    struct kube_client *client = NULL;
    char *filter = NULL, *stop_when = NULL;
    int result = -1;

    overrides.as_groups = options->as_groups;
    overrides.namespace = settings->namespace ? settings->namespace : options->namespace;
    if (kube_config_load(&overrides, &config, err) < 0)
        return -1;
    settings->namespace = config->namespace;
    if (kube_client_new(loop, config, options->request_timeout, &client, err) == 0 &&
        asked_filters_resolve(client, options, settings, &filter, &stop_when, err) == 0)
        result = act(client, options, settings, sink, extcap, err);
    sink_free(sink);
    kube_client_free(client);
    kube_config_free(config);
    free(filter);
    free(stop_when);
    return result;
}

/* Can what is captured be written, once it has come? */
static int prepare_output(const struct options *options, struct sink *sink, struct error *err)
{
    if (options->action > OPTIONS_FETCH)
        return 0;
    if (options->summary && summary_prepare(options->summary, options->output_file, err) < 0)
        return -1;
    return sink_prepare(sink, err);
}

/* @extcap: Wireshark has asked for it; NULL: a person has */
static int sniff(const struct options *options, struct extcap *extcap, struct error *err)
{
    struct sink sink = {.output = options->output_file,
                        .viewer = options->viewer,
                        .fifo = extcap ? extcap->request.fifo : NULL,
                        .numbered = options->rotate_size || options->rotate_time};
    cleanup_free struct target_word *words = NULL;
    struct settings settings;
    size_t count = 0;
    int result = -1;

    if (target_words_parse(options->targets, options->target_count,
                           options->selector || options->field_selector, &words, &count, err) < 0)
        return -1;
    asked_take(options, words, count, &settings);
    if (asked_filters_prepare(options, &settings, err) < 0)
        return -1;
    asked_settle(options, &settings);
    struct loop *loop = NULL;
    if (prepare_output(options, &sink, err) == 0 && (loop = loop_new(err)) != NULL)
        result = run_in_loop(loop, options, &settings, &sink, extcap, err);
    sink_free(&sink);
    loop_free(loop);
    filter_free(&settings.filter);
    filter_free(&settings.recording.stop_when);
    return result;
}

static enum log_level level_of(const struct options *options)
{
    if (options->quiet)
        return LOG_LEVEL_WARNING;
    return options->verbose == 0   ? LOG_LEVEL_INFO
           : options->verbose == 1 ? LOG_LEVEL_DEBUG
                                   : LOG_LEVEL_TRACE;
}

/* Return: the exit code, or -1 with the error. */
static int serve(struct extcap *extcap, struct error *err)
{
    CLEANUP(defaults_free) struct defaults defaults = {0};
    struct options options;

    if (extcap->request.action != EXTCAP_CAPTURE && extcap->request.action != EXTCAP_CLEANUP)
        return extcap_answer(&extcap->request, stdout, err);
    if (extcap_begin(extcap, err) < 0)
        return -1;
    if (extcap->words.count == 0)
        return 0; /* there is nothing to clean up */
    if (options_parse_with(extcap->words.count, extcap->words.words, &defaults, &options, err) < 0)
        return -1;
    return sniff(&options, extcap, err);
}

static int be_extcap(int argc, char *argv[])
{
    struct extcap extcap = {.log = NULL};
    struct error err = {0};

    extcap_widen_path();
    int result = extcap_parse(argc, argv, &extcap.request, &err);

    if (result == 0)
        result = serve(&extcap, &err);
    if (result < 0) {
        log_failure(&err);
        extcap_dismiss(&extcap);
        result = error_exit_code(&err);
    }
    extcap_free(&extcap);
    return result;
}

int main(int argc, char *argv[])
{
    CLEANUP(defaults_free) struct defaults defaults = {0};
    struct options options;
    struct error err = {0};

    system_trim();
    system_allow_files();
    log_start(LOG_LEVEL_INFO);
    if (extcap_is_asked(argc, argv))
        return be_extcap(argc, argv);
    if (options_parse_with(argc, argv, &defaults, &options, &err) < 0) {
        log_failure(&err);
        return error_exit_code(&err);
    }
    log_start(level_of(&options));
    if (options.action == OPTIONS_PRINT_CONFIG)
        return defaults_print(&defaults);
    if (options.action > OPTIONS_INSTALL_EXTCAP)
        return help_print(&options);
    int result = options.action == OPTIONS_INSTALL_EXTCAP ? extcap_install(argv[0], &err)
                                                          : sniff(&options, NULL, &err);
    if (result >= 0)
        return result;
    log_failure(&err);
    return error_exit_code(&err);
}
