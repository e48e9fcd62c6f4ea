/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "common/agent.h"
#include "common/pcapng.h"
#include "common/recording.h"
#include "pcapng/reader_table.h"

#define NANOSECONDS 1000000000u

/* One option of a block; value points into the block. */
struct option {
    uint16_t code;
    uint16_t length;
    const uint8_t *value;
};

/*
 * Takes the option at *at. Return: 1 with the option, 0 at the end of the options, -1 when an
 * option reaches out of the block.
 */
static int next_option(const struct capture_reader *reader, const uint8_t **at, const uint8_t *end,
                       struct option *option)
{
    struct pcapng_option head;

    if ((size_t)(end - *at) < sizeof(head))
        return *at == end ? 0 : -1;
    memcpy(&head, *at, sizeof(head));
    head.code = reader_u16(reader, head.code);
    head.length = reader_u16(reader, head.length);
    *at += sizeof(head);
    if (head.code == PCAPNG_OPT_END)
        return 0;
    if (PCAPNG_PAD4((size_t)head.length) > (size_t)(end - *at))
        return -1;
    *option = (struct option){.code = head.code, .length = head.length, .value = *at};
    *at += PCAPNG_PAD4((size_t)head.length);
    return 1;
}

static void copy_text(char *out, size_t size, const struct option *option)
{
    size_t length = strnlen((const char *)option->value, option->length);

    if (length >= size)
        length = size - 1;
    memcpy(out, option->value, length);
    out[length] = '\0';
}

/* What the agent looks for its own stream by says nothing to anybody else. */
static bool is_mark(const struct option *option)
{
    static const char prefix[] = AGENT_MARK_PREFIX;

    return option->length >= sizeof(prefix) - 1 &&
           memcmp(option->value, prefix, sizeof(prefix) - 1) == 0;
}

static uint64_t number(const struct capture_reader *reader, const struct option *option)
{
    uint64_t value = 0;

    if (option->length == sizeof(value))
        memcpy(&value, option->value, sizeof(value));
    return reader_u64(reader, value);
}

/* Copies the fixed part of a block into its struct, which consists of 32-bit numbers. */
static void copy_words(const struct capture_reader *reader, void *out, const uint8_t *block,
                       size_t size)
{
    uint32_t *words = out;

    memcpy(out, block, size);
    for (size_t i = 0; reader->swapped && i < size / sizeof(*words); i++)
        words[i] = __builtin_bswap32(words[i]);
}

/* Return: is the option the comment that says a segment's number? */
static bool read_segment_number(const struct option *option, uint64_t *ret_number)
{
    static const char prefix[] = RECORDING_SEGMENT_PREFIX;
    const size_t before = sizeof(prefix) - 1;
    uint64_t number = 0;

    if (option->code != PCAPNG_OPT_COMMENT || option->length <= before ||
        option->length > before + RECORDING_SEGMENT_DIGITS ||
        memcmp(option->value, prefix, before) != 0)
        return false;
    for (size_t i = before; i < option->length; i++) {
        unsigned digit = option->value[i] - (unsigned)'0';

        if (digit > 9)
            return false;
        number = 10 * number + digit;
    }
    *ret_number = number;
    return true;
}

/* What begins with a section's header, where others follow. */
static enum capture_item_kind begin_segment(struct capture_reader *reader, const uint8_t *block,
                                            size_t length, struct capture_segment *ret,
                                            struct error *err)
{
    const uint8_t *at = block + sizeof(struct pcapng_shb), *end = block + length - 4;
    struct option option;
    bool numbered = false;
    int found;

    while ((found = next_option(reader, &at, end, &option)) > 0)
        numbered |= read_segment_number(&option, &ret->number);
    if (found < 0)
        return capture_malformed(err, "an option reaches out of its section header");
    if (!numbered)
        return capture_malformed(err, "a segment without a number");
    reader->interface_count = 0;
    buf_take(&reader->units, reader->units.length);
    return CAPTURE_SEGMENT;
}

static enum capture_item_kind read_section(struct capture_reader *reader, const uint8_t *block,
                                           size_t length, struct capture_segment *ret,
                                           struct error *err)
{
    struct pcapng_shb shb;

    if (length < sizeof(shb) + 4)
        return capture_malformed(err, "a section header of %zu bytes", length);
    memcpy(&shb, block, sizeof(shb));
    if (reader->started && !reader->segments)
        return capture_malformed(err, "a second section");
    if (reader_u16(reader, shb.major) != 1)
        return capture_malformed(err, "pcapng version %u", reader_u16(reader, shb.major));
    reader->started = true;
    return reader->segments ? begin_segment(reader, block, length, ret, err) : CAPTURE_MORE;
}

/* Return: false when out of memory. */
static bool count_interface(struct capture_reader *reader, uint32_t units)
{
    if (reader->again)
        return true;
    if (!buf_append(&reader->units, &units, sizeof(units)))
        return false;
    reader->interface_count++;
    return true;
}

static enum capture_item_kind read_interface(struct capture_reader *reader, const uint8_t *block,
                                             size_t length, struct capture_interface *ret,
                                             struct error *err)
{
    const uint8_t *at = block + sizeof(struct pcapng_idb), *end = block + length - 4;
    struct capture_interface interface = {0};
    struct option option;
    struct pcapng_idb idb;
    uint32_t units = 1000000;
    int found;

    if (length < sizeof(idb) + 4)
        return capture_malformed(err, "an interface description of %zu bytes", length);
    if (reader->interface_count == CAPTURE_INTERFACES_MAX && !reader->again)
        return capture_malformed(err, "more than %u interfaces", CAPTURE_INTERFACES_MAX);
    memcpy(&idb, block, sizeof(idb));
    interface.linktype = reader_u16(reader, idb.linktype);
    interface.snaplen = reader_u32(reader, idb.snaplen);
    while ((found = next_option(reader, &at, end, &option)) > 0) {
        if (option.code == PCAPNG_IF_NAME) {
            copy_text(interface.name, sizeof(interface.name), &option);
        } else if (option.code == PCAPNG_IF_MACADDR && option.length == sizeof(interface.mac)) {
            interface.has_mac = true;
            memcpy(interface.mac, option.value, sizeof(interface.mac));
        } else if (option.code == PCAPNG_IF_HARDWARE) {
            copy_text(interface.hardware, sizeof(interface.hardware), &option);
        } else if (option.code == PCAPNG_IF_SPEED) {
            interface.speed = number(reader, &option);
        } else if (option.code == PCAPNG_IF_TSRESOL && option.length == 1) {
            units = option.value[0] == 9 ? NANOSECONDS : option.value[0] == 6 ? 1000000 : 0;
        }
    }
    if (found < 0)
        return capture_malformed(err, "an option reaches out of its interface description");
    if (units == 0)
        return capture_malformed(err, "a time resolution other than 6 or 9");
    if (!count_interface(reader, units)) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return CAPTURE_MALFORMED;
    }
    *ret = interface;
    return CAPTURE_INTERFACE;
}

/* Return: nanoseconds since 1970. */
static uint64_t timestamp(const struct capture_reader *reader, uint32_t interface, uint32_t high,
                          uint32_t low)
{
    uint64_t time = (uint64_t)high << 32 | low;
    uint32_t units;

    memcpy(&units, buf_bytes(&reader->units) + interface * sizeof(units), sizeof(units));
    return time * (NANOSECONDS / units);
}

static enum capture_item_kind read_packet(struct capture_reader *reader, const uint8_t *block,
                                          size_t length, struct capture_packet *ret,
                                          struct error *err)
{
    const uint8_t *end = block + length - 4;
    struct option option;
    struct pcapng_epb epb;
    uint32_t flags = 0;
    int found;

    if (length < sizeof(epb) + 4)
        return capture_malformed(err, "a packet block of %zu bytes", length);
    copy_words(reader, &epb, block, sizeof(epb));
    if (epb.interface_id >= reader->interface_count)
        return capture_malformed(err, "a packet of interface %u, which is not described",
                                 epb.interface_id);
    if (epb.captured_len > CAPTURE_PACKET_MAX ||
        PCAPNG_PAD4(epb.captured_len) > length - sizeof(epb) - 4)
        return capture_malformed(err, "a packet of %u bytes in a block of %zu", epb.captured_len,
                                 length);
    if (epb.captured_len > epb.original_len)
        return capture_malformed(err, "%u bytes captured of a packet of %u", epb.captured_len,
                                 epb.original_len);
    const uint8_t *at = block + sizeof(epb) + PCAPNG_PAD4(epb.captured_len);
    while ((found = next_option(reader, &at, end, &option)) > 0)
        if (option.code == PCAPNG_EPB_FLAGS && option.length == sizeof(flags))
            memcpy(&flags, option.value, sizeof(flags));
    if (found < 0)
        return capture_malformed(err, "an option reaches out of its packet block");
    *ret = (struct capture_packet){
        .interface = epb.interface_id,
        .timestamp = timestamp(reader, epb.interface_id, epb.timestamp_high, epb.timestamp_low),
        .captured_length = epb.captured_len,
        .original_length = epb.original_len,
        .flags = reader_u32(reader, flags),
        .data = block + sizeof(epb),
    };
    return CAPTURE_PACKET;
}

static enum capture_item_kind read_statistics(struct capture_reader *reader, const uint8_t *block,
                                              size_t length, struct capture_statistics *ret,
                                              struct error *err)
{
    const uint8_t *at = block + sizeof(struct pcapng_isb), *end = block + length - 4;
    struct option option;
    struct pcapng_isb isb;
    int found;

    if (length < sizeof(isb) + 4)
        return capture_malformed(err, "interface statistics of %zu bytes", length);
    copy_words(reader, &isb, block, sizeof(isb));
    if (isb.interface_id >= reader->interface_count)
        return capture_malformed(err, "statistics of interface %u, which is not described",
                                 isb.interface_id);
    *ret = (struct capture_statistics){
        .interface = isb.interface_id,
        .timestamp = timestamp(reader, isb.interface_id, isb.timestamp_high, isb.timestamp_low),
    };
    uint64_t if_dropped = 0, os_dropped = 0;
    while ((found = next_option(reader, &at, end, &option)) > 0) {
        if (option.code == PCAPNG_ISB_IFRECV)
            ret->received = number(reader, &option);
        else if (option.code == PCAPNG_ISB_IFDROP)
            if_dropped = number(reader, &option);
        else if (option.code == PCAPNG_ISB_OSDROP)
            os_dropped = number(reader, &option);
        else if (option.code == PCAPNG_ISB_ENDTIME)
            ret->last = true;
        else if (option.code == PCAPNG_OPT_COMMENT && !is_mark(&option))
            copy_text(ret->comment, sizeof(ret->comment), &option);
    }
    if (found < 0)
        return capture_malformed(err, "an option reaches out of its statistics");
    /* The same packets may be counted under both names. */
    ret->dropped = if_dropped > os_dropped ? if_dropped : os_dropped;
    return CAPTURE_STATISTICS;
}

/* Those of other protocols are passed over. */
static enum capture_item_kind read_secrets(const struct capture_reader *reader,
                                           const uint8_t *block, size_t length,
                                           struct capture_secrets *ret, struct error *err)
{
    struct pcapng_dsb dsb;

    if (length < sizeof(dsb) + 4)
        return capture_malformed(err, "a block of secrets of %zu bytes", length);
    copy_words(reader, &dsb, block, sizeof(dsb));
    if (dsb.secrets_length > length - sizeof(dsb) - 4)
        return capture_malformed(err, "%u bytes of secrets in a block of %zu", dsb.secrets_length,
                                 length);
    *ret = (struct capture_secrets){.lines = (const char *)block + sizeof(dsb),
                                    .length = dsb.secrets_length};
    return dsb.secrets_type == PCAPNG_SECRETS_TLS ? CAPTURE_SECRETS : CAPTURE_MORE;
}

/*
 * The first block tells the byte order of all; its type is the same in both, and must be read
 * before its length. Return: 1; 0: more bytes are needed; -1: with the error, it is no section.
 */
static int find_byte_order(struct capture_reader *reader, const uint8_t *bytes, size_t length,
                           struct error *err)
{
    struct pcapng_shb shb;

    if (length < sizeof(shb.type))
        return 0;
    memcpy(&shb.type, bytes, sizeof(shb.type));
    if (shb.type != PCAPNG_SHB) {
        capture_malformed(err, "it does not begin with a section header");
        return -1;
    }
    if (length < offsetof(struct pcapng_shb, major))
        return 0;
    memcpy(&shb, bytes, offsetof(struct pcapng_shb, major));
    reader->swapped = shb.byte_order_magic == __builtin_bswap32(PCAPNG_BYTE_ORDER_MAGIC);
    if (!reader->swapped && shb.byte_order_magic != PCAPNG_BYTE_ORDER_MAGIC) {
        capture_malformed(err, "a section in no byte order: 0x%08x", shb.byte_order_magic);
        return -1;
    }
    return 1;
}

/* A section may have another byte order than the one before it; its type is the same in both. */
static bool begins_section(const struct capture_reader *reader, const uint8_t *bytes, size_t length)
{
    uint32_t type = 0;

    if (length >= sizeof(type))
        memcpy(&type, bytes, sizeof(type));
    return !reader->started || (reader->segments && type == PCAPNG_SHB);
}

/* Checks the frame around a block at the front. Return: its length; 0: it is not whole yet; -1:
 * with the error, it is none. */
static long whole_block(struct capture_reader *reader, const uint8_t *bytes, size_t length,
                        struct error *err)
{
    struct pcapng_block_header head;
    uint32_t trailer;
    int found =
        begins_section(reader, bytes, length) ? find_byte_order(reader, bytes, length, err) : 1;

    if (found <= 0 || length < sizeof(head))
        return found < 0 ? -1 : 0;
    copy_words(reader, &head, bytes, sizeof(head));
    if (head.total_length < 12 || head.total_length % 4 != 0 ||
        head.total_length > READER_BLOCK_MAX) {
        capture_malformed(err, "a block of %u bytes", head.total_length);
        return -1;
    }
    if (length < head.total_length)
        return 0;
    memcpy(&trailer, bytes + head.total_length - 4, sizeof(trailer));
    trailer = reader_u32(reader, trailer);
    if (trailer != head.total_length) {
        capture_malformed(err, "a block with two lengths, %u and %u", head.total_length, trailer);
        return -1;
    }
    return (long)head.total_length;
}

static enum capture_item_kind next(struct capture_reader *reader, struct capture_item *item,
                                   struct error *err)
{
    for (;;) {
        const uint8_t *block = buf_bytes(&reader->bytes);
        long whole = whole_block(reader, block, reader->bytes.length, err);
        enum capture_item_kind kind = CAPTURE_MORE;
        size_t length = (size_t)whole;
        uint32_t type;

        if (whole <= 0)
            return whole < 0 ? CAPTURE_MALFORMED : CAPTURE_MORE;
        copy_words(reader, &type, block, sizeof(type));
        if (type == PCAPNG_SHB)
            kind = read_section(reader, block, length, &item->segment, err);
        else if (type == PCAPNG_IDB)
            kind = read_interface(reader, block, length, &item->interface, err);
        else if (type == PCAPNG_EPB)
            kind = read_packet(reader, block, length, &item->packet, err);
        else if (type == PCAPNG_ISB)
            kind = read_statistics(reader, block, length, &item->statistics, err);
        else if (type == PCAPNG_DSB)
            kind = read_secrets(reader, block, length, &item->secrets, err);
        else
            return capture_malformed(err, "a block of type 0x%08x", type);
        if (kind != CAPTURE_MORE) {
            reader->taken = length;
            return kind;
        }
        buf_take(&reader->bytes, length);
    }
}

struct capture_reader *capture_reader_pcapng(void)
{
    struct capture_reader *reader = capture_reader_new();

    if (reader)
        reader->next = next;
    return reader;
}

struct capture_reader *capture_reader_segments(void)
{
    struct capture_reader *reader = capture_reader_pcapng();

    if (reader)
        reader->segments = true;
    return reader;
}
