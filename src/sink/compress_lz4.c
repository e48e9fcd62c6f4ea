/* SPDX-License-Identifier: Apache-2.0 */
/* LZ4 frames, by liblz4: blocks of 64 KiB, each of which refers to the one before. */
#include <lz4frame.h>
#include <string.h>

#include "sink/compress.h"

#define LZ4_PIECE (64u << 10) /* bytes that are given at once */

static void *begin(struct buf *out)
{
    LZ4F_cctx *context;
    unsigned char *head = buf_reserve(out, LZ4F_HEADER_SIZE_MAX);

    if (!head || LZ4F_isError(LZ4F_createCompressionContext(&context, LZ4F_VERSION)))
        return NULL;
    size_t length = LZ4F_compressBegin(context, head, LZ4F_HEADER_SIZE_MAX, NULL);
    if (LZ4F_isError(length)) {
        LZ4F_freeCompressionContext(context);
        return NULL;
    }
    buf_added(out, length);
    return context;
}

static int take(size_t length, struct buf *out)
{
    if (LZ4F_isError(length))
        return -1;
    buf_added(out, length);
    return 0;
}

static int give(void *state, const uint8_t *bytes, size_t length, struct buf *out)
{
    const size_t room = LZ4F_compressBound(LZ4_PIECE, NULL);
    size_t piece;

    for (size_t at = 0; at < length; at += piece) {
        unsigned char *to = buf_reserve(out, room);

        piece = length - at < LZ4_PIECE ? length - at : LZ4_PIECE;
        if (!to || take(LZ4F_compressUpdate(state, to, room, bytes + at, piece, NULL), out) < 0)
            return -1;
    }
    return 0;
}

static int flush(void *state, struct buf *out)
{
    const size_t room = LZ4F_compressBound(0, NULL);
    unsigned char *to = buf_reserve(out, room);

    return to ? take(LZ4F_flush(state, to, room, NULL), out) : -1;
}

/* The end mark: a block of no length. */
static size_t tail(const void *state, uint8_t *ret_tail)
{
    (void)state;
    memset(ret_tail, 0, 4);
    return 4;
}

static void end(void *state)
{
    LZ4F_freeCompressionContext(state);
}

const struct compression compression_lz4 = {
    .ending = ".lz4", .begin = begin, .write = give, .flush = flush, .tail = tail, .free = end};
