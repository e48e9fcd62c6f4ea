/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "settings/settings.h"
#include "sink/sink.h"

/* Bytes: more is not taken from the agent until the sink took some. */
#define OUT_HIGH  (512u << 10)
#define LAST_ROOM CAPTURE_ITEM_ROOM
#define OUT_MAX   (OUT_HIGH + CAPTURE_ITEM_ROOM + (64u << 10))

/* Bytes that a pipe may hold: what has gone into it may come to nobody. */
#define PIPE_MAX (1u << 20)
/* Where a packet ends in the output, and whose it is. */
struct end {
    uint64_t at; /* bytes */
    const struct share *share;
};

/* No packet takes less than 16 bytes. */
#define ENDS_MAX ((OUT_MAX + PIPE_MAX) / 16 * sizeof(struct end))

static void on_sink_ready(void *data)
{
    recorder_flush(data);
}

void recorder_init(struct recorder *recorder)
{
    recorder->writer =
        (struct capture_writer){.format = recorder->settings->format, .out = &recorder->out};
    buf_init(&recorder->out, OUT_MAX);
    buf_init(&recorder->ends, ENDS_MAX);
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
                             .describe = recorder->describe,
                             .started = recorder->started,
                             .enough = recorder->enough,
                             .failed = recorder->failed,
                             .data = recorder->data};

    recorder_free(recorder);
    *recorder = fresh;
    recorder->sink->written = recorder->sink->unread = 0;
    recorder_init(recorder);
}

static void forget_interfaces(struct recorder *recorder)
{
    for (size_t i = 0; i < recorder->interface_count; i++)
        free(recorder->interfaces[i].name);
    free(recorder->interfaces);
    recorder->interfaces = NULL;
    recorder->interface_count = recorder->interface_room = 0;
}

void recorder_free(struct recorder *recorder)
{
    buf_free(&recorder->out);
    buf_free(&recorder->ends);
    forget_interfaces(recorder);
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
    recorder->behind = waiting > OUT_HIGH / 2;
    recorder->enough(recorder->data);
}

/* Packets that the sink has taken need not be remembered, unless they may stand in a pipe still. */
static void forget_taken(struct recorder *recorder)
{
    uint64_t kept = recorder->sink->writing == SINK_BLOCKING ? 0 : PIPE_MAX;
    struct end end;

    while (recorder->ends.length > 0) {
        memcpy(&end, buf_bytes(&recorder->ends), sizeof(end));
        if (end.at + kept > recorder->sink->written)
            return;
        buf_take(&recorder->ends, sizeof(end));
    }
}

uint64_t recorder_unwritten(const struct recorder *recorder, const struct share *share)
{
    uint64_t got = recorder->sink->written - recorder->sink->unread, count = 0;
    struct end end;

    for (size_t at = 0; at < recorder->ends.length; at += sizeof(end)) {
        memcpy(&end, buf_bytes(&recorder->ends) + at, sizeof(end));
        count += end.at > got && (!share || share == end.share);
    }
    return count;
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
    cleanup_free char *comment = recorder->describe(recorder->data);
    const struct capture_section section = {.comment = comment,
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

static bool has_failed(const struct recorder *recorder)
{
    return recorder->failure.kind != ERROR_NONE || recorder->sink_ended;
}

/* Return: a new row for an interface; NULL when out of memory. */
static struct recorder_interface *add_row(struct recorder *recorder)
{
    if (recorder->interface_count == recorder->interface_room) {
        size_t room = recorder->interface_room ? 2 * recorder->interface_room : 4;
        struct recorder_interface *rows = realloc(recorder->interfaces, room * sizeof(*rows));

        if (!rows)
            return NULL;
        recorder->interfaces = rows;
        recorder->interface_room = room;
    }
    return &recorder->interfaces[recorder->interface_count];
}

/* The agent may call it anything: Wireshark shows the name. */
static void name_interface(const struct share *share, const char *name, char *out, size_t size)
{
    cleanup_free char *whole = text_format("%s:%s", share->prefix, name);

    text_escape(out, size, whole ? whole : "", whole ? strlen(whole) : 0);
}

static int add_interface(struct recorder *recorder, struct share *share,
                         const struct capture_interface *interface, struct error *err)
{
    struct capture_interface named = *interface;
    struct recorder_interface *row;

    if (!recorder->begun && begin(recorder, err) < 0)
        return -1;
    name_interface(share, interface->name, named.name, sizeof(named.name));
    named.description = share->description;
    named.filter = share->filter;
    int result = recorder->writer.format->interface(&recorder->writer, &named, err);

    if (result > 0)
        log_warning("\"%s\" is left out: a pcap file holds packets of one link type, and those of "
                    "the interfaces before it have another (--format pcapng holds all)",
                    named.name);
    if (result < 0)
        return -1;
    row = add_row(recorder);
    if (!row)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    *row = (struct recorder_interface){.share = share,
                                       .name = strdup(named.name),
                                       .linktype = named.linktype,
                                       .snaplen = named.snaplen,
                                       .has_mac = named.has_mac,
                                       .speed = named.speed,
                                       .unfit = result > 0};
    memcpy(row->mac, named.mac, sizeof(row->mac));
    if (!row->name)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    recorder->interface_count++;
    return 0;
}

int64_t recorder_interface(struct recorder *recorder, struct share *share,
                           const struct capture_interface *interface)
{
    struct error err;

    if (has_failed(recorder) || recorder->discarding)
        return -1;
    if (add_interface(recorder, share, interface, &err) < 0) {
        fail(recorder, &err);
        return -1;
    }
    return (int64_t)recorder->interface_count - 1;
}

/* Return: the bytes of output, at most, if this packet is written. */
static uint64_t size_with(const struct recorder *recorder, const struct capture_packet *packet)
{
    return sink_size(recorder->sink) + recorder->out.length + packet->captured_length +
           (packet->comment ? strlen(packet->comment) : 0) + 64;
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
static int remember(struct recorder *recorder, struct recorder_interface *interface,
                    const struct capture_packet *packet, struct error *err)
{
    const struct end end = {sink_taken(recorder->sink) + recorder->out.length, interface->share};

    interface->recorded++;
    interface->share->packets++;
    interface->share->bytes += packet->original_length;
    recorder->packets++;
    recorder->bytes += packet->original_length;
    return buf_append(&recorder->ends, &end, sizeof(end))
               ? 0
               : error_set(err, ERROR_INTERNAL, "out of memory");
}

static int reach_limit(struct recorder *recorder, const char *flag)
{
    recorder->limit = recorder->limit ? recorder->limit : flag;
    recorder->limited = true;
    recorder->enough(recorder->data);
    return 0;
}

static int add_packet(struct recorder *recorder, const struct capture_packet *packet,
                      struct error *err)
{
    struct recorder_interface *interface = &recorder->interfaces[packet->interface];

    if (interface->unfit) {
        interface->share->left_out++;
        recorder->left_out++;
        return 0;
    }
    int over = limited(recorder, packet, err);
    if (over < 0)
        return -1;
    if (over) {
        if (recorder->packets == 0 && !packet->comment)
            return no_room(recorder, packet, err);
        return reach_limit(recorder, "--max-size");
    }
    if (recorder->writer.format->packet(&recorder->writer, packet, err) < 0 ||
        remember(recorder, interface, packet, err) < 0)
        return -1;
    if (recorder->settings->count && recorder->packets == recorder->settings->count)
        return reach_limit(recorder, "--count");
    return 0;
}

/* Return: is the packet not to be written? The last of an agent has its place, if it is no giant.
 */
static bool is_unwanted(const struct recorder *recorder, const struct capture_packet *packet)
{
    return has_failed(recorder) ||
           (recorder->discarding &&
            (!packet->last ||
             recorder->out.length + packet->captured_length > OUT_HIGH + LAST_ROOM));
}

bool recorder_packet(struct recorder *recorder, const struct capture_packet *packet)
{
    struct error err;

    if (is_unwanted(recorder, packet)) {
        recorder->interfaces[packet->interface].share->discarded++;
        return true;
    }
    if (!recorder_has_room(recorder)) {
        recorder_flush(recorder);
        if (!recorder_has_room(recorder))
            return false;
    }
    if (add_packet(recorder, packet, &err) < 0)
        fail(recorder, &err);
    return true;
}

/* Statistics count from the beginning: the last of an interface say all. Return: do they say
 * something new? */
static bool count_statistics(struct recorder *recorder, const struct capture_statistics *statistics)
{
    struct recorder_interface *interface = &recorder->interfaces[statistics->interface];
    bool news =
        interface->received != statistics->received || interface->dropped != statistics->dropped;

    interface->share->dropped += statistics->dropped - interface->dropped;
    recorder->dropped += statistics->dropped - interface->dropped;
    interface->received = statistics->received;
    interface->dropped = statistics->dropped;
    return news;
}

void recorder_statistics(struct recorder *recorder, const struct capture_statistics *statistics)
{
    const struct recorder_interface *interface = &recorder->interfaces[statistics->interface];
    struct capture_statistics counted = *statistics;
    struct error err;

    bool ours = counted.received == RECORDER_AS_RECORDED;

    if (recorder->failure.kind != ERROR_NONE || (recorder->discarding && !ours))
        return;
    if (ours)
        counted.received = interface->recorded + counted.dropped;
    if (count_statistics(recorder, &counted) && !recorder->sink_ended &&
        recorder->writer.format->statistics(&recorder->writer, &counted, &err) < 0)
        fail(recorder, &err);
}

/* ---- the end ---- */

void recorder_discard(struct recorder *recorder)
{
    recorder->discarding = true;
}

uint64_t share_dropped(const struct share *share)
{
    return share->dropped > share->lost ? share->dropped - share->lost : 0;
}

uint64_t recorder_dropped(const struct recorder *recorder)
{
    return recorder->dropped > recorder->lost ? recorder->dropped - recorder->lost : 0;
}
