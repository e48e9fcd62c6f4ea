/* SPDX-License-Identifier: Apache-2.0 */
/* What the two readers share; for reader.c, pcapng_reader.c and pcap_reader.c only. */
#ifndef KSNIFF_PCAPNG_READER_TABLE_H
#define KSNIFF_PCAPNG_READER_TABLE_H

#include "base/buf.h"
#include "pcapng/reader.h"

#define READER_BLOCK_MAX (512u << 10) /* bytes: a packet of CAPTURE_PACKET_MAX with options */

struct capture_reader {
    /* Takes the next item from the front of reader->bytes. */
    enum capture_item_kind (*next)(struct capture_reader *reader, struct capture_item *item,
                                   struct error *err);
    struct buf bytes;
    size_t taken;  /* bytes of the item given last: dropped at the next call */
    bool segments; /* other sections follow */
    bool started;  /* the section's or file's header has been read */
    bool swapped;  /* the other byte order than this machine's */
    uint32_t interface_count;
    bool described; /* the item given last is an interface, */
    bool again;     /* and is to be given again: it is counted already */

    struct buf units; /* pcapng: of each interface a uint32_t, units of its time in a second */

    bool nanoseconds; /* pcap */
    uint16_t linktype;
    uint32_t snaplen;
    char name[CAPTURE_NAME_MAX];
};

struct capture_reader *capture_reader_new(void);

/* Numbers as they stand in the bytes. */
static inline uint16_t reader_u16(const struct capture_reader *reader, uint16_t value)
{
    return reader->swapped ? __builtin_bswap16(value) : value;
}

static inline uint32_t reader_u32(const struct capture_reader *reader, uint32_t value)
{
    return reader->swapped ? __builtin_bswap32(value) : value;
}

static inline uint64_t reader_u64(const struct capture_reader *reader, uint64_t value)
{
    return reader->swapped ? __builtin_bswap64(value) : value;
}

/* Fills in the error. Return: CAPTURE_MALFORMED. */
enum capture_item_kind capture_malformed(struct error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
