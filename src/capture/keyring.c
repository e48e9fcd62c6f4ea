/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/keyring.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST   256
#define FORGOTTEN(n) ((n) / 4) /* at once: it is work */

struct keyring_entry {
    const void *owner;
    uint64_t hash;
    uint64_t at; /* bytes of lines before it, ever */
    uint32_t length;
};

void keyring_init(struct keyring *ring, size_t maximum, bool apart)
{
    *ring = (struct keyring){.maximum = maximum, .apart = apart};
    buf_init(&ring->lines, maximum);
    buf_init(&ring->entries, maximum);
}

void keyring_seed(struct keyring *ring, const uint8_t key[SIPHASH_KEY])
{
    memcpy(ring->key, key, SIPHASH_KEY);
}

void keyring_free(struct keyring *ring)
{
    buf_free(&ring->lines);
    buf_free(&ring->entries);
    free(ring->table);
    ring->table = NULL;
    ring->room = 0;
}

static size_t count(const struct keyring *ring)
{
    return ring->entries.length / sizeof(struct keyring_entry);
}

/* The bytes are the buffer's, whose takings are of whole entries. */
static const struct keyring_entry *entry_at(const struct keyring *ring, size_t number)
{
    return (const struct keyring_entry *)(const void *)buf_bytes(&ring->entries) + number;
}

/* ---- the table ---- */

/* Return: where the hash stands, or would. */
static uint64_t *place_of(const struct keyring *ring, uint64_t hash)
{
    size_t at = hash & (ring->room - 1);

    while (ring->table[at] && ring->table[at] != hash)
        at = (at + 1) & (ring->room - 1);
    return &ring->table[at];
}

/* A new table of what is kept. Return: false when out of memory: the old one stays. */
static bool rebuild(struct keyring *ring, size_t room)
{
    uint64_t *table = calloc(room, sizeof(*table));

    if (!table)
        return false;
    free(ring->table);
    ring->table = table;
    ring->room = room;
    for (size_t i = 0; i < count(ring); i++)
        *place_of(ring, entry_at(ring, i)->hash) = entry_at(ring, i)->hash;
    return true;
}

static bool has_room(struct keyring *ring)
{
    if (2 * (count(ring) + 1) <= ring->room)
        return true;
    return rebuild(ring, ring->room ? 2 * ring->room : ROOM_FIRST);
}

static uint64_t hash_of(const struct keyring *ring, const void *owner, const char *line,
                        size_t length)
{
    uint64_t hash = siphash(ring->key, line, length);

    if (ring->apart)
        hash ^= siphash(ring->key, &owner, sizeof(owner));
    return hash ? hash : 1;
}

/* ---- in ---- */

/* Makes room for more than one. */
static void forget_oldest(struct keyring *ring)
{
    size_t gone = FORGOTTEN(count(ring)) + 1, bytes = 0;

    for (size_t i = 0; i < gone; i++)
        bytes += entry_at(ring, i)->length;
    buf_take(&ring->lines, bytes);
    buf_take(&ring->entries, gone * sizeof(struct keyring_entry));
    ring->forgotten += gone;
    ring->lines_gone += bytes;
    rebuild(ring, ring->room);
}

bool keyring_add(struct keyring *ring, const void *owner, const char *line, size_t length)
{
    const struct keyring_entry entry = {.owner = owner,
                                        .hash = hash_of(ring, owner, line, length),
                                        .at = ring->lines_gone + ring->lines.length,
                                        .length = (uint32_t)length + 1};

    if (!has_room(ring) || *place_of(ring, entry.hash))
        return false;
    while (count(ring) > 0 && (ring->lines.length + entry.length > ring->maximum ||
                               ring->entries.length + sizeof(entry) > ring->maximum))
        forget_oldest(ring);
    unsigned char *at = buf_reserve(&ring->lines, entry.length);
    if (!at || !buf_append(&ring->entries, &entry, sizeof(entry)))
        return false;
    memcpy(at, line, length);
    at[length] = '\n';
    buf_added(&ring->lines, entry.length);
    *place_of(ring, entry.hash) = entry.hash;
    return true;
}

/* ---- out ---- */

/* Moves the cursor to the first entry behind it of this owner: others' are passed once, and not for
 * each packet. Return: where that stands; count(): there is none. */
static size_t behind(const struct keyring *ring, uint64_t *cursor, const void *owner)
{
    size_t at = *cursor > ring->forgotten ? (size_t)(*cursor - ring->forgotten) : 0;

    while (owner && at < count(ring) && entry_at(ring, at)->owner != owner)
        at++;
    *cursor = ring->forgotten + at;
    return at;
}

const char *keyring_next(const struct keyring *ring, uint64_t *cursor, const void *owner,
                         size_t most, size_t *ret_length)
{
    size_t first = behind(ring, cursor, owner), at = first, length = 0;

    for (; at < count(ring); at++) {
        const struct keyring_entry *entry = entry_at(ring, at);

        if ((owner && entry->owner != owner) || (at > first && length + entry->length > most))
            break;
        length += entry->length;
    }
    *cursor = ring->forgotten + at;
    *ret_length = length;
    if (length == 0)
        return NULL;
    return (const char *)buf_bytes(&ring->lines) + (entry_at(ring, first)->at - ring->lines_gone);
}

uint64_t keyring_pending(const struct keyring *ring, uint64_t *cursor, const void *owner)
{
    size_t at = behind(ring, cursor, owner);
    uint64_t bytes = 0;

    if (at >= count(ring))
        return 0;
    if (!owner)
        return ring->lines_gone + ring->lines.length - entry_at(ring, at)->at;
    for (; at < count(ring); at++)
        bytes += entry_at(ring, at)->owner == owner ? entry_at(ring, at)->length : 0;
    return bytes;
}

void keyring_skip(const struct keyring *ring, uint64_t *cursor, const void *owner, uint64_t most)
{
    uint64_t bytes = keyring_pending(ring, cursor, owner);

    while (bytes > most) {
        size_t at = behind(ring, cursor, owner);

        bytes -= entry_at(ring, at)->length;
        *cursor = ring->forgotten + at + 1;
    }
}
