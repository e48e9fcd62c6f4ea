/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --dedup: of a packet that is seen at several interfaces the first is kept. Packets come in the
 * order of time. No I/O.
 *
 * The same packet is what is equal but for what changes on its way (capture/identity.h), comes from
 * the same address and port or goes to the same (both, where nothing in it is a number of its own),
 * and is seen at another interface within half a second. What is seen at one interface again was
 * sent again: it is kept, and so is the first of each interface's like it. What is no IP packet is
 * kept.
 */
#ifndef KSNIFF_CAPTURE_DEDUP_H
#define KSNIFF_CAPTURE_DEDUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/siphash.h"

struct capture_packet;
struct dedup_entry;

struct dedup {
    uint8_t key[SIPHASH_KEY];
    struct dedup_entry *entries; /* a table of what was seen lately */
    uint64_t repeated;           /* packets */
};

/* dedup_init - @key: random. Return: 0; -1 when out of memory. Release with dedup_free(). */
int dedup_init(struct dedup *dedup, const uint8_t key[SIPHASH_KEY]);
void dedup_free(struct dedup *dedup);

/*
 * dedup_is_repeated - was the packet, whose interface is a number that no other has, seen at
 * another interface? Then it is counted
 * @linktype: of its interface
 * @output: which output it goes to: what is in another one does not make it a repetition
 */
bool dedup_is_repeated(struct dedup *dedup, uint16_t linktype, const struct capture_packet *packet,
                       uint64_t output);

#endif
