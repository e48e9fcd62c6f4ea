/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/asked.h"

#include <string.h>

#include "base/log.h"
#include "cli/fetching.h"
#include "cli/options.h"
#include "method/method.h"
#include "pcapng/writer.h"
#include "settings/settings.h"
#include "sink/compress.h"
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

static void take_options(const struct options *options, struct settings *settings)
{
    *settings = (struct settings){
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
        .by_node = options->method && strcmp(options->method, "node") == 0,
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
    if (settings->pod && *words[0].namespace)
        settings->namespace = words[0].namespace;
}

/* What everybody should know who asks for it. */
static void settle_keylog(struct settings *settings)
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

static void log_unneeded(const char *flag, const char *value)
{
    if (value)
        log_info("%s is not needed any more: it has no effect", flag);
}

void asked_take(const struct options *options, const struct target_word *words, size_t count,
                struct settings *settings)
{
    take_options(options, settings);
    take_single_target(options, words, count, settings);
}

void asked_settle(const struct options *options, struct settings *settings)
{
    log_unneeded("--socket", options->socket);
    log_unneeded("--tcpdump-image", options->tcpdump_image);
    if (options->tcpdump_by_letter)
        log_info("-l: '%s' is a file: this tcpdump is uploaded (--selector chooses pods by labels)",
                 options->local_tcpdump_path);
    if (options->action == OPTIONS_FETCH)
        fetching_prepare(options, settings);
    settle_keylog(settings);
}
