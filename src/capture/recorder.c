/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "capture/next_file.h"
#include "capture/secrets.h"
#include "settings/settings.h"
#include "sink/sink.h"

#define LAST_ROOM     CAPTURE_ITEM_ROOM

#define NAMES_AT_ONCE 32
#define NAMES_ROOM    (NAMES_AT_ONCE * 64) /* bytes that they take as a rule */
#define NOTICE_MAX    1000                 /* bytes */
#define NAMES_PART    4                    /* of a file's size, at most, they take */

/* A target's own. */
struct recorder_file {
    struct outlet outlet;
    struct sink sink;
    struct recorder_file *next;
};

static void on_sink_ready(void *data)
{
    recorder_flush(data);
}

void recorder_init(struct recorder *recorder)
{
    struct sink *sink = recorder->sink;

    outlet_init(&recorder->outlet, sink, recorder->settings);
    recorder->apart = sink->output && pattern_is_per_target(sink->output);
    keyring_init(&recorder->keyring, KEYRING_MAX, recorder->apart);
    sink->ready = on_sink_ready;
    /* The sink's events come from the loop, which is not stepped any more when this is gone. */
    sink->data = recorder;
}

void recorder_abandon(struct recorder *recorder)
{
    buf_take(&recorder->outlet.out, recorder->outlet.out.length);
    for (struct recorder_file *file = recorder->files; file; file = file->next)
        buf_take(&file->outlet.out, file->outlet.out.length);
}

void recorder_reset(struct recorder *recorder)
{
    struct recorder fresh = {.settings = recorder->settings,
                             .sink = recorder->sink,
                             .title = recorder->title,
                             .subject = recorder->subject,
                             .describe = recorder->describe,
                             .next_names = recorder->next_names,
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
    for (size_t i = 0; i < recorder->interface_count; i++) {
        free(recorder->interfaces[i].name);
        free(recorder->interfaces[i].hardware);
    }
    free(recorder->interfaces);
    recorder->interfaces = NULL;
    recorder->interface_count = recorder->interface_room = 0;
}

static void forget_files(struct recorder *recorder)
{
    while (recorder->files) {
        struct recorder_file *file = recorder->files;

        recorder->files = file->next;
        outlet_free(&file->outlet);
        sink_free(&file->sink);
        free(file);
    }
    pattern_names_free(&recorder->names);
}

void recorder_free(struct recorder *recorder)
{
    outlet_free(&recorder->outlet);
    forget_files(recorder);
    forget_interfaces(recorder);
    keyring_free(&recorder->keyring);
    free(recorder->notice);
    recorder->notice = NULL;
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
    recorder->behind = waiting > OUTLET_HIGH / 2;
    recorder->enough(recorder->data);
}

uint64_t recorder_unwritten(const struct recorder *recorder, const struct share *share)
{
    uint64_t count = outlet_unwritten(&recorder->outlet, share);

    for (const struct recorder_file *file = recorder->files; file; file = file->next)
        count += outlet_unwritten(&file->outlet, share);
    return count;
}

/* Where a file is to be small, packets are worth more than names. */
static bool may_have_names(const struct recorder *recorder, const struct outlet *outlet)
{
    const uint64_t most = recorder->settings->max_size, rotate = recorder->settings->rotate_size;
    const uint64_t size = outlet_file_size(outlet);

    return (!most || size + NAMES_ROOM <= most / NAMES_PART) &&
           (!rotate || size <= rotate / NAMES_PART);
}

int recorder_write_names(struct recorder *recorder, struct outlet *outlet, struct error *err)
{
    int (*write)(struct capture_writer *, const struct capture_address *, size_t, struct error *) =
        outlet->writer.format->names;
    struct capture_address addresses[NAMES_AT_ONCE];
    int room, result = 0;

    if (!recorder->next_names || !write || !outlet->begun)
        return 0;
    while ((room = outlet_make_room(outlet, err)) > 0) {
        if (!may_have_names(recorder, outlet))
            return 0;
        size_t count =
            recorder->next_names(recorder->data, &outlet->names, addresses, NAMES_AT_ONCE);

        for (size_t done = 0; done < count; done += (size_t)result)
            if ((result = write(&outlet->writer, addresses + done, count - done, err)) < 0)
                return -1;
        if (count < NAMES_AT_ONCE)
            return 0;
    }
    recorder->names_due = true;
    return room;
}

void recorder_names(struct recorder *recorder)
{
    struct error err;
    int result;

    recorder->names_due = false;
    if (recorder->failure.kind != ERROR_NONE || recorder->sink_ended || recorder->discarding)
        return;
    result = recorder_write_names(recorder, &recorder->outlet, &err);
    for (struct recorder_file *file = recorder->files; file && result == 0; file = file->next)
        result = recorder_write_names(recorder, &file->outlet, &err);
    if (result < 0)
        fail(recorder, &err);
}

static void flush(struct recorder *recorder, struct outlet *outlet)
{
    struct error err;

    if (outlet_flush(outlet, &err) < 0)
        fail(recorder, &err);
}

void recorder_flush(struct recorder *recorder)
{
    size_t waiting = recorder->outlet.out.length;

    flush(recorder, &recorder->outlet);
    for (struct recorder_file *file = recorder->files; file; file = file->next)
        flush(recorder, &file->outlet);
    look_at_sink(recorder, waiting);
    if (recorder->names_due && recorder_has_room(recorder))
        recorder_names(recorder);
}

bool recorder_is_flushed(const struct recorder *recorder)
{
    bool flushed = recorder->outlet.out.length == 0 &&
                   !(recorder->outlet.begun && sink_is_busy(recorder->sink));

    for (const struct recorder_file *file = recorder->files; file; file = file->next)
        flushed &= file->outlet.out.length == 0;
    return flushed;
}

uint64_t recorder_files(const struct recorder *recorder, const char **ret_last)
{
    uint64_t count = 0;

    *ret_last = NULL;
    if (!recorder->apart) {
        *ret_last = sink_name(recorder->sink);
        return recorder->sink->values.number ? recorder->sink->values.number : 1;
    }
    for (const struct recorder_file *file = recorder->files; file; file = file->next) {
        *ret_last = recorder->files->next ? NULL : sink_name(&file->sink);
        count += file->sink.values.number ? file->sink.values.number : 1;
    }
    return count;
}

static int finish(struct recorder *recorder, struct outlet *outlet, struct error *err)
{
    bool whole = recorder->failure.kind == ERROR_NONE && !recorder->sink_ended;
    int result = whole ? secrets_write_last(recorder, outlet, err) : 0;

    if (whole && result == 0)
        result = next_file_last(recorder, outlet, err);

    return sink_finish(outlet->sink, result < 0 ? NULL : err) < 0 ? -1 : result;
}

int recorder_finish(struct recorder *recorder, struct error *err)
{
    int result = 0;

    for (struct recorder_file *file = recorder->files; file; file = file->next)
        if (file->outlet.begun)
            result |= finish(recorder, &file->outlet, result < 0 ? NULL : err);
    return finish(recorder, &recorder->outlet, result < 0 ? NULL : err) < 0 ? -1 : result;
}

void recorder_end(struct recorder *recorder, const struct share *share)
{
    struct outlet *outlet = recorder->apart ? share->outlet : NULL;
    struct error err;

    if (!outlet || !outlet->begun)
        return;
    if (finish(recorder, outlet, &err) < 0)
        fail(recorder, &err);
    outlet->begun = false;
}

static bool has_failed(const struct recorder *recorder)
{
    return recorder->failure.kind != ERROR_NONE || recorder->sink_ended;
}

static bool has_room(const struct recorder *recorder, const struct outlet *outlet)
{
    return outlet->out.length < OUTLET_HIGH || recorder->discarding;
}

bool recorder_has_room(const struct recorder *recorder)
{
    /* A file takes whatever it is given. */
    return has_room(recorder, &recorder->outlet);
}

static bool make_room(struct recorder *recorder, const struct outlet *outlet)
{
    if (has_room(recorder, outlet))
        return true;
    recorder_flush(recorder);
    return has_room(recorder, outlet);
}

bool recorder_make_room(struct recorder *recorder, const struct share *share)
{
    return has_failed(recorder) ||
           make_room(recorder, share->outlet ? share->outlet : &recorder->outlet);
}

/* In a capture that is given up: is there a place for the last of an agent's, if it is no giant? */
static bool has_last_room(const struct share *share, size_t length)
{
    return share->outlet->out.length + length <= OUTLET_HIGH + LAST_ROOM;
}

/* ---- items ---- */

/* Return: a target's own; NULL with the error. */
static struct outlet *add_file(struct recorder *recorder, const struct share *share,
                               struct error *err)
{
    const struct sink *sink = recorder->sink;
    struct recorder_file *file = calloc(1, sizeof(*file));

    if (!file) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    file->sink = (struct sink){.output = sink->output,
                               .loop = sink->loop,
                               .numbered = sink->numbered,
                               .names = &recorder->names,
                               .values = share->values,
                               .ready = on_sink_ready,
                               .data = recorder};
    file->next = recorder->files;
    recorder->files = file;
    outlet_init(&file->outlet, &file->sink, recorder->settings);
    return sink_prepare(&file->sink, err) < 0 ? NULL : &file->outlet;
}

/* The first interface is known: capturing has really begun. */
static int begin(struct recorder *recorder, struct share *share, struct error *err)
{
    cleanup_free char *comment = recorder->describe(recorder->data, recorder->apart ? share : NULL);
    const struct capture_section section = {.comment = comment,
                                            .application = "kubectl-sniff " KSNIFF_VERSION};

    share->outlet->sink->title = recorder->title;
    share->outlet->sink->subject = recorder->subject;
    int result = outlet_begin(share->outlet, &section, err);
    share->outlet->sink->title = share->outlet->sink->subject = NULL;
    if (result == 0)
        result = recorder_write_names(recorder, share->outlet, err);
    if (result == 0 && !recorder->begun) {
        recorder->begun = true;
        recorder->started(recorder->data);
    }
    return result;
}

/* Where the packets of @share go is open from now on. */
static int open_outlet(struct recorder *recorder, struct share *share, struct error *err)
{
    if (!share->outlet)
        share->outlet = recorder->apart ? add_file(recorder, share, err) : &recorder->outlet;
    if (!share->outlet)
        return -1;
    return share->outlet->begun ? 0 : begin(recorder, share, err);
}

uint64_t recorder_room(const struct capture_packet *packet)
{
    return (uint64_t)packet->captured_length + (packet->comment ? strlen(packet->comment) : 0) + 64;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
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
void recorder_name(const struct share *share, const char *name, char *out, size_t size)
{
    cleanup_free char *whole = text_format("%s:%s", share->prefix, name);

    text_escape(out, size, whole ? whole : "", whole ? strlen(whole) : 0);
}

int recorder_write_interface(struct recorder_interface *row, struct error *err)
{
    struct capture_writer *writer = &row->share->outlet->writer;
    struct capture_interface interface = {.linktype = row->linktype,
                                          .snaplen = row->snaplen,
                                          .has_mac = row->has_mac,
                                          .speed = row->speed,
                                          .description = row->share->description,
                                          .filter = row->share->filter};
    const uint32_t number = writer->interface_count;

    snprintf(interface.name, sizeof(interface.name), "%s", row->name);
    memcpy(interface.mac, row->mac, sizeof(interface.mac));
    snprintf(interface.hardware, sizeof(interface.hardware), "%s", row->hardware);
    int result = writer->format->interface(writer, &interface, err);
    if (result < 0)
        return -1;
    row->number = number;
    row->unfit = result > 0;
    return 0;
}

static int add_interface(struct recorder *recorder, struct share *share,
                         const struct capture_interface *interface, struct error *err)
{
    char name[CAPTURE_NAME_MAX], hardware[CAPTURE_HARDWARE_MAX];
    struct recorder_interface *row;

    if (open_outlet(recorder, share, err) < 0)
        return -1;
    row = add_row(recorder);
    if (!row)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    recorder_name(share, interface->name, name, sizeof(name));
    text_escape(hardware, sizeof(hardware), interface->hardware, strlen(interface->hardware));
    *row = (struct recorder_interface){.share = share,
                                       .name = strdup(name),
                                       .hardware = strdup(hardware),
                                       .linktype = interface->linktype,
                                       .snaplen = interface->snaplen,
                                       .has_mac = interface->has_mac,
                                       .speed = interface->speed};
    memcpy(row->mac, interface->mac, sizeof(row->mac));
    recorder->interface_count++;
    if (!row->name || !row->hardware)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (recorder_write_interface(row, err) < 0)
        return -1;
    if (row->unfit)
        log_warning("\"%s\" is left out: a pcap file holds packets of one link type, and those of "
                    "the interfaces before it have another (--format pcapng holds all)",
                    row->name);
    return 0;
}

void recorder_begin(struct recorder *recorder, struct share *share)
{
    struct error err;

    if (open_outlet(recorder, share, &err) < 0)
        fail(recorder, &err);
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

/* Return: the bytes of output, at most. */
static uint64_t size_of_all(const struct recorder *recorder)
{
    uint64_t size = outlet_size(&recorder->outlet);

    for (const struct recorder_file *file = recorder->files; file; file = file->next)
        size += outlet_size(&file->outlet);
    return size;
}

/* What is to be compressed may become less. */
static int settle_all(struct recorder *recorder, struct error *err)
{
    int result = outlet_settle(&recorder->outlet, err);

    for (struct recorder_file *file = recorder->files; file && result == 0; file = file->next)
        result = outlet_settle(&file->outlet, err);
    return result;
}

/* Return: 1 when a limit is reached: the packet is not wanted any more; -1: with the error. */
static int limited(struct recorder *recorder, const struct capture_packet *packet,
                   struct error *err)
{
    const struct settings *settings = recorder->settings;
    const uint64_t room = recorder_room(packet) +
                          secrets_room(recorder, recorder->interfaces[packet->interface].share);

    if (settings->count && recorder->packets >= settings->count)
        return 1;
    if (!settings->max_size)
        return 0;
    if (size_of_all(recorder) + room <= settings->max_size)
        return 0;
    if (recorder->sink->compression && settle_all(recorder, err) < 0)
        return -1;
    return size_of_all(recorder) + room > settings->max_size;
}

static int no_room(const struct recorder *recorder, const struct capture_packet *packet,
                   struct error *err)
{
    error_set(err, ERROR_USAGE,
              "--max-size %" PRIu64 " is too small for one packet: the first has %" PRIu32
              " bytes, behind a head of %" PRIu64,
              recorder->settings->max_size, packet->captured_length, size_of_all(recorder));
    return error_remedy(err, "raise it, or keep less of each packet with --snaplen");
}

/* A packet has been written. */
static void count_packet(struct recorder *recorder, struct recorder_interface *interface,
                         const struct capture_packet *packet)
{
    interface->recorded++;
    interface->share->packets++;
    interface->share->bytes += packet->original_length;
    interface->share->kept += packet->captured_length;
    recorder->packets++;
    recorder->bytes += packet->original_length;
}

static int reach_limit(struct recorder *recorder, const char *flag)
{
    recorder->limit = recorder->limit ? recorder->limit : flag;
    recorder->limited = true;
    recorder->enough(recorder->data);
    return 0;
}

/* What is to be said stands before what the packet says itself. Return: owned by the caller; NULL:
 * nothing else than that is said. */
static char *take_notice(struct recorder *recorder, const char *comment)
{
    char *notice = steal_pointer(recorder->notice);

    if (!notice || !comment)
        return notice;
    char *both = text_format("%s; %s", notice, comment);
    free(notice);
    return both;
}

void recorder_notice(struct recorder *recorder, const char *text)
{
    char *whole = recorder->notice ? text_format("%s; %s", recorder->notice, text) : strdup(text);

    if (!whole || strlen(whole) > NOTICE_MAX) { /* the last one says most */
        free(whole);
        whole = strdup(text);
    }
    free(recorder->notice);
    recorder->notice = whole;
}

void recorder_pause(struct recorder *recorder, bool paused)
{
    char text[100];

    if (recorder->paused == paused)
        return;
    recorder->paused = paused;
    if (paused) {
        recorder->skipped_before = recorder->skipped;
        return;
    }
    snprintf(text, sizeof(text), "paused: %" PRIu64 " packets before this one were not written",
             recorder->skipped - recorder->skipped_before);
    recorder_notice(recorder, text);
}

/* In a pause: what the packet has to say beside itself is kept for the next one. */
static void skip(struct recorder *recorder, const struct capture_packet *packet)
{
    recorder->skipped++;
    if (packet->comment)
        recorder_notice(recorder, packet->comment);
}

/* Writes it into the file whose turn it is. Return: 0, -1 with the error. */
static int write_packet(struct recorder *recorder, struct recorder_interface *interface,
                        const struct capture_packet *packet, struct error *err)
{
    struct capture_packet placed = *packet;

    if (next_file_make_way(recorder, interface->share, packet, err) < 0 ||
        (interface->number == RECORDER_NO_NUMBER && recorder_write_interface(interface, err) < 0) ||
        secrets_write(recorder, interface->share, err) < 0)
        return -1;
    if (interface->unfit) {
        interface->share->left_out++;
        recorder->left_out++;
        return 0;
    }
    placed.interface = interface->number;
    cleanup_free char *comment = take_notice(recorder, packet->comment);
    if (comment)
        placed.comment = comment;
    if (outlet_packet(interface->share->outlet, &placed, interface->share, err) < 0)
        return -1;
    count_packet(recorder, interface, packet);
    return 0;
}

static int add_packet(struct recorder *recorder, const struct capture_packet *packet,
                      struct error *err)
{
    struct recorder_interface *interface = &recorder->interfaces[packet->interface];
    int over = interface->unfit ? 0 : limited(recorder, packet, err);

    if (over < 0)
        return -1;
    if (over) {
        if (recorder->packets == 0 && !packet->comment)
            return no_room(recorder, packet, err);
        return reach_limit(recorder, "--max-size");
    }
    if (write_packet(recorder, interface, packet, err) < 0)
        return -1;
    if (recorder->settings->count && recorder->packets == recorder->settings->count)
        return reach_limit(recorder, "--count");
    return 0;
}

/* Return: is the packet not to be written? */
static bool is_unwanted(const struct recorder *recorder, const struct capture_packet *packet)
{
    return has_failed(recorder) ||
           (recorder->discarding &&
            (!packet->last || !has_last_room(recorder->interfaces[packet->interface].share,
                                             packet->captured_length)));
}

bool recorder_packet(struct recorder *recorder, const struct capture_packet *packet)
{
    struct share *share = recorder->interfaces[packet->interface].share;
    struct error err;

    if (is_unwanted(recorder, packet)) {
        share->discarded++;
        return true;
    }
    if (recorder->paused) {
        skip(recorder, packet);
        return true;
    }
    if (!make_room(recorder, share->outlet))
        return false;
    int more = recorder->discarding ? 0 : secrets_write_some(recorder, share, &err);
    if (more > 0)
        return false;
    if (more < 0) {
        fail(recorder, &err);
        return true;
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
    interface->received = statistics->received;
    interface->dropped = statistics->dropped;
    return news;
}

/* In its section: the packets of earlier files are none of its. */
static int write_statistics(struct recorder_interface *interface,
                            const struct capture_statistics *statistics, struct error *err)
{
    struct capture_writer *writer = &interface->share->outlet->writer;
    struct capture_statistics placed = *statistics;

    if (interface->number == RECORDER_NO_NUMBER && recorder_write_interface(interface, err) < 0)
        return -1;
    interface->untold = false;
    placed.interface = interface->number;
    placed.received -= least(interface->received_before, placed.received);
    placed.dropped -= least(interface->dropped_before, placed.dropped);
    return writer->format->statistics(writer, &placed, err);
}

bool recorder_statistics(struct recorder *recorder, const struct capture_statistics *statistics)
{
    struct recorder_interface *interface = &recorder->interfaces[statistics->interface];
    struct capture_statistics counted = *statistics;
    struct error err;

    bool ours = counted.received == RECORDER_AS_RECORDED;

    if (recorder->failure.kind != ERROR_NONE)
        return true;
    if (!recorder_make_room(recorder, interface->share))
        return false;
    if (ours)
        counted.received = interface->recorded + counted.dropped;
    bool news = count_statistics(recorder, &counted);
    /* Nobody reads them, but the user is told of what was dropped. */
    if (recorder->discarding && (!ours || !has_last_room(interface->share, 0)))
        return true;
    if ((news || interface->untold) && !recorder->sink_ended &&
        write_statistics(interface, &counted, &err) < 0)
        fail(recorder, &err);
    return true;
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
