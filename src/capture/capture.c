/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/capture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "capture/backend.h"
#include "capture/session.h"
#include "capture/settings.h"
#include "capture/target.h"
#include "kube/client.h"
#include "pcapng/writer.h"
#include "sink/sink.h"

#define OUT_HIGH                                                                                   \
    (512u << 10) /* bytes: more is not taken from the agent until the sink took some               \
                  */
#define OUT_MAX    (OUT_HIGH + CAPTURE_ITEM_ROOM + (64u << 10))
#define STATUS_MS  250
#define INTERFACES 1024

struct capture {
    struct loop *loop;
    struct kube_client *client;
    const struct settings *settings;
    struct target target;
    struct session *session;

    struct sink *sink;
    bool begun;      /* the sink is open */
    bool sink_ended; /* nobody reads it any more */
    struct buf out;
    struct capture_writer writer;
    struct error failure; /* of writing */

    uint64_t packets, bytes;      /* written, of packets */
    uint64_t dropped[INTERFACES]; /* as each interface's last statistics say */
    uint64_t started;             /* loop_now() */

    bool status;
    struct loop_timer *status_timer;
    uint64_t status_bytes; /* bytes at the last drawing */
    struct loop_timer *duration;
};

/* ---- what is written ---- */

/* The section's comment: everything that somebody needs who finds the file years later. */
static char *describe(const struct capture *capture)
{
    const struct kube_config *config = kube_client_config(capture->client);
    const struct kube_pod *pod = capture->target.pod;
    const struct settings *settings = capture->settings;

    return text_format(
        "context: %s\nnamespace: %s\npod: %s\ncontainer: %s\nnode: %s\n"
        "method: %s\nfilter: %s\nversions: kubectl-sniff %s, %s",
        config->context ? config->context : config->server, pod->namespace, pod->name,
        capture->target.container->name, pod->node, capture->session->backend->name,
        settings->filter_text ? settings->filter_text : "none", KSNIFF_VERSION,
        settings->tcpdump_path ? settings->tcpdump_path : "ksniff-agent " KSNIFF_VERSION);
}

static void fail(struct capture *capture, const struct error *err)
{
    if (capture->failure.kind == ERROR_NONE)
        capture->failure = *err;
    session_cut(capture->session);
}

static void flush(struct capture *capture)
{
    struct error err;

    if (!capture->begun || capture->out.length == 0)
        return;
    if (sink_write(capture->sink, &capture->out, &err) < 0) {
        buf_take(&capture->out, capture->out.length);
        fail(capture, &err);
    }
    if (capture->sink->ended && !capture->sink_ended) {
        capture->sink_ended = true;
        session_stop(capture->session);
    }
}

static void on_sink_ready(void *data)
{
    struct capture *capture = data;

    flush(capture);
    if (capture->sink->ended && !capture->sink_ended) {
        capture->sink_ended = true;
        session_stop(capture->session);
    }
}

static void on_duration(void *data)
{
    struct capture *capture = data;

    session_stop(capture->session);
}

/* The first interface is known: capturing has really begun. */
static int begin(struct capture *capture, struct error *err)
{
    const struct kube_pod *pod = capture->target.pod;
    cleanup_free char *comment = describe(capture);
    cleanup_free char *title =
        text_format("%s/%s/%s", pod->namespace, pod->name, capture->target.container->name);
    const struct capture_section section = {.comment = comment,
                                            .application = "kubectl-sniff " KSNIFF_VERSION};

    if (!comment || !title)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (capture->writer.format->begin(&capture->writer, &section, err) < 0)
        return -1;
    capture->sink->title = title;
    int result = sink_begin(capture->sink, err);
    capture->sink->title = NULL;
    if (result < 0)
        return -1;
    capture->begun = true;
    capture->started = loop_now();
    if (capture->settings->duration)
        capture->duration =
            loop_add_timer(capture->loop, capture->settings->duration, on_duration, capture);
    log_info("capturing; Ctrl-C ends it");
    return 0;
}

static int add_interface(struct capture *capture, const struct capture_interface *interface,
                         struct error *err)
{
    struct capture_interface named = *interface;
    const struct kube_pod *pod = capture->target.pod;

    if (!capture->begun && begin(capture, err) < 0)
        return -1;
    cleanup_free char *name = text_format("%s/%s:%s", pod->namespace, pod->name, interface->name);

    /* The agent may call it anything: Wireshark shows the name. */
    text_escape(named.name, sizeof(named.name), name ? name : "", name ? strlen(name) : 0);
    return capture->writer.format->interface(&capture->writer, &named, err);
}

/* Return: true when a limit is reached: the packet is not wanted any more. */
static bool limited(const struct capture *capture, const struct capture_packet *packet)
{
    const struct settings *settings = capture->settings;

    if (settings->count && capture->packets >= settings->count)
        return true;
    return settings->max_size &&
           capture->sink->written + capture->out.length + packet->captured_length + 64 >
               settings->max_size;
}

static int add_packet(struct capture *capture, const struct capture_packet *packet,
                      struct error *err)
{
    if (limited(capture, packet)) {
        session_stop(capture->session);
        return 0;
    }
    if (capture->writer.format->packet(&capture->writer, packet, err) < 0)
        return -1;
    capture->packets++;
    capture->bytes += packet->original_length;
    if (capture->settings->count && capture->packets == capture->settings->count)
        session_stop(capture->session);
    return 0;
}

static int add_statistics(struct capture *capture, const struct capture_statistics *statistics,
                          struct error *err)
{
    if (statistics->interface < INTERFACES)
        capture->dropped[statistics->interface] = statistics->dropped;
    return capture->writer.format->statistics(&capture->writer, statistics, err);
}

static bool on_item(void *data, enum capture_item_kind kind, const struct capture_item *item)
{
    struct capture *capture = data;
    struct error err;
    int result = 0;

    if (capture->failure.kind != ERROR_NONE || capture->sink_ended)
        return true;
    if (capture->out.length >= OUT_HIGH) {
        flush(capture);
        if (capture->out.length >= OUT_HIGH && kind == CAPTURE_PACKET)
            return false;
    }
    if (kind == CAPTURE_INTERFACE)
        result = add_interface(capture, &item->interface, &err);
    else if (kind == CAPTURE_PACKET)
        result = add_packet(capture, &item->packet, &err);
    else if (kind == CAPTURE_STATISTICS)
        result = add_statistics(capture, &item->statistics, &err);
    if (result < 0)
        fail(capture, &err);
    return true;
}

/* ---- what the user sees ---- */

static uint64_t dropped(const struct capture *capture)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < INTERFACES; i++)
        sum += capture->dropped[i];
    return sum;
}

static void on_status(void *data)
{
    struct capture *capture = data;
    char bytes[32], rate[32], line[200];

    text_format_bytes(bytes, sizeof(bytes), capture->bytes);
    text_format_bytes(rate, sizeof(rate),
                      (capture->bytes - capture->status_bytes) * 1000 / STATUS_MS);
    capture->status_bytes = capture->bytes;
    snprintf(line, sizeof(line), "%" PRIu64 " packets, %s, %s/s, %" PRIu64 " dropped",
             capture->packets, bytes, rate, dropped(capture));
    if (capture->begun)
        log_status(line);
    loop_set_timer(capture->status_timer, STATUS_MS);
}

static void sum_up(const struct capture *capture)
{
    char bytes[32];
    uint64_t lost = dropped(capture);

    if (!capture->begun)
        return;
    log_info("%" PRIu64 " packets captured, %s, %" PRIu64 " dropped%s%s%s", capture->packets,
             text_format_bytes(bytes, sizeof(bytes), capture->bytes), lost,
             capture->sink->output ? ", written to '" : "",
             capture->sink->output ? capture->sink->output : "", capture->sink->output ? "'" : "");
    if (lost)
        log_warning("%" PRIu64 " packets were dropped before the agent could take them: raise "
                    "--buffer-size, or narrow the capture with -f or --snaplen",
                    lost);
}

/* ---- the run ---- */

/* The first interrupt ends the capture in order, the second at once. */
static void on_interrupt(struct capture *capture, bool *interrupted)
{
    loop_acknowledge(capture->loop);
    capture->sink->interrupted = true;
    if (*interrupted)
        session_cut(capture->session);
    else
        session_stop(capture->session);
    *interrupted = true;
}

/* Runs the loop until the agent has ended and the sink has everything. */
static void run(struct capture *capture, bool *interrupted)
{
    for (;;) {
        struct session *session = capture->session;
        bool ended = session->state == SESSION_ENDED;

        flush(capture);
        if (session->paused && capture->out.length < OUT_HIGH) {
            session_pump(session);
            continue;
        }
        if (ended && !session->paused && (capture->out.length == 0 || !capture->begun))
            return;
        loop_step(capture->loop, -1);
        if (loop_interrupted(capture->loop)) {
            /* A reader that takes nothing cannot hold up the second Ctrl-C. */
            if (*interrupted && session->state == SESSION_ENDED) {
                loop_acknowledge(capture->loop);
                return;
            }
            on_interrupt(capture, interrupted);
        }
    }
}

static int judge(const struct capture *capture, bool interrupted, struct error *err)
{
    if (capture->failure.kind != ERROR_NONE) {
        *err = capture->failure;
        return -1;
    }
    if (capture->session->error.kind != ERROR_NONE && !capture->sink_ended) {
        *err = capture->session->error;
        return -1;
    }
    if (interrupted && !capture->begun)
        return error_set(err, ERROR_INTERRUPTED, "interrupted before the capture had begun");
    return 0;
}

static int run_session(struct capture *capture, struct error *err)
{
    const struct target *target = &capture->target;
    bool interrupted = false;

    capture->session = session_start(capture->client, &backend_upload, target, capture->settings,
                                     on_item, capture, err);
    if (!capture->session)
        return -1;
    if (capture->status)
        capture->status_timer = loop_add_timer(capture->loop, STATUS_MS, on_status, capture);
    run(capture, &interrupted);
    loop_remove_timer(capture->status_timer);
    loop_remove_timer(capture->duration);
    log_status(NULL);
    sum_up(capture);
    int result = judge(capture, interrupted, err);
    if (capture->begun && sink_finish(capture->sink, result == 0 ? err : NULL) < 0)
        result = -1;
    session_free(capture->session);
    return result;
}

int capture_run(struct kube_client *client, const struct settings *settings, struct sink *sink,
                bool status, struct error *err)
{
    struct capture capture = {
        .loop = kube_client_loop(client),
        .client = client,
        .settings = settings,
        .sink = sink,
        .status = status,
        .writer = {.format = settings->format},
    };

    capture.writer.out = &capture.out;
    buf_init(&capture.out, OUT_MAX);
    sink->loop = capture.loop;
    sink->format = settings->format;
    sink->ready = on_sink_ready;
    /* The sink's events come from the loop, which is not stepped again after this function. */
    // cppcheck-suppress autoVariables
    sink->data = &capture;
    if (target_resolve(client, settings->namespace, settings->pod, settings->container,
                       &capture.target, err) < 0)
        return -1;
    log_info("selected container: '%s'", capture.target.container->name);
    int result = run_session(&capture, err);
    target_free(&capture.target);
    buf_free(&capture.out);
    return result;
}
