/* SPDX-License-Identifier: Apache-2.0 */
/* gzip, by zlib. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "sink/compress.h"

#define GZIP_LEVEL  3         /* of packets as fast as 1, and twice as fast as 6, which gains 3% */
#define GZIP_WINDOW (15 + 16) /* 32 KiB; 16: gzip's head instead of zlib's */
#define GZIP_PIECE  (16u << 10)

static void *begin(struct buf *out)
{
    z_stream *stream = calloc(1, sizeof(*stream));

    (void)out;
    if (stream &&
        deflateInit2(stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK)
        return stream;
    free(stream);
    return NULL;
}

static int run(z_stream *stream, int how, struct buf *out)
{
    do {
        stream->next_out = buf_reserve(out, GZIP_PIECE);
        stream->avail_out = GZIP_PIECE;
        if (!stream->next_out)
            return -1;
        int result = deflate(stream, how);
        if (result != Z_OK && result != Z_BUF_ERROR) /* the latter: there was nothing to do */
            return -1;
        buf_added(out, GZIP_PIECE - stream->avail_out);
    } while (stream->avail_out == 0);
    return 0;
}

static int give(void *state, const uint8_t *bytes, size_t length, struct buf *out)
{
    z_stream *stream = state;

    stream->next_in = (Bytef *)bytes;
    stream->avail_in = (uInt)length;
    return run(stream, Z_NO_FLUSH, out);
}

static int flush(void *state, struct buf *out)
{
    return run(state, Z_SYNC_FLUSH, out);
}

/* An empty last block (RFC 1951), the CRC-32 and the length of everything. */
static size_t tail(const void *state, uint8_t *ret_tail)
{
    const z_stream *stream = state;
    const uint32_t crc = (uint32_t)stream->adler, length = (uint32_t)stream->total_in;

    ret_tail[0] = 0x03;
    ret_tail[1] = 0x00;
    for (int i = 0; i < 4; i++) {
        ret_tail[2 + i] = (uint8_t)(crc >> 8 * i);
        ret_tail[6 + i] = (uint8_t)(length >> 8 * i);
    }
    return 10;
}

static void end(void *state)
{
    if (state)
        deflateEnd(state);
    free(state);
}

const struct compression compression_gzip = {
    .ending = ".gz", .begin = begin, .write = give, .flush = flush, .tail = tail, .free = end};
