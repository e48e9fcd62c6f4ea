/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubectl-sniff: from options to a capture. The order matters: all that can be wrong on this
 * machine is found before anything touches the cluster.
 */
#include <signal.h>
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
#include "method/method.h"
#include "capture/check.h"
#include "capture/remote.h"
#include "capture/run.h"
#include "method/sweep.h"
#include "recording/listing.h"
#include "recording/recordings.h"
#include "recording/start.h"
#include "settings/filter_names.h"
#include "settings/settings.h"
#include "cli/defaults.h"
#include "cli/fetching.h"
#include "cli/help.h"
#include "cli/options.h"
#include "extcap/answers.h"
#include "extcap/extcap.h"
#include "extcap/install.h"
#include "kube/client.h"
#include "sink/compress.h"
#include "sink/sink.h"
#include "target/words.h"

static const struct capture_format *choose_format(const struct options *options)
{
    const struct capture_format *format = NULL;

    if (options->format == OPTIONS_FORMAT_PCAP)
        return &capture_format_pcap;
    if (options->format == OPTIONS_FORMAT_DEFAULT && options->output_file)
        format = capture_format_of_file(options->output_file,
                                        compression_bare_length(options->output_file));
    return format ? format : &capture_format_pcapng;
}

/* "eth0, lo", or "any"; as many as fit */
static void list_interfaces(const struct settings *settings, char *out, size_t size)
{
    size_t used = 0;

    snprintf(out, size, "any");
    for (size_t i = 0; i < settings->interface_count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "",
                                 settings->interfaces[i]);
}

/* "'deploy/web', 'db'", and the labels that choose besides; as many as fit */
static void list_targets(const struct settings *settings, char *out, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; i < settings->word_count && used < size; i++)
        used +=
            (size_t)snprintf(out + used, size - used, "%s'%s'", i ? ", " : "", settings->words[i]);
    if (used < size && settings->selector)
        used += (size_t)snprintf(out + used, size - used, "%slabels '%s'", used ? ", " : "",
                                 settings->selector);
    if (used < size && settings->field_selector)
        snprintf(out + used, size - used, "%sfields '%s'", used ? ", " : "",
                 settings->field_selector);
}

static void log_sets(const struct settings *settings, const char *interfaces)
{
    char targets[400];

    list_targets(settings, targets, sizeof(targets));
    log_info("sniffing on: %s [%s%s%s, filter: '%s', interface: '%s']", targets,
             settings->all_namespaces ? "all namespaces" : "namespace: '",
             settings->all_namespaces ? "" : settings->namespace,
             settings->all_namespaces ? "" : "'",
             settings->filter_text ? settings->filter_text : "", interfaces);
}

static void log_settings(const struct settings *settings)
{
    char interfaces[400];

    list_interfaces(settings, interfaces, sizeof(interfaces));
    if (!settings->pod && !settings->node) {
        log_sets(settings, interfaces);
        return;
    }
    if (settings->pod)
        log_info("sniffing on pod: '%s' [namespace: '%s', %s%s%sfilter: '%s', interface: '%s']",
                 settings->pod, settings->namespace, settings->container ? "container: '" : "",
                 settings->container ? settings->container : "", settings->container ? "', " : "",
                 settings->filter_text ? settings->filter_text : "", interfaces);
    else
        log_info("sniffing on node: '%s' [filter: '%s', interface: '%s']", settings->node,
                 settings->filter_text ? settings->filter_text : "", interfaces);
}

static void log_unneeded(const char *flag, const char *value)
{
    if (value)
        log_info("%s is not needed any more: it has no effect", flag);
}

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
        log_settings(settings);
        return extcap ? extcap_run(extcap, client, settings, sink, err)
                      : capture_run(client, settings, sink, wants_status(options, sink), NULL, err);
    }
}

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

static int prepare_filters(const struct options *options, struct settings *settings,
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

/* @ret_filter, @ret_stop_when: owned by the caller; settings may point to them */
static int resolve_filters(struct kube_client *client, const struct options *options,
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
        resolve_filters(client, options, settings, &filter, &stop_when, err) == 0)
        result = act(client, options, settings, sink, extcap, err);
    sink_free(sink);
    kube_client_free(client);
    kube_config_free(config);
    free(filter);
    free(stop_when);
    return result;
}

/* One pod or one node is what most captures are of; and no list is needed for it. */
static void take_single_target(const struct options *options, const struct target_word *words,
                               size_t count, struct settings *settings)
{
    if (count != 1 || options->follow || options->selector || words[0].is_pattern)
        return;
    if (target_word_is_one_pod(&words[0]))
        settings->pod = words[0].name;
    if (words[0].kind->id == TARGET_NODE)
        settings->node = words[0].name;
}

/* What everybody should know who asks for it. */
static void prepare_keylog(struct settings *settings)
{
    if (!settings->keylog)
        return;
    if (!settings->format->secrets) {
        log_warning("a %s file holds no secrets of TLS: no key log is read (--format pcapng does)",
                    settings->format->name);
        settings->keylog = NULL;
        return;
    }
    log_warning("with the secrets of '%s' in it, whoever has this capture can read what was "
                "encrypted",
                settings->keylog);
}

/* @extcap: Wireshark has asked for it; NULL: a person has */
static int sniff(const struct options *options, struct extcap *extcap, struct error *err)
{
    struct sink sink = {.output = options->output_file,
                        .viewer = options->viewer,
                        .fifo = extcap ? extcap->request.fifo : NULL,
                        .numbered = options->rotate_size || options->rotate_time};
    struct settings settings = {
        .words = options->targets,
        .word_count = options->target_count,
        .selector = options->selector,
        .field_selector = options->field_selector,
        .all_namespaces = options->all_namespaces,
        .max_targets = options->max_targets,
        .follow = options->follow,
        .container = options->container,
        .interfaces = options->interfaces,
        .interface_count = options->interface_count,
        .filter_text = options->filter,
        .snaplen = options->snaplen,
        .headers_only = options->headers_only,
        .buffer_size = options->buffer_size,
        .count = options->count,
        .duration = options->duration,
        .max_size = options->max_size,
        .rotate_size = options->rotate_size,
        .rotate_time = options->rotate_time,
        .rotate_files = options->rotate_files,
        .format = choose_format(options),
        .tcpdump_path = options->local_tcpdump_path,
        .remote_path = options->remote_tcpdump_path,
        .method = options->method ? method_find(options->method) : NULL,
        .wait = options->wait,
        .wait_timeout = options->wait_timeout,
        .reconnect = !options->no_reconnect,
        .fail_fast = options->fail_fast,
        .summary = options->summary,
        .drain_timeout = options->drain_timeout,
        .reorder_window = options->reorder_window,
        .clock_sync = !options->no_clock_sync,
        .dedup = options->dedup,
        .keylog = options->keylog,
        .own_traffic = options->include_own_traffic,
        .names = !options->no_names,
        .image = options->image,
        .node_namespace = options->node_namespace,
        .service_account = options->service_account,
        .creation_timeout = options->pod_creation_timeout,
        .requests = options->requests,
        .limits = options->limits,
        .recording = {.name = options->record_name,
                      .keep_bytes = options->keep_bytes,
                      .keep_seconds = options->keep_seconds,
                      .seconds = options->record_for,
                      .in_memory = options->keep_in_memory,
                      .stop_when_text = options->stop_when,
                      .after = options->after,
                      .asked_filter = options->filter,
                      .given = options->given},
    };
    cleanup_free struct target_word *words = NULL;
    size_t count = 0;
    int result = -1;

    if (target_words_parse(options->targets, options->target_count,
                           options->selector || options->field_selector, &words, &count, err) < 0 ||
        prepare_filters(options, &settings, err) < 0)
        return -1;
    take_single_target(options, words, count, &settings);
    if (settings.pod && *words[0].namespace)
        settings.namespace = words[0].namespace;
    log_unneeded("--socket", options->socket);
    log_unneeded("--tcpdump-image", options->tcpdump_image);
    if (options->tcpdump_by_letter)
        log_info("-l: '%s' is a file: this tcpdump is uploaded (--selector chooses pods by labels)",
                 options->local_tcpdump_path);
    if (options->action == OPTIONS_FETCH)
        fetching_prepare(options, &settings);
    prepare_keylog(&settings);
    struct loop *loop = NULL;
    if ((options->action > OPTIONS_FETCH || sink_prepare(&sink, err) == 0) &&
        (loop = loop_new(err)) != NULL)
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
