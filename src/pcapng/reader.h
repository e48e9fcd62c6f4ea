/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads what an agent sends: bytes in, checked items out. The agent runs where its output may be
 * tampered with, so every length, type and interface is checked against what was announced; the
 * worst that a hostile one achieves is CAPTURE_MALFORMED. No I/O here.
 *
 * Source: draft-ietf-opsawg-pcapng (see common/pcapng.h); classic pcap: draft-ietf-opsawg-pcap.
 */
#ifndef KSNIFF_PCAPNG_READER_H
#define KSNIFF_PCAPNG_READER_H

#include <stddef.h>

#include "pcapng/item.h"

struct error;
struct capture_reader;

/*
 * capture_reader_pcapng - for the agent's output: one section, of either byte order
 * capture_reader_segments - for what was recorded: sections behind each other, whose comments say
 * their numbers, and which begin with a CAPTURE_SEGMENT
 * capture_reader_pcap - for tcpdump's: classic pcap of any byte order, micro- or nanoseconds
 * @interface_name: tcpdump does not say what it captures on
 *
 * Return: a reader owned by the caller, NULL when out of memory.
 */
struct capture_reader *capture_reader_pcapng(void);
struct capture_reader *capture_reader_segments(void);
struct capture_reader *capture_reader_pcap(const char *interface_name);
void capture_reader_free(struct capture_reader *reader);

/* capture_reader_feed - give it bytes. Take all items out between two calls: the reader holds at
 * most one block that is not whole. Return: 0, or -1 when out of memory. */
int capture_reader_feed(struct capture_reader *reader, const void *bytes, size_t length);

/* capture_reader_next - Return: what @ret_item is now; nothing else of it is touched. */
enum capture_item_kind capture_reader_next(struct capture_reader *reader,
                                           struct capture_item *ret_item, struct error *err);

/* capture_reader_unread - the item given last will be given again; not where a segment begins. */
void capture_reader_unread(struct capture_reader *reader);

/* capture_reader_pending - bytes of a block that is not whole yet. */
size_t capture_reader_pending(const struct capture_reader *reader);

#endif
