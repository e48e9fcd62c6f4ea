/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/outlet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "settings/settings.h"
#include "sink/sink.h"

#define OUT_MAX (OUTLET_HIGH + CAPTURE_ITEM_ROOM + (64u << 10))

/* Bytes that a pipe may hold: what has gone into it may come to nobody. */
#define PIPE_MAX (1u << 20)

/* Where a packet ends in the output, and whose it is. */
struct end {
    uint64_t at; /* bytes */
    const struct share *share;
};

/* No packet takes less than 16 bytes, wherever it waits. */
#define ENDS_MAX ((OUT_MAX + PIPE_MAX + SINK_WINDOW_MAX) / 16 * sizeof(struct end))

static void begin_section(struct outlet *outlet)
{
    outlet->writer = (struct capture_writer){.format = outlet->writer.format, .out = &outlet->out};
    outlet->names = outlet->secrets = 0;
}

void outlet_init(struct outlet *outlet, struct sink *sink, const struct settings *settings)
{
    *outlet = (struct outlet){.sink = sink,
                              .writer = {.format = settings->format},
                              .rotation = {.size = settings->rotate_size,
                                           .time = settings->rotate_time,
                                           .files = settings->rotate_files}};
    begin_section(outlet);
    buf_init(&outlet->out, OUT_MAX);
    buf_init(&outlet->ends, ENDS_MAX);
    sink->format = settings->format;
}

void outlet_free(struct outlet *outlet)
{
    buf_free(&outlet->out);
    buf_free(&outlet->ends);
    rotation_free(&outlet->rotation);
}

/* ---- what the sink has taken ---- */

/* Packets that the sink has taken need not be remembered, unless they may stand in a pipe still. */
static void forget_taken(struct outlet *outlet)
{
    uint64_t kept = outlet->sink->writing == SINK_BLOCKING ? 0 : PIPE_MAX;
    struct end end;

    while (outlet->ends.length > 0) {
        memcpy(&end, buf_bytes(&outlet->ends), sizeof(end));
        if (end.at + kept > outlet->sink->written)
            return;
        buf_take(&outlet->ends, sizeof(end));
    }
}

uint64_t outlet_unwritten(const struct outlet *outlet, const struct share *share)
{
    uint64_t got = outlet->sink->written - outlet->sink->unread, count = 0;
    struct end end;

    for (size_t at = 0; at < outlet->ends.length; at += sizeof(end)) {
        memcpy(&end, buf_bytes(&outlet->ends) + at, sizeof(end));
        count += end.at > got && (!share || share == end.share);
    }
    return count;
}

static int with_loss(struct outlet *outlet, int result)
{
    if (result < 0)
        buf_take(&outlet->out, outlet->out.length);
    forget_taken(outlet);
    return result;
}

int outlet_flush(struct outlet *outlet, struct error *err)
{
    /* Also with nothing: the sink may hold something itself. */
    return outlet->begun ? with_loss(outlet, sink_write(outlet->sink, &outlet->out, err)) : 0;
}

int outlet_make_room(struct outlet *outlet, struct error *err)
{
    if (outlet->out.length >= OUTLET_HIGH && outlet_flush(outlet, err) < 0)
        return -1;
    return outlet->out.length < OUTLET_HIGH;
}

int outlet_settle(struct outlet *outlet, struct error *err)
{
    return outlet->begun ? with_loss(outlet, sink_settle(outlet->sink, &outlet->out, err)) : 0;
}

uint64_t outlet_size(const struct outlet *outlet)
{
    return sink_size(outlet->sink) + outlet->out.length;
}

uint64_t outlet_file_size(const struct outlet *outlet)
{
    return sink_file_size(outlet->sink) + outlet->out.length;
}

int outlet_packet(struct outlet *outlet, const struct capture_packet *packet,
                  const struct share *share, struct error *err)
{
    if (outlet->writer.format->packet(&outlet->writer, packet, err) < 0)
        return -1;
    const struct end end = {sink_taken(outlet->sink) + outlet->out.length, share};

    outlet->rotation.packets++;
    outlet->latest = packet->timestamp;
    return buf_append(&outlet->ends, &end, sizeof(end))
               ? 0
               : error_set(err, ERROR_INTERNAL, "out of memory");
}

/* ---- files ---- */

/* Its head has been written. */
static int file_begun(struct outlet *outlet, struct error *err)
{
    cleanup_free char *oldest = NULL;

    if (!rotation_is_wanted(&outlet->rotation))
        return 0;
    if (outlet_flush(outlet, err) < 0)
        return -1;
    if (rotation_begun(&outlet->rotation, loop_now(), sink_name(outlet->sink), &oldest) < 0)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (oldest && unlink(oldest) < 0 && errno != ENOENT)
        log_warning("cannot remove \"%s\": %s", oldest, strerror(errno));
    return 0;
}

int outlet_begin(struct outlet *outlet, const struct capture_section *section, struct error *err)
{
    if (outlet->writer.format->begin(&outlet->writer, section, err) < 0 ||
        sink_begin(outlet->sink, err) < 0)
        return -1;
    outlet->begun = true;
    return file_begun(outlet, err);
}

int outlet_next(struct outlet *outlet, const struct capture_section *section, struct error *err)
{
    if (outlet_flush(outlet, err) < 0 || sink_next(outlet->sink, err) < 0)
        return -1;
    log_debug("\"%s\" begins", sink_name(outlet->sink));
    begin_section(outlet);
    if (outlet->writer.format->begin(&outlet->writer, section, err) < 0)
        return -1;
    return file_begun(outlet, err);
}
