/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sink's file that is compressed (compress.h).
 *
 * What is given is compressed at once, and reaches the file together with all before it once a
 * second, or when it has become much. The tail stands behind it, and is overwritten by what
 * follows: so the file is whole at every moment but during one write, and if that was cut, as by a
 * SIGKILL, it can be read up to where the write began.
 */
#ifndef KSNIFF_SINK_COMPRESSED_H
#define KSNIFF_SINK_COMPRESSED_H

#include <stdint.h>

struct buf;
struct error;
struct sink;

/* compressed_begin - its file has been opened, its compression and its loop are set. */
int compressed_begin(struct sink *sink, struct error *err);

/* compressed_write - take all of @bytes. On failure the file ends with the last flush. */
int compressed_write(struct sink *sink, struct buf *bytes, struct error *err);

/* compressed_flush - bring what was taken into the file. The same. */
int compressed_flush(struct sink *sink, struct error *err);

/* compressed_size - bytes that the file has when all that was taken is in it, at most. */
uint64_t compressed_size(const struct sink *sink);

void compressed_free(struct sink *sink);

#endif
