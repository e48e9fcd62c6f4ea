/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable byte buffer with a queue's two ends: bytes are added behind and taken from the front.
 *
 * Invariants: the unread bytes are data[start .. start + length); capacity never exceeds the
 * maximum given to buf_init(), whatever the peer sends. Callers may read data through buf_bytes()
 * until the next call that changes the buffer.
 */
#ifndef KSNIFF_BASE_BUF_H
#define KSNIFF_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    unsigned char *data;
    size_t start;    /* bytes already taken from the front */
    size_t length;   /* unread bytes */
    size_t capacity; /* bytes allocated */
    size_t maximum;  /* most unread bytes it may ever hold */
};

/* buf_init - an empty buffer; allocates nothing yet. Release with buf_free(). */
void buf_init(struct buf *buf, size_t maximum);
void buf_free(struct buf *buf);
#define cleanup_buf CLEANUP(buf_free)

static inline const unsigned char *buf_bytes(const struct buf *buf)
{
    return buf->data + buf->start;
}

/*
 * buf_reserve - make room for @size more bytes behind
 *
 * Return: where to put them (then call buf_added()), or NULL when that would pass the maximum or
 * there is no memory.
 */
unsigned char *buf_reserve(struct buf *buf, size_t size);

/* buf_added - @size bytes of the reserved room hold data now. */
void buf_added(struct buf *buf, size_t size);

/* buf_append - copy @size bytes behind. Return: false when they do not fit (nothing is added). */
bool buf_append(struct buf *buf, const void *data, size_t size);

/* buf_printf - append text without its NUL. Return: false when it does not fit. */
bool buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* buf_take - drop @size bytes, at most all, from the front. */
void buf_take(struct buf *buf, size_t size);

/* buf_string - the unread bytes as a C string (a NUL is put behind them). Return: NULL when full.
 */
const char *buf_string(struct buf *buf);

#endif
