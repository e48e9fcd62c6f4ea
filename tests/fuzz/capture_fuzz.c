/* SPDX-License-Identifier: Apache-2.0 */
/* What an agent or a tcpdump sends: the readers of pcapng and pcap, and both writers behind them.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/error.h"
#include "pcapng/reader.h"
#include "pcapng/writer.h"

struct output {
    struct capture_writer writer;
    struct buf buf;
    int failed; /* pcap takes one link type: what follows another is not written */
};

static void begin(struct output *output, const struct capture_format *format)
{
    const struct capture_section section = {.comment = "fuzz", .application = "fuzz"};
    struct error err;

    buf_init(&output->buf, 2 * CAPTURE_ITEM_ROOM);
    output->writer = (struct capture_writer){.format = format, .out = &output->buf};
    output->failed = format->begin(&output->writer, &section, &err) < 0;
}

static void write_item(struct output *output, enum capture_item_kind kind,
                       const struct capture_item *item)
{
    const struct capture_format *format = output->writer.format;
    struct error err;
    int result = 0;

    if (output->failed)
        return;
    if (kind == CAPTURE_INTERFACE)
        result = format->interface(&output->writer, &item->interface, &err);
    else if (kind == CAPTURE_PACKET)
        result = format->packet(&output->writer, &item->packet, &err);
    else if (kind == CAPTURE_SECRETS)
        result = format->secrets ? format->secrets(&output->writer, &item->secrets, &err) : 0;
    else if (kind == CAPTURE_STATISTICS)
        result = format->statistics(&output->writer, &item->statistics, &err);
    output->failed = result < 0;
    /* What was written is whole blocks. */
    if (output->buf.length > CAPTURE_ITEM_ROOM)
        buf_take(&output->buf, output->buf.length);
}

/* Return: 0, or -1 when there is nothing more to come. */
static int take_items(struct capture_reader *reader, struct output *outputs, int unread)
{
    struct capture_item item;
    struct error err;

    for (;;) {
        enum capture_item_kind kind = capture_reader_next(reader, &item, &err);

        if (kind == CAPTURE_MORE)
            return 0;
        if (kind == CAPTURE_MALFORMED)
            return -1;
        if (unread && (kind == CAPTURE_PACKET || kind == CAPTURE_STATISTICS)) {
            capture_reader_unread(reader);
            if (capture_reader_next(reader, &item, &err) != kind)
                abort();
        }
        write_item(&outputs[0], kind, &item);
        write_item(&outputs[1], kind, &item);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct output outputs[2] = {0};

    if (size < 2)
        return 0;
    struct capture_reader *reader = data[1] & 1   ? capture_reader_pcap("any")
                                    : data[1] & 4 ? capture_reader_segments()
                                                  : capture_reader_pcapng();
    begin(&outputs[0], &capture_format_pcapng);
    begin(&outputs[1], &capture_format_pcap);
    for (size_t at = 2, piece; at < size; at += piece) {
        piece = fuzz_cut(data, size, at);
        if (capture_reader_feed(reader, data + at, piece) < 0 ||
            take_items(reader, outputs, data[1] & 2) < 0)
            break;
    }
    capture_reader_free(reader);
    buf_free(&outputs[0].buf);
    buf_free(&outputs[1].buf);
    return 0;
}
