/* SPDX-License-Identifier: Apache-2.0 */
/* How fast the client handles blocks: a stream of 512-byte packets through reader and writer. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "pcapng/reader.h"
#include "pcapng/writer.h"

#define PIECE (16u << 10) /* bytes a TLS record brings */
#define TOTAL (4ull << 30)

/* Takes every item out of the reader and writes it. Return: packets. */
static unsigned long pump(struct capture_reader *reader, struct capture_writer *writer)
{
    struct capture_item item;
    struct error err;
    unsigned long packets = 0;

    for (;;) {
        switch (capture_reader_next(reader, &item, &err)) {
        case CAPTURE_INTERFACE:
            writer->format->interface(writer, &item.interface, &err);
            break;
        case CAPTURE_PACKET:
            packets += writer->format->packet(writer, &item.packet, &err) == 0;
            break;
        default:
            return packets;
        }
        if (writer->out->length > (512u << 10))
            buf_take(writer->out, writer->out->length);
    }
}

int main(void)
{
    static const struct capture_section section = {.comment = "bench"};
    static unsigned char data[512];
    struct capture_interface interface = {.linktype = 1, .snaplen = 262144, .name = "eth0"};
    struct capture_packet packet = {
        .captured_length = sizeof(data), .original_length = sizeof(data), .flags = 1, .data = data};
    struct timespec start, end;
    struct buf stream, out;
    struct error err;
    unsigned long packets = 0;
    unsigned long long bytes = 0;

    buf_init(&stream, 8u << 20);
    buf_init(&out, 2u << 20);
    struct capture_writer maker = {.format = &capture_format_pcapng, .out = &stream};
    maker.format->begin(&maker, &section, &err);
    maker.format->interface(&maker, &interface, &err);
    size_t head = stream.length;
    while (stream.length < (4u << 20))
        maker.format->packet(&maker, &packet, &err);

    struct capture_reader *reader = capture_reader_pcapng();
    struct capture_writer writer = {.format = &capture_format_pcapng, .out = &out};
    capture_reader_feed(reader, buf_bytes(&stream), head);
    pump(reader, &writer);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    while (bytes < TOTAL) {
        for (size_t at = head; at < stream.length; at += PIECE) {
            size_t piece = stream.length - at < PIECE ? stream.length - at : PIECE;

            capture_reader_feed(reader, buf_bytes(&stream) + at, piece);
            packets += pump(reader, &writer);
        }
        bytes += stream.length - head;
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    double seconds =
        (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
    printf("block handling: %.2f GB/s a core, %.1f million packets of 512 bytes a second\n",
           (double)bytes / 1e9 / seconds, (double)packets / 1e6 / seconds);
    capture_reader_free(reader);
    buf_free(&stream);
    buf_free(&out);
    return 0;
}
