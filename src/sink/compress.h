/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compression of a file, by the ending of its name: bytes in, bytes out, no I/O. Each kind is one
 * file with a row in one table (compress.c).
 *
 * After a flush, everything given so far can be decompressed from what came out. Behind it a tail
 * of a few bytes makes the file whole; whoever goes on writing puts what comes next in its place.
 * So a file that is written up to a flush, with its tail, lacks nothing at any moment.
 *
 * Formats: RFC 1952 (gzip), RFC 8878 (Zstandard), lz4_Frame_format.md (LZ4). The last two are
 * written without a checksum of the content, which their libraries compute but do not tell.
 */
#ifndef KSNIFF_SINK_COMPRESS_H
#define KSNIFF_SINK_COMPRESS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define COMPRESS_TAIL_MAX 16 /* bytes */

struct error;

struct compression {
    const char *ending; /* of a file's name: ".gz" */
    /* Return: a state, whose head stands in @out; NULL: out of memory. */
    void *(*begin)(struct buf *out);
    /* Both return: 0, -1 when @out is full or there is no memory; it is of no use then. */
    int (*write)(void *state, const uint8_t *bytes, size_t length, struct buf *out);
    int (*flush)(void *state, struct buf *out);
    /* What ends the file behind the last flush. Return: its length, at most COMPRESS_TAIL_MAX. */
    size_t (*tail)(const void *state, uint8_t *tail);
    void (*free)(void *state);
};

extern const struct compression compression_gzip, compression_zstd, compression_lz4;

/* compression_of_file - by the ending of its name. Return: NULL when it has none of ours. */
const struct compression *compression_of_file(const char *path);

/* compression_bare_length - Return: the length of @path without that ending. */
size_t compression_bare_length(const char *path);

/* compression_check - is the ending one of a compression that is not ours? Return: 0; -1 with
 * ERROR_USAGE if so: the name would promise what the file does not hold. */
int compression_check(const char *path, struct error *err);

#endif
