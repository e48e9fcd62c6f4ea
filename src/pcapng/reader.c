/* SPDX-License-Identifier: Apache-2.0 */
#include "pcapng/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "pcapng/reader_table.h"

struct capture_reader *capture_reader_new(void)
{
    struct capture_reader *reader = calloc(1, sizeof(*reader));

    /* Twice a block: one that is not whole, and the bytes that come behind it in one feed. */
    if (!reader)
        return NULL;
    buf_init(&reader->bytes, 2 * READER_BLOCK_MAX);
    buf_init(&reader->units, CAPTURE_INTERFACES_MAX * sizeof(uint32_t));
    return reader;
}

void capture_reader_free(struct capture_reader *reader)
{
    if (!reader)
        return;
    buf_free(&reader->bytes);
    buf_free(&reader->units);
    free(reader);
}

int capture_reader_feed(struct capture_reader *reader, const void *bytes, size_t length)
{
    buf_take(&reader->bytes, reader->taken);
    reader->taken = 0;
    return buf_append(&reader->bytes, bytes, length) ? 0 : -1;
}

enum capture_item_kind capture_reader_next(struct capture_reader *reader,
                                           struct capture_item *ret_item, struct error *err)
{
    enum capture_item_kind kind;

    buf_take(&reader->bytes, reader->taken);
    reader->taken = 0;
    kind = reader->next(reader, ret_item, err);
    reader->described = kind == CAPTURE_INTERFACE;
    reader->again = false;
    return kind;
}

void capture_reader_unread(struct capture_reader *reader)
{
    reader->taken = 0;
    reader->again = reader->described;
}

size_t capture_reader_pending(const struct capture_reader *reader)
{
    return reader->bytes.length - reader->taken;
}

enum capture_item_kind capture_malformed(struct error *err, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    error_set(err, ERROR_PROTOCOL, "the agent sends what is no capture: %s", text);
    return CAPTURE_MALFORMED;
}
