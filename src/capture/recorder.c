/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "capture/settings.h"
#include "sink/sink.h"

/* Bytes: more is not taken from the agent until the sink took some. */
#define OUT_HIGH (512u << 10)
#define OUT_MAX  (OUT_HIGH + CAPTURE_ITEM_ROOM + (64u << 10))

/* Bytes kept free for the last statistics of each interface. */
#define STATISTICS_ROOM 128

/* Interfaces of all agents whose drops are kept apart. */
#define INTERFACES_MAX (16 * CAPTURE_INTERFACES_MAX)

static void on_sink_ready(void *data)
{
    recorder_flush(data);
}

void recorder_init(struct recorder *recorder)
{
    recorder->writer =
        (struct capture_writer){.format = recorder->settings->format, .out = &recorder->out};
    buf_init(&recorder->out, OUT_MAX);
    buf_init(&recorder->unfit, INTERFACES_MAX);
    buf_init(&recorder->drops, INTERFACES_MAX * sizeof(uint64_t));
    recorder->sink->format = recorder->settings->format;
    recorder->sink->ready = on_sink_ready;
    /* The sink's events come from the loop, which is not stepped any more when this is gone. */
    recorder->sink->data = recorder;
}

void recorder_reset(struct recorder *recorder)
{
    struct recorder fresh = {.settings = recorder->settings,
                             .sink = recorder->sink,
                             .title = recorder->title,
                             .subject = recorder->subject,
                             .prefix = recorder->prefix,
                             .started = recorder->started,
                             .enough = recorder->enough,
                             .failed = recorder->failed,
                             .data = recorder->data};

    recorder_free(recorder);
    *recorder = fresh;
    recorder->sink->written = 0;
    recorder_init(recorder);
}

void recorder_free(struct recorder *recorder)
{
    buf_free(&recorder->out);
    buf_free(&recorder->unfit);
    buf_free(&recorder->drops);
}

/* ---- the sink ---- */

static void fail(struct recorder *recorder, const struct error *err)
{
    if (recorder->failure.kind == ERROR_NONE)
        recorder->failure = *err;
    recorder->failed(recorder->data);
}

static void look_at_sink(struct recorder *recorder)
{
    if (!recorder->sink->ended || recorder->sink_ended)
        return;
    recorder->sink_ended = true;
    recorder->enough(recorder->data);
}

void recorder_flush(struct recorder *recorder)
{
    struct error err;

    if (recorder->begun && recorder->out.length > 0 &&
        sink_write(recorder->sink, &recorder->out, &err) < 0) {
        buf_take(&recorder->out, recorder->out.length);
        fail(recorder, &err);
    }
    look_at_sink(recorder);
}

bool recorder_has_room(const struct recorder *recorder)
{
    return recorder->out.length < OUT_HIGH;
}

/* ---- items ---- */

/* The first interface is known: capturing has really begun. */
static int begin(struct recorder *recorder, struct error *err)
{
    const struct capture_section section = {.comment = recorder->comment,
                                            .application = "kubectl-sniff " KSNIFF_VERSION};

    if (recorder->writer.format->begin(&recorder->writer, &section, err) < 0)
        return -1;
    recorder->sink->title = recorder->title;
    recorder->sink->subject = recorder->subject;
    int result = sink_begin(recorder->sink, err);
    recorder->sink->title = recorder->sink->subject = NULL;
    if (result < 0)
        return -1;
    recorder->begun = true;
    recorder->started(recorder->data);
    return 0;
}

static int add_interface(struct recorder *recorder, const struct capture_interface *interface,
                         struct error *err)
{
    struct capture_interface named = *interface;

    if (!recorder->begun && begin(recorder, err) < 0)
        return -1;
    cleanup_free char *name = text_format("%s:%s", recorder->prefix, interface->name);

    /* The agent may call it anything: Wireshark shows the name. */
    text_escape(named.name, sizeof(named.name), name ? name : "", name ? strlen(name) : 0);
    int result = recorder->writer.format->interface(&recorder->writer, &named, err);
    const unsigned char unfit = result > 0;

    if (unfit)
        log_warning("\"%s\" is left out: a pcap file holds packets of one link type, and those of "
                    "the interfaces before it have another (--format pcapng holds all)",
                    named.name);
    if (result >= 0 && !buf_append(&recorder->unfit, &unfit, 1))
        return error_set(err, ERROR_INTERNAL, "out of memory");
    return result < 0 ? -1 : 0;
}

static bool fits(const struct recorder *recorder, uint32_t interface)
{
    return interface >= recorder->unfit.length || !buf_bytes(&recorder->unfit)[interface];
}

/* Return: true when a limit is reached: the packet is not wanted any more. */
static bool limited(const struct recorder *recorder, const struct capture_packet *packet)
{
    const struct settings *settings = recorder->settings;

    if (settings->count && recorder->packets >= settings->count)
        return true;
    return settings->max_size && recorder->sink->written + recorder->out.length +
                                         packet->captured_length + strlen(recorder->gap) + 64 >
                                     settings->max_size;
}

static int no_room(const struct recorder *recorder, const struct capture_packet *packet,
                   struct error *err)
{
    error_set(err, ERROR_USAGE,
              "--max-size %" PRIu64 " is too small for one packet: the first has %" PRIu32
              " bytes, behind a head of %" PRIu64,
              recorder->settings->max_size, packet->captured_length,
              recorder->sink->written + recorder->out.length);
    return error_remedy(err, "raise it, or keep less of each packet with --snaplen");
}

static int add_packet(struct recorder *recorder, const struct capture_packet *packet,
                      struct error *err)
{
    struct capture_packet placed = *packet;

    placed.interface += recorder->base;
    if (!fits(recorder, placed.interface)) {
        recorder->left_out++;
        return 0;
    }
    if (limited(recorder, packet)) {
        if (recorder->packets == 0 && !recorder->gap[0])
            return no_room(recorder, packet, err);
        recorder->limit = recorder->limit ? recorder->limit : "--max-size";
        recorder->enough(recorder->data);
        return 0;
    }
    if (recorder->gap[0])
        placed.comment = recorder->gap;
    if (recorder->writer.format->packet(&recorder->writer, &placed, err) < 0)
        return -1;
    recorder->gap[0] = '\0';
    recorder->packets++;
    recorder->bytes += packet->original_length;
    if (recorder->settings->count && recorder->packets == recorder->settings->count) {
        recorder->limit = "--count";
        recorder->enough(recorder->data);
    }
    return 0;
}

/* Statistics count from the beginning: the last of an interface say all. */
static int count_drops(struct recorder *recorder, const struct capture_statistics *statistics,
                       struct error *err)
{
    size_t at = statistics->interface * sizeof(uint64_t);
    uint64_t before;

    while (recorder->drops.length <= at)
        if (!buf_append(&recorder->drops, &(uint64_t){0}, sizeof(uint64_t)))
            return error_set(err, ERROR_INTERNAL, "out of memory");
    memcpy(&before, recorder->drops.data + at, sizeof(before));
    memcpy(recorder->drops.data + at, &statistics->dropped, sizeof(before));
    recorder->dropped += statistics->dropped - before;
    return 0;
}

static int add_statistics(struct recorder *recorder, const struct capture_statistics *statistics,
                          struct error *err)
{
    struct capture_statistics placed = *statistics;

    placed.interface += recorder->base;
    if (count_drops(recorder, &placed, err) < 0)
        return -1;
    return recorder->writer.format->statistics(&recorder->writer, &placed, err);
}

bool recorder_item(struct recorder *recorder, enum capture_item_kind kind,
                   const struct capture_item *item)
{
    struct error err;
    int result = 0;

    if (recorder->failure.kind != ERROR_NONE || recorder->sink_ended)
        return true;
    if (!recorder_has_room(recorder)) {
        recorder_flush(recorder);
        if (!recorder_has_room(recorder) && kind == CAPTURE_PACKET)
            return false;
    }
    if (kind == CAPTURE_INTERFACE)
        result = add_interface(recorder, &item->interface, &err);
    else if (kind == CAPTURE_PACKET)
        result = add_packet(recorder, &item->packet, &err);
    else if (kind == CAPTURE_STATISTICS)
        result = add_statistics(recorder, &item->statistics, &err);
    if (result < 0)
        fail(recorder, &err);
    return true;
}

void recorder_gap(struct recorder *recorder, uint64_t milliseconds, const char *why)
{
    recorder->base = recorder->writer.interface_count;
    /* A gap that nothing has followed yet grows. */
    snprintf(recorder->gap, sizeof(recorder->gap),
             "kubectl-sniff: up to %" PRIu64 ".%" PRIu64
             " s of packets before this one are missing: %s",
             milliseconds / 1000, milliseconds % 1000 / 100, why);
}

uint64_t recorder_dropped(const struct recorder *recorder)
{
    return recorder->dropped;
}
