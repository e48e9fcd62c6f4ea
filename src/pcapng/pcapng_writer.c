/* SPDX-License-Identifier: Apache-2.0 */
/* One function a block. A block is built in place in the output buffer, in one reservation. */
#include <string.h>

#include "base/error.h"
#include "common/pcapng.h"
#include "pcapng/writer.h"

#define NAMES_BLOCK (32u << 10) /* bytes of a Name Resolution Block, but for its last record */

/* A block under construction: at is where the next byte goes. */
struct block {
    uint8_t *start, *at;
};

static int no_room(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

/* Room an option takes, header and padding included. */
static size_t option_room(size_t length)
{
    return sizeof(struct pcapng_option) + PCAPNG_PAD4(length);
}

/* Option lengths are 16 bits: longer texts are cut. */
static size_t text_length(const char *text)
{
    return text ? strnlen(text, 0xfff0) : 0;
}

static void put(struct block *block, const void *bytes, size_t length)
{
    if (length > 0)
        memcpy(block->at, bytes, length);
    block->at += length;
    while ((size_t)(block->at - block->start) % 4)
        *block->at++ = 0;
}

static void put_option(struct block *block, uint16_t code, const void *value, size_t length)
{
    const struct pcapng_option head = {.code = code, .length = (uint16_t)length};

    put(block, &head, sizeof(head));
    put(block, value, length);
}

static void put_text(struct block *block, uint16_t code, const char *text)
{
    if (text && *text)
        put_option(block, code, text, text_length(text));
}

/* Closes the block and adds it to the output. @options: end them first. */
static void finish(struct capture_writer *writer, struct block *block, bool options)
{
    const struct pcapng_option end = {.code = PCAPNG_OPT_END};

    if (options)
        put(block, &end, sizeof(end));
    uint32_t length = (uint32_t)(block->at - block->start) + 4;
    put(block, &length, sizeof(length));
    memcpy(block->start + offsetof(struct pcapng_block_header, total_length), &length,
           sizeof(length));
    buf_added(writer->out, length);
}

static int begin(struct capture_writer *writer, const struct capture_section *section,
                 struct error *err)
{
    const struct pcapng_shb shb = {
        .type = PCAPNG_SHB,
        .byte_order_magic = PCAPNG_BYTE_ORDER_MAGIC,
        .major = 1,
        .section_length_low = -1,
        .section_length_high = -1,
    };
    size_t room = sizeof(shb) + option_room(text_length(section->comment)) +
                  option_room(text_length(section->application)) + option_room(0) + 4;
    struct block block = {.start = buf_reserve(writer->out, room)};

    block.at = block.start;
    if (!block.start)
        return no_room(err);
    put(&block, &shb, sizeof(shb));
    put_text(&block, PCAPNG_OPT_COMMENT, section->comment);
    put_text(&block, PCAPNG_SHB_USERAPPL, section->application);
    finish(writer, &block, true);
    return 0;
}

/* A filter in libpcap's words: kind 0. */
static void put_filter(struct block *block, const char *filter)
{
    const struct pcapng_option head = {.code = PCAPNG_IF_FILTER,
                                       .length = (uint16_t)(1 + text_length(filter))};

    if (!filter)
        return;
    put(block, &head, sizeof(head));
    *block->at++ = 0;
    put(block, filter, text_length(filter));
}

static int interface(struct capture_writer *writer, const struct capture_interface *interface,
                     struct error *err)
{
    const struct pcapng_idb idb = {
        .type = PCAPNG_IDB, .linktype = interface->linktype, .snaplen = interface->snaplen};
    const uint8_t resolution = 9;
    size_t room = sizeof(idb) + option_room(sizeof(interface->name)) +
                  option_room(text_length(interface->description)) +
                  option_room(text_length(interface->hardware)) +
                  option_room(1 + text_length(interface->filter)) + option_room(8) * 4 + 4;
    struct block block = {.start = buf_reserve(writer->out, room)};

    block.at = block.start;
    if (!block.start)
        return no_room(err);
    put(&block, &idb, sizeof(idb));
    put_text(&block, PCAPNG_IF_NAME, interface->name);
    put_text(&block, PCAPNG_IF_DESCRIPTION, interface->description);
    if (interface->has_mac)
        put_option(&block, PCAPNG_IF_MACADDR, interface->mac, sizeof(interface->mac));
    if (interface->speed)
        put_option(&block, PCAPNG_IF_SPEED, &interface->speed, sizeof(interface->speed));
    put_option(&block, PCAPNG_IF_TSRESOL, &resolution, sizeof(resolution));
    put_filter(&block, interface->filter);
    put_text(&block, PCAPNG_IF_HARDWARE, interface->hardware);
    finish(writer, &block, true);
    writer->interface_count++;
    return 0;
}

static int packet(struct capture_writer *writer, const struct capture_packet *packet,
                  struct error *err)
{
    const struct pcapng_epb epb = {
        .type = PCAPNG_EPB,
        .interface_id = packet->interface,
        .timestamp_high = (uint32_t)(packet->timestamp >> 32),
        .timestamp_low = (uint32_t)packet->timestamp,
        .captured_len = packet->captured_length,
        .original_len = packet->original_length,
    };
    size_t room = sizeof(epb) + PCAPNG_PAD4(packet->captured_length) + option_room(4) +
                  option_room(text_length(packet->comment)) + option_room(0) + 4;
    struct block block = {.start = buf_reserve(writer->out, room)};

    block.at = block.start;
    if (!block.start)
        return no_room(err);
    put(&block, &epb, sizeof(epb));
    put(&block, packet->data, packet->captured_length);
    if (packet->flags)
        put_option(&block, PCAPNG_EPB_FLAGS, &packet->flags, sizeof(packet->flags));
    put_text(&block, PCAPNG_OPT_COMMENT, packet->comment);
    finish(writer, &block, packet->flags || packet->comment);
    return 0;
}

static int statistics(struct capture_writer *writer, const struct capture_statistics *statistics,
                      struct error *err)
{
    const struct pcapng_isb isb = {
        .type = PCAPNG_ISB,
        .interface_id = statistics->interface,
        .timestamp_high = (uint32_t)(statistics->timestamp >> 32),
        .timestamp_low = (uint32_t)statistics->timestamp,
    };
    size_t room = sizeof(isb) + option_room(8) * 2 + option_room(text_length(statistics->comment)) +
                  option_room(0) + 4;
    struct block block = {.start = buf_reserve(writer->out, room)};

    block.at = block.start;
    if (!block.start)
        return no_room(err);
    put(&block, &isb, sizeof(isb));
    put_option(&block, PCAPNG_ISB_IFRECV, &statistics->received, sizeof(statistics->received));
    put_option(&block, PCAPNG_ISB_IFDROP, &statistics->dropped, sizeof(statistics->dropped));
    put_text(&block, PCAPNG_OPT_COMMENT, statistics->comment);
    finish(writer, &block, true);
    return 0;
}

/* ---- names ---- */

static size_t address_length(const struct capture_address *address)
{
    return address->v6 ? 16 : 4;
}

/* Return: the length of a name, its NUL included; 0: it is left out. */
static size_t name_length(const char *name)
{
    size_t length = strnlen(name, CAPTURE_HOST_MAX);

    return length > 0 && length < CAPTURE_HOST_MAX ? length + 1 : 0;
}

/* Return: bytes of all the names of an address. */
static size_t names_length(const struct capture_address *address)
{
    size_t length = 0;

    for (size_t i = 0; i < CAPTURE_NAMES_MAX && address->names[i]; i++)
        length += name_length(address->names[i]);
    return length;
}

static void put_names(struct block *block, const struct capture_address *address)
{
    const size_t names = names_length(address);
    const struct pcapng_option head = {.code = address->v6 ? PCAPNG_NRB_IPV6 : PCAPNG_NRB_IPV4,
                                       .length = (uint16_t)(address_length(address) + names)};

    if (names == 0)
        return;
    put(block, &head, sizeof(head));
    put(block, address->bytes, address_length(address));
    for (size_t i = 0; i < CAPTURE_NAMES_MAX && address->names[i]; i++) {
        size_t length = name_length(address->names[i]);

        memcpy(block->at, address->names[i], length);
        block->at += length;
    }
    put(block, NULL, 0); /* the padding */
}

static int names(struct capture_writer *writer, const struct capture_address *addresses,
                 size_t count, struct error *err)
{
    const struct pcapng_block_header head = {.type = PCAPNG_NRB};
    size_t room = sizeof(head) + option_room(0) + 4, taken = 0;

    for (; taken < count && room <= NAMES_BLOCK; taken++)
        room += option_room(address_length(&addresses[taken]) + names_length(&addresses[taken]));
    struct block block = {.start = buf_reserve(writer->out, room)};
    block.at = block.start;
    if (!block.start)
        return no_room(err);
    put(&block, &head, sizeof(head));
    for (size_t i = 0; i < taken; i++)
        put_names(&block, &addresses[i]);
    /* The end of the records looks as the end of options does, which need not follow. */
    finish(writer, &block, true);
    return (int)taken;
}

static int secrets(struct capture_writer *writer, const struct capture_secrets *secrets,
                   struct error *err)
{
    const struct pcapng_dsb dsb = {.type = PCAPNG_DSB,
                                   .secrets_type = PCAPNG_SECRETS_TLS,
                                   .secrets_length = (uint32_t)secrets->length};
    size_t room = sizeof(dsb) + PCAPNG_PAD4(secrets->length) + 4;
    struct block block = {.start = buf_reserve(writer->out, room)};

    block.at = block.start;
    if (!block.start)
        return no_room(err);
    put(&block, &dsb, sizeof(dsb));
    put(&block, secrets->lines, secrets->length);
    finish(writer, &block, false);
    return 0;
}

static size_t whole(const uint8_t *bytes, size_t length, bool at_start)
{
    size_t used = 0;

    (void)at_start;
    for (;;) {
        struct pcapng_block_header head;

        if (length - used < sizeof(head))
            return used;
        memcpy(&head, bytes + used, sizeof(head));
        if (head.total_length == 0 || head.total_length > length - used)
            return used;
        used += head.total_length;
    }
}

static size_t first(const uint8_t *bytes, size_t length, bool at_start, bool *ret_head)
{
    struct pcapng_block_header head;

    (void)at_start;
    if (length < sizeof(head))
        return length;
    memcpy(&head, bytes, sizeof(head));
    *ret_head = head.type != PCAPNG_EPB && head.type != PCAPNG_ISB;
    return head.total_length;
}

const struct capture_format capture_format_pcapng = {
    .name = "pcapng",
    .extension = ".pcapng",
    .begin = begin,
    .interface = interface,
    .packet = packet,
    .statistics = statistics,
    .names = names,
    .secrets = secrets,
    .whole = whole,
    .first = first,
};
