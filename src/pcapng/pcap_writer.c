/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classic pcap with nanoseconds: one link type a file, no interfaces, no comments.
 * Source: draft-ietf-opsawg-pcap, sections 4 and 5.
 */
#include <string.h>

#include "base/error.h"
#include "pcapng/writer.h"

#define MAGIC_NANOSECONDS 0xa1b23c4du

struct file_header {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t reserved[2];
    uint32_t snaplen;
    uint32_t linktype;
};

struct record_header {
    uint32_t seconds, nanoseconds, captured_length, original_length;
};

/* The header names the link type: it waits for the first interface. */
static int begin(struct capture_writer *writer, const struct capture_section *section,
                 struct error *err)
{
    (void)writer;
    (void)section;
    (void)err;
    return 0;
}

static int interface(struct capture_writer *writer, const struct capture_interface *interface,
                     struct error *err)
{
    const struct file_header head = {
        .magic = MAGIC_NANOSECONDS,
        .major = 2,
        .minor = 4,
        .snaplen = CAPTURE_PACKET_MAX,
        .linktype = interface->linktype,
    };

    /* The first decides: the header is written long before a second type may turn up. */
    if (writer->interface_count++ > 0)
        return writer->linktype != interface->linktype;
    writer->linktype = interface->linktype;
    if (!buf_append(writer->out, &head, sizeof(head)))
        return error_set(err, ERROR_INTERNAL, "out of memory");
    return 0;
}

static int packet(struct capture_writer *writer, const struct capture_packet *packet,
                  struct error *err)
{
    const struct record_header head = {
        .seconds = (uint32_t)(packet->timestamp / 1000000000u),
        .nanoseconds = (uint32_t)(packet->timestamp % 1000000000u),
        .captured_length = packet->captured_length,
        .original_length = packet->original_length,
    };
    unsigned char *room = buf_reserve(writer->out, sizeof(head) + packet->captured_length);

    if (!room)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    memcpy(room, &head, sizeof(head));
    if (packet->captured_length)
        memcpy(room + sizeof(head), packet->data, packet->captured_length);
    buf_added(writer->out, sizeof(head) + packet->captured_length);
    return 0;
}

static int statistics(struct capture_writer *writer, const struct capture_statistics *statistics,
                      struct error *err)
{
    (void)writer;
    (void)statistics;
    (void)err;
    return 0;
}

static size_t whole(const uint8_t *bytes, size_t length, bool at_start)
{
    size_t used = at_start ? sizeof(struct file_header) : 0;

    if (length < used)
        return 0;
    for (;;) {
        struct record_header head;

        if (length - used < sizeof(head))
            return used;
        memcpy(&head, bytes + used, sizeof(head));
        if (length - used - sizeof(head) < head.captured_length)
            return used;
        used += sizeof(head) + head.captured_length;
    }
}

static size_t first(const uint8_t *bytes, size_t length, bool at_start, bool *ret_head)
{
    struct record_header head;

    *ret_head = at_start;
    if (at_start || length < sizeof(head))
        return at_start ? sizeof(struct file_header) : length;
    memcpy(&head, bytes, sizeof(head));
    return sizeof(head) + head.captured_length;
}

const struct capture_format capture_format_pcap = {
    .name = "pcap",
    .extension = ".pcap",
    .begin = begin,
    .interface = interface,
    .packet = packet,
    .statistics = statistics,
    .whole = whole,
    .first = first,
};
