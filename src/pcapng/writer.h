/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capture formats: items in, whole blocks out, into a bounded buffer that somebody else empties.
 * Formats are rows of one table; nobody else tells them apart.
 */
#ifndef KSNIFF_PCAPNG_WRITER_H
#define KSNIFF_PCAPNG_WRITER_H

#include <stddef.h>

#include "base/buf.h"
#include "pcapng/item.h"

struct error;

struct capture_section {
    const char *comment;     /* one or several lines */
    const char *application; /* shb_userappl */
};

struct capture_writer {
    const struct capture_format *format;
    struct buf *out;
    uint32_t interface_count;
    uint16_t linktype; /* pcap: the one that the file has */
};

/* Each function appends whole blocks, or nothing. Return: 0; -1 with the error. */
struct capture_format {
    const char *name;      /* as --format takes it */
    const char *extension; /* of files: ".pcap" */
    int (*begin)(struct capture_writer *writer, const struct capture_section *section,
                 struct error *err);
    /* The interface gets the next index. Return: also 1: the file cannot hold its packets, which
     * are not to be given. */
    int (*interface)(struct capture_writer *writer, const struct capture_interface *interface,
                     struct error *err);
    int (*packet)(struct capture_writer *writer, const struct capture_packet *packet,
                  struct error *err);
    int (*statistics)(struct capture_writer *writer, const struct capture_statistics *statistics,
                      struct error *err);
    /* Names of addresses, for the packets that follow: one block, of the first of them. NULL: the
     * format has none. A name of CAPTURE_HOST_MAX or more bytes is left out. Return: how many
     * addresses are in the block, at least 1. */
    int (*names)(struct capture_writer *writer, const struct capture_address *addresses,
                 size_t count, struct error *err);
    /* Secrets of TLS, for the packets that follow: one block. NULL: the format has none. */
    int (*secrets)(struct capture_writer *writer, const struct capture_secrets *secrets,
                   struct error *err);
    /* Of @length bytes written: how many are whole blocks? @at_start: they begin the file. */
    size_t (*whole)(const uint8_t *bytes, size_t length, bool at_start);
    /* Of @length bytes of whole blocks: how long is the first? @ret_head: what stands behind it
     * cannot be read, or not as well, without it. */
    size_t (*first)(const uint8_t *bytes, size_t length, bool at_start, bool *ret_head);
};

extern const struct capture_format capture_format_pcapng;
extern const struct capture_format capture_format_pcap; /* nanosecond pcap */

/* capture_format_find - by name, or by how the first @length bytes of a file's name end. Return:
 * NULL when unknown. */
const struct capture_format *capture_format_find(const char *name);
const struct capture_format *capture_format_of_file(const char *path, size_t length);

/* Room that one item may take at most: check it before giving an item. */
#define CAPTURE_ITEM_ROOM (CAPTURE_PACKET_MAX + 8192)

#endif
