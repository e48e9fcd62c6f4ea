/* SPDX-License-Identifier: Apache-2.0 */
/* Zstandard, by libzstd. */
#include <string.h>
#include <zstd.h>

#include "sink/compress.h"

/* Of packets, level 3 gains 1% and takes twice the time; a window of 2 MiB gains 1% and takes
 * 1.5 MiB of memory more. */
#define ZSTD_LEVEL  2
#define ZSTD_WINDOW 19 /* 512 KiB */
#define ZSTD_PIECE  (16u << 10)

static void *begin(struct buf *out)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();

    (void)out;
    if (!context)
        return NULL;
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, ZSTD_LEVEL);
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, ZSTD_WINDOW);
    return context;
}

static int run(void *state, const void *bytes, size_t length, ZSTD_EndDirective how,
               struct buf *out)
{
    ZSTD_inBuffer in = {.src = bytes, .size = length};
    size_t left;

    do {
        ZSTD_outBuffer piece = {.dst = buf_reserve(out, ZSTD_PIECE), .size = ZSTD_PIECE};

        if (!piece.dst)
            return -1;
        left = ZSTD_compressStream2(state, &piece, &in, how);
        if (ZSTD_isError(left))
            return -1;
        buf_added(out, piece.pos);
    } while (in.pos < in.size || (how == ZSTD_e_flush && left > 0));
    return 0;
}

static int give(void *state, const uint8_t *bytes, size_t length, struct buf *out)
{
    return run(state, bytes, length, ZSTD_e_continue, out);
}

static int flush(void *state, struct buf *out)
{
    return run(state, NULL, 0, ZSTD_e_flush, out);
}

/* A last block, raw and empty. */
static size_t tail(const void *state, uint8_t *ret_tail)
{
    (void)state;
    memcpy(ret_tail, (const uint8_t[]){1, 0, 0}, 3);
    return 3;
}

static void end(void *state)
{
    ZSTD_freeCCtx(state);
}

const struct compression compression_zstd = {
    .ending = ".zst", .begin = begin, .write = give, .flush = flush, .tail = tail, .free = end};
