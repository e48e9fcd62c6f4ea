/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header blocks of SPDY/3: names and values, compressed by one zlib stream for each direction
 * that goes on from block to block. No I/O.
 *
 * Source: https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/, 2.6.10
 */
#ifndef KSNIFF_KUBE_SPDY_HEADERS_H
#define KSNIFF_KUBE_SPDY_HEADERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

struct buf;

#define SPDY_HEADERS_MAX (64u << 10) /* bytes of a block that is not compressed */

/* A number of 32 bits as it stands on the wire. */
static inline uint32_t spdy_get32(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static inline void spdy_put32(unsigned char *bytes, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (unsigned char)(number >> (24 - 8 * i));
}

/* A direction's zlib stream. Both kinds are ended by their _free(), which allows a zeroed one. */
struct spdy_compressor {
    z_stream zlib;
    bool ready;
};

struct spdy_decompressor {
    z_stream zlib;
    bool ready;
    unsigned char *text; /* SPDY_HEADERS_MAX bytes: the last block */
};

struct spdy_header {
    const char *name, *value; /* not NUL-terminated; of any bytes */
    size_t name_length, value_length;
};

/* spdy_compress - append the block of one header to @out. Return: 0, or -1 when it does not fit. */
int spdy_compress(struct spdy_compressor *compressor, const char *name, const char *value,
                  struct buf *out);
void spdy_compressor_free(struct spdy_compressor *compressor);

/*
 * spdy_decompress - open a block
 * @block: @length bytes, as they came
 * @ret_text: its names and values, valid until the next block; for spdy_header_next()
 *
 * Return: 0; -1 when it is no such block, or would be longer than SPDY_HEADERS_MAX: then the
 * direction cannot be read any further.
 */
int spdy_decompress(struct spdy_decompressor *decompressor, const unsigned char *block,
                    size_t length, const unsigned char **ret_text, size_t *ret_length);
void spdy_decompressor_free(struct spdy_decompressor *decompressor);

/* Where one is in a block. Begin with {.text, .length} and the rest 0. */
struct spdy_header_walk {
    const unsigned char *text;
    size_t length, at;
    uint32_t left; /* headers still to come */
    bool begun;
};

/* spdy_header_next - Return: 1 with the next header, 0 at the end, -1 when the block is malformed.
 */
int spdy_header_next(struct spdy_header_walk *walk, struct spdy_header *ret_header);

#endif
