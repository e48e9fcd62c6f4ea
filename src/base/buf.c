/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *buf, size_t maximum)
{
    *buf = (struct buf){.maximum = maximum};
}

void buf_free(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){.maximum = buf->maximum};
}

/* One byte more than the maximum is allowed for, so that buf_string() always has its NUL. */
static bool grow(struct buf *buf, size_t needed)
{
    size_t capacity = buf->capacity ? buf->capacity : 256;

    while (capacity < needed)
        capacity *= 2;
    if (capacity > buf->maximum + 1)
        capacity = buf->maximum + 1;
    unsigned char *data = realloc(buf->data, capacity);
    if (!data)
        return false;
    buf->data = data;
    buf->capacity = capacity;
    return true;
}

static unsigned char *reserve(struct buf *buf, size_t size, size_t maximum)
{
    if (size > maximum || buf->length > maximum - size)
        return NULL;
    if (buf->start + buf->length + size > buf->capacity && buf->start > 0) {
        memmove(buf->data, buf->data + buf->start, buf->length);
        buf->start = 0;
    }
    if (buf->length + size > buf->capacity && !grow(buf, buf->length + size))
        return NULL;
    return buf->data + buf->start + buf->length;
}

unsigned char *buf_reserve(struct buf *buf, size_t size)
{
    return reserve(buf, size, buf->maximum);
}

void buf_added(struct buf *buf, size_t size)
{
    buf->length += size;
}

bool buf_append(struct buf *buf, const void *data, size_t size)
{
    if (size == 0)
        return true;
    unsigned char *room = buf_reserve(buf, size);

    if (!room)
        return false;
    memcpy(room, data, size);
    buf->length += size;
    return true;
}

bool buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args, again;
    bool fits = false;

    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    if (length >= 0) {
        char *room = (char *)reserve(buf, (size_t)length + 1, buf->maximum + 1);

        if (room) {
            vsnprintf(room, (size_t)length + 1, format, again);
            buf->length += (size_t)length;
            fits = true;
        }
    }
    va_end(again);
    va_end(args);
    return fits;
}

void buf_take(struct buf *buf, size_t size)
{
    if (size >= buf->length) {
        buf->start = buf->length = 0;
        return;
    }
    buf->start += size;
    buf->length -= size;
}

const char *buf_string(struct buf *buf)
{
    unsigned char *end = reserve(buf, 1, buf->maximum + 1);

    if (!end)
        return NULL;
    *end = '\0';
    return (const char *)buf_bytes(buf);
}
