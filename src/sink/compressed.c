/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/compressed.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/loop.h"
#include "sink/compress.h"
#include "sink/sink.h"

/* Each flush costs gzip some fifty bytes, of 256 KiB of packets 0.03%; the others nothing, if it
 * ends a block as here. */
#define FLUSH_BYTES (256u << 10)
#define FLUSH_MS    1000

/* Bytes, more than what anybody writes at once becomes in the worst case. */
#define COMPRESSED_MAX (8u << 20)

static void on_flusher(void *data)
{
    struct sink *sink = data;

    sink->due = true;
    sink->ready(sink->data);
}

int compressed_begin(struct sink *sink, struct error *err)
{
    compressed_free(sink);
    buf_init(&sink->compressed, COMPRESSED_MAX);
    sink->pending = sink->tail_length = 0;
    sink->place = 0;
    sink->due = true; /* what is given first is the head, without which the file is none */
    sink->compressor = sink->compression->begin(&sink->compressed);
    sink->flusher = loop_add_timer(sink->loop, FLUSH_MS, on_flusher, sink);
    if (!sink->compressor || !sink->flusher)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    loop_stop_timer(sink->flusher);
    return 0;
}

static int write_at(const struct sink *sink, const uint8_t *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t written =
            pwrite(sink->fd, bytes + done, length - done, (off_t)(sink->place + done));

        if (written < 0 && errno != EINTR)
            return -1;
        done += written > 0 ? (size_t)written : 0;
    }
    return 0;
}

/* Leaves the file as the last flush left it: the tail gets the room that it had. */
static int give_up(struct sink *sink, struct error *err)
{
    int reason = errno;

    compressed_free(sink);
    if (ftruncate(sink->fd, (off_t)(sink->place + sink->tail_length)) == 0)
        write_at(sink, sink->tail, sink->tail_length);
    return sink_cannot_write(sink, reason, err);
}

int compressed_flush(struct sink *sink, struct error *err)
{
    struct buf *out = &sink->compressed;
    uint8_t tail[COMPRESS_TAIL_MAX];

    if (!sink->compressor || sink->pending == 0)
        return 0;
    loop_stop_timer(sink->flusher);
    sink->due = false;
    errno = ENOMEM;
    if (sink->compression->flush(sink->compressor, out) < 0)
        return give_up(sink, err);
    size_t length = out->length, tail_length = sink->compression->tail(sink->compressor, tail);
    if (!buf_append(out, tail, tail_length) || write_at(sink, buf_bytes(out), out->length) < 0)
        return give_up(sink, err);
    buf_take(out, out->length);
    sink->place += length;
    memcpy(sink->tail, tail, tail_length);
    sink->tail_length = tail_length;
    sink->written += sink->pending;
    sink->pending = 0;
    return 0;
}

int compressed_write(struct sink *sink, struct buf *bytes, struct error *err)
{
    bool first = sink->pending == 0;
    size_t length = bytes->length;

    errno = ENOMEM;
    if (sink->compressor && length > 0 &&
        sink->compression->write(sink->compressor, buf_bytes(bytes), length, &sink->compressed) < 0)
        return give_up(sink, err);
    buf_take(bytes, length);
    if (!sink->compressor)
        return 0;
    sink->pending += length;
    if (sink->due || sink->pending >= FLUSH_BYTES)
        return compressed_flush(sink, err);
    if (first && length > 0)
        loop_set_timer(sink->flusher, FLUSH_MS);
    return 0;
}

uint64_t compressed_size(const struct sink *sink)
{
    /* What cannot be compressed becomes a little more. */
    const uint64_t most = sink->pending ? sink->pending + sink->pending / 256 + 64 : 0;

    return sink->place + sink->tail_length + most;
}

void compressed_free(struct sink *sink)
{
    loop_remove_timer(sink->flusher);
    sink->flusher = NULL;
    if (sink->compression)
        sink->compression->free(sink->compressor);
    sink->compressor = NULL;
    buf_free(&sink->compressed);
}
