/* SPDX-License-Identifier: Apache-2.0 */
/* tcpdump's output. Source: draft-ietf-opsawg-pcap, sections 4 and 5; LINKTYPE_LINUX_SLL2:
 * https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "common/pcapng.h"
#include "pcapng/reader_table.h"

#define MAGIC_MICROSECONDS 0xa1b2c3d4u
#define MAGIC_NANOSECONDS  0xa1b23c4du

struct pcap_file_header {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t reserved[2];
    uint32_t snaplen;
    uint32_t linktype; /* upper bits: frame check sequence */
};

struct pcap_record_header {
    uint32_t seconds;
    uint32_t fraction; /* micro- or nanoseconds */
    uint32_t captured_length;
    uint32_t original_length;
};

static enum capture_item_kind read_file_header(struct capture_reader *reader,
                                               struct capture_interface *ret, struct error *err)
{
    struct pcap_file_header head;

    if (reader->bytes.length < sizeof(head))
        return CAPTURE_MORE;
    memcpy(&head, buf_bytes(&reader->bytes), sizeof(head));
    reader->swapped = head.magic == __builtin_bswap32(MAGIC_MICROSECONDS) ||
                      head.magic == __builtin_bswap32(MAGIC_NANOSECONDS);
    head.magic = reader_u32(reader, head.magic);
    if (head.magic != MAGIC_MICROSECONDS && head.magic != MAGIC_NANOSECONDS)
        return capture_malformed(err, "it does not begin with pcap's magic number");
    reader->nanoseconds = head.magic == MAGIC_NANOSECONDS;
    reader->linktype = (uint16_t)(reader_u32(reader, head.linktype) & 0xffff);
    /* Some link types have other numbers inside libpcap (DLT_RAW), which old files carry. */
    if (reader->linktype == 12 || reader->linktype == 14)
        reader->linktype = LINKTYPE_RAW;
    reader->started = true;
    *ret = (struct capture_interface){
        .linktype = reader->linktype,
        .snaplen = reader_u32(reader, head.snaplen),
    };
    snprintf(ret->name, sizeof(ret->name), "%s", reader->name);
    reader->taken = sizeof(head);
    reader->interface_count = 1;
    return CAPTURE_INTERFACE;
}

/* The direction stands in the cooked header: packet type 4 is "sent by us". */
static uint32_t direction(const struct capture_reader *reader, const uint8_t *data, uint32_t length)
{
    static const uint32_t received[] = {PCAPNG_FLAG_UNICAST, PCAPNG_FLAG_BROADCAST,
                                        PCAPNG_FLAG_MULTICAST, PCAPNG_FLAG_PROMISCUOUS};
    unsigned type;

    if (reader->linktype == LINKTYPE_LINUX_SLL2 && length >= 20)
        type = data[10];
    else if (reader->linktype == LINKTYPE_LINUX_SLL && length >= 16)
        type = (unsigned)data[0] << 8 | data[1];
    else
        return 0;
    if (type == 4)
        return PCAPNG_FLAG_OUTBOUND;
    return type < 4 ? PCAPNG_FLAG_INBOUND | received[type] : 0;
}

static enum capture_item_kind read_record(struct capture_reader *reader, struct capture_packet *ret,
                                          struct error *err)
{
    const uint8_t *bytes = buf_bytes(&reader->bytes);
    struct pcap_record_header head;

    if (reader->bytes.length < sizeof(head))
        return CAPTURE_MORE;
    memcpy(&head, bytes, sizeof(head));
    uint32_t captured = reader_u32(reader, head.captured_length);
    uint32_t original = reader_u32(reader, head.original_length);
    uint32_t fraction = reader_u32(reader, head.fraction);
    if (captured > CAPTURE_PACKET_MAX)
        return capture_malformed(err, "a packet of %u bytes", captured);
    if (fraction >= (reader->nanoseconds ? 1000000000u : 1000000u))
        return capture_malformed(err, "a time with %u parts of a second", fraction);
    if (captured > original)
        return capture_malformed(err, "%u bytes captured of a packet of %u", captured, original);
    if (reader->bytes.length < sizeof(head) + captured)
        return CAPTURE_MORE;
    *ret = (struct capture_packet){
        .timestamp = reader_u32(reader, head.seconds) * 1000000000ull +
                     fraction * (reader->nanoseconds ? 1u : 1000u),
        .captured_length = captured,
        .original_length = original,
        .flags = direction(reader, bytes + sizeof(head), captured),
        .data = bytes + sizeof(head),
    };
    reader->taken = sizeof(head) + captured;
    return CAPTURE_PACKET;
}

static enum capture_item_kind next(struct capture_reader *reader, struct capture_item *item,
                                   struct error *err)
{
    if (!reader->started || reader->again)
        return read_file_header(reader, &item->interface, err);
    return read_record(reader, &item->packet, err);
}

struct capture_reader *capture_reader_pcap(const char *interface_name)
{
    struct capture_reader *reader = capture_reader_new();

    if (!reader)
        return NULL;
    reader->next = next;
    snprintf(reader->name, sizeof(reader->name), "%s", interface_name);
    return reader;
}
