/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "settings/settings.h"
#include "sink/sink.h"

/* Bytes: more is not taken from the agent until the sink took some. */
#define OUT_HIGH (512u << 10)
#define OUT_MAX  (OUT_HIGH + CAPTURE_ITEM_ROOM + (64u << 10))

/* Bytes kept free for the last statistics of each interface. */
#define STATISTICS_ROOM 128

/* Interfaces of all agents of which it is known whether their packets fit into the format. */
#define INTERFACES_MAX (16 * CAPTURE_INTERFACES_MAX)

/* Bytes that a pipe may hold: what has gone into it may come to nobody. */
#define PIPE_MAX (1u << 20)
#define ENDS_MAX ((OUT_MAX + PIPE_MAX) / 16 * sizeof(uint64_t)) /* no packet takes less than 16 */

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
    buf_init(&recorder->ends, ENDS_MAX);
    buf_init(&recorder->held_bytes, CAPTURE_PACKET_MAX);
    recorder->sink->format = recorder->settings->format;
    recorder->sink->ready = on_sink_ready;
    /* The sink's events come from the loop, which is not stepped any more when this is gone. */
    recorder->sink->data = recorder;
}

void recorder_abandon(struct recorder *recorder)
{
    buf_take(&recorder->out, recorder->out.length);
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
    recorder->sink->written = recorder->sink->unread = 0;
    recorder_init(recorder);
}

void recorder_free(struct recorder *recorder)
{
    buf_free(&recorder->out);
    buf_free(&recorder->unfit);
    buf_free(&recorder->ends);
    buf_free(&recorder->held_bytes);
    counters_free(&recorder->recorded);
    counters_free(&recorder->received);
    counters_free(&recorder->drops);
}

/* ---- the sink ---- */

static void fail(struct recorder *recorder, const struct error *err)
{
    if (recorder->failure.kind == ERROR_NONE)
        recorder->failure = *err;
    recorder->failed(recorder->data);
}

/* @waiting: bytes that were there for it */
static void look_at_sink(struct recorder *recorder, size_t waiting)
{
    if (!recorder->sink->ended || recorder->sink_ended)
        return;
    recorder->sink_ended = true;
    recorder->discarded += recorder->holds;
    recorder->holds = false;
    recorder->behind = waiting > OUT_HIGH / 2;
    recorder->enough(recorder->data);
}

/* Packets that the sink has taken need not be remembered, unless they may stand in a pipe still. */
static void forget_taken(struct recorder *recorder)
{
    uint64_t kept = recorder->sink->writing == SINK_BLOCKING ? 0 : PIPE_MAX;
    uint64_t end;

    while (recorder->ends.length > 0) {
        memcpy(&end, buf_bytes(&recorder->ends), sizeof(end));
        if (end + kept > recorder->sink->written)
            return;
        buf_take(&recorder->ends, sizeof(end));
    }
}

uint64_t recorder_unwritten(const struct recorder *recorder)
{
    uint64_t got = recorder->sink->written - recorder->sink->unread, end;
    size_t at = 0;

    for (; at < recorder->ends.length; at += sizeof(end)) {
        memcpy(&end, buf_bytes(&recorder->ends) + at, sizeof(end));
        if (end > got)
            break;
    }
    return (recorder->ends.length - at) / sizeof(end);
}

void recorder_flush(struct recorder *recorder)
{
    size_t waiting = recorder->out.length;
    struct error err;

    /* Also with nothing: the sink may hold something itself. */
    if (recorder->begun && sink_write(recorder->sink, &recorder->out, &err) < 0) {
        buf_take(&recorder->out, recorder->out.length);
        fail(recorder, &err);
    }
    if (recorder->begun)
        forget_taken(recorder);
    look_at_sink(recorder, waiting);
}

bool recorder_has_room(const struct recorder *recorder)
{
    return recorder->out.length < OUT_HIGH || recorder->discarding;
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

/* Return: the bytes of output, at most, if this packet is written. */
static uint64_t size_with(const struct recorder *recorder, const struct capture_packet *packet)
{
    return sink_size(recorder->sink) + recorder->out.length + packet->captured_length +
           strlen(recorder->gap) + 64;
}

/* Return: 1 when a limit is reached: the packet is not wanted any more; -1: with the error. */
static int limited(struct recorder *recorder, const struct capture_packet *packet,
                   struct error *err)
{
    const struct settings *settings = recorder->settings;

    if (settings->count && recorder->packets >= settings->count)
        return 1;
    if (!settings->max_size || size_with(recorder, packet) <= settings->max_size)
        return 0;
    /* What is to be compressed may become less. */
    if (recorder->sink->compression && sink_settle(recorder->sink, &recorder->out, err) < 0)
        return -1;
    return size_with(recorder, packet) > settings->max_size;
}

static int no_room(const struct recorder *recorder, const struct capture_packet *packet,
                   struct error *err)
{
    error_set(err, ERROR_USAGE,
              "--max-size %" PRIu64 " is too small for one packet: the first has %" PRIu32
              " bytes, behind a head of %" PRIu64,
              recorder->settings->max_size, packet->captured_length,
              sink_size(recorder->sink) + recorder->out.length);
    return error_remedy(err, "raise it, or keep less of each packet with --snaplen");
}

/* A packet has been written. */
static int remember(struct recorder *recorder, uint32_t interface)
{
    const uint64_t end = sink_taken(recorder->sink) + recorder->out.length;
    uint64_t *recorded = counters_at(&recorder->recorded, interface);

    if (!recorded || !buf_append(&recorder->ends, &end, sizeof(end)))
        return -1;
    ++*recorded;
    return 0;
}

static int add_packet(struct recorder *recorder, const struct capture_packet *packet,
                      struct error *err)
{
    struct capture_packet placed = *packet;
    char both[CAPTURE_COMMENT_MAX];

    placed.interface += recorder->base;
    if (!fits(recorder, placed.interface)) {
        recorder->left_out++;
        return 0;
    }
    int over = limited(recorder, packet, err);
    if (over < 0)
        return -1;
    if (over) {
        if (recorder->packets == 0 && !recorder->gap[0])
            return no_room(recorder, packet, err);
        recorder->limit = recorder->limit ? recorder->limit : "--max-size";
        recorder->limited = true;
        recorder->enough(recorder->data);
        return 0;
    }
    if (recorder->gap[0] && packet->comment)
        snprintf(both, sizeof(both), "%s\n%s", recorder->gap, packet->comment);
    if (recorder->gap[0])
        placed.comment = packet->comment ? both : recorder->gap;
    if (recorder->writer.format->packet(&recorder->writer, &placed, err) < 0)
        return -1;
    recorder->gap[0] = '\0';
    recorder->packets++;
    recorder->bytes += packet->original_length;
    if (remember(recorder, placed.interface) < 0)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (recorder->settings->count && recorder->packets == recorder->settings->count) {
        recorder->limited = true;
        recorder->limit = "--count";
        recorder->enough(recorder->data);
    }
    return 0;
}

/* Writes the packet that is held back. */
static int release(struct recorder *recorder, const char *comment, struct error *err)
{
    if (!recorder->holds)
        return 0;
    recorder->holds = false;
    recorder->held.data = buf_bytes(&recorder->held_bytes);
    recorder->held.comment = comment;
    return add_packet(recorder, &recorder->held, err);
}

/* Holds this one back instead of the one before. */
static int hold(struct recorder *recorder, const struct capture_packet *packet, struct error *err)
{
    if (release(recorder, NULL, err) < 0)
        return -1;
    buf_take(&recorder->held_bytes, recorder->held_bytes.length);
    if (!buf_append(&recorder->held_bytes, packet->data, packet->captured_length))
        return error_set(err, ERROR_INTERNAL, "out of memory");
    recorder->held = *packet;
    recorder->holds = true;
    return 0;
}

/* Statistics count from the beginning: the last of an interface say all.
 * Return: 1 when they say something new, else 0; -1 with the error. */
static int count_statistics(struct recorder *recorder, const struct capture_statistics *statistics,
                            struct error *err)
{
    uint64_t *received = counters_at(&recorder->received, statistics->interface);
    uint64_t *drops = counters_at(&recorder->drops, statistics->interface);

    if (!received || !drops)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    int news = *received != statistics->received || *drops != statistics->dropped;
    recorder->dropped += statistics->dropped - *drops;
    *received = statistics->received;
    *drops = statistics->dropped;
    return news;
}

static int add_statistics(struct recorder *recorder, const struct capture_statistics *statistics,
                          struct error *err)
{
    struct capture_statistics placed = *statistics;

    placed.interface += recorder->base;
    int news = count_statistics(recorder, &placed, err);
    return news <= 0 ? news : recorder->writer.format->statistics(&recorder->writer, &placed, err);
}

bool recorder_item(struct recorder *recorder, enum capture_item_kind kind,
                   const struct capture_item *item)
{
    struct error err;
    int result = 0;

    if (recorder->failure.kind != ERROR_NONE || recorder->sink_ended || recorder->discarding) {
        recorder->discarded += kind == CAPTURE_PACKET;
        return true;
    }
    if (!recorder_has_room(recorder)) {
        recorder_flush(recorder);
        if (!recorder_has_room(recorder) && kind == CAPTURE_PACKET)
            return false;
    }
    if (kind == CAPTURE_INTERFACE)
        result = add_interface(recorder, &item->interface, &err);
    else if (kind == CAPTURE_PACKET)
        result = recorder->holding ? hold(recorder, &item->packet, &err)
                                   : add_packet(recorder, &item->packet, &err);
    else if (kind == CAPTURE_STATISTICS)
        result = add_statistics(recorder, &item->statistics, &err);
    if (result < 0)
        fail(recorder, &err);
    return true;
}

void recorder_follow(struct recorder *recorder)
{
    recorder->base = recorder->writer.interface_count;
}

void recorder_gap(struct recorder *recorder, uint64_t milliseconds, const char *why)
{
    /* A gap that nothing has followed yet grows. */
    snprintf(recorder->gap, sizeof(recorder->gap),
             "kubectl-sniff: up to %" PRIu64 ".%" PRIu64
             " s of packets before this one are missing: %s",
             milliseconds / 1000, milliseconds % 1000 / 100, why);
}

/* ---- the end ---- */

void recorder_hold(struct recorder *recorder)
{
    recorder->holding = true;
}

void recorder_discard(struct recorder *recorder)
{
    recorder->discarding = true;
}

/* Of the last agent's interfaces the one of which drops are said: the agent's own choice, else one
 * with packets. */
static uint32_t interface_for_drops(const struct recorder *recorder)
{
    uint32_t best = recorder->base;

    for (uint32_t i = recorder->base; i < recorder->writer.interface_count; i++) {
        if (counters_get(&recorder->drops, i) > 0)
            return i;
        if (counters_get(&recorder->recorded, i) > 0 &&
            counters_get(&recorder->recorded, best) == 0)
            best = i;
    }
    return best;
}

/* The last agent's, in the place of those that did not come. */
static int write_end(struct recorder *recorder, const struct recorder_end *end, struct error *err)
{
    uint32_t for_drops = interface_for_drops(recorder);

    for (uint32_t i = recorder->base; i < recorder->writer.interface_count; i++) {
        struct capture_statistics statistics = {.interface = i,
                                                .timestamp = end->timestamp,
                                                .received = counters_get(&recorder->recorded, i)};

        if (i != for_drops && statistics.received == 0)
            continue;
        if (i == for_drops) {
            statistics.dropped = end->dropped + end->lost;
            statistics.received += statistics.dropped;
            snprintf(statistics.comment, sizeof(statistics.comment), "%s",
                     end->comment ? end->comment : "");
        }
        if (count_statistics(recorder, &statistics, err) < 0 ||
            (!recorder->sink_ended &&
             recorder->writer.format->statistics(&recorder->writer, &statistics, err) < 0))
            return -1;
    }
    recorder->lost = end->lost;
    return 0;
}

void recorder_close(struct recorder *recorder, const struct recorder_end *end)
{
    struct error err;

    if (!recorder->begun || recorder->failure.kind != ERROR_NONE)
        return;
    if (release(recorder, end ? end->comment : NULL, &err) < 0 ||
        (end && write_end(recorder, end, &err) < 0))
        fail(recorder, &err);
}

uint64_t recorder_dropped(const struct recorder *recorder)
{
    return recorder->dropped - recorder->lost;
}
