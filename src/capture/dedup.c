/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/dedup.h"

#include <stdlib.h>
#include <string.h>

#include "capture/identity.h"
#include "pcapng/item.h"

#define ENTRIES   32768 /* of the table, in rows of */
#define ROW       8
#define WINDOW_NS 500000000u
#define SPREAD    0x9e3779b97f4a7c15u /* odd: outputs of different numbers stay different */
#define PLACES    4 /* interfaces that are remembered; what is seen at more is the same there */

struct dedup_entry {
    struct identity identity;
    uint64_t time;
    uint32_t places[PLACES];
    uint32_t count; /* of them; 0: nothing is here */
};

int dedup_init(struct dedup *dedup, const uint8_t key[SIPHASH_KEY])
{
    *dedup = (struct dedup){.entries = calloc(ENTRIES, sizeof(struct dedup_entry))};
    memcpy(dedup->key, key, SIPHASH_KEY);
    return dedup->entries ? 0 : -1;
}

void dedup_free(struct dedup *dedup)
{
    free(dedup->entries);
    dedup->entries = NULL;
}

static bool is_recent(const struct dedup_entry *entry, uint64_t time)
{
    uint64_t apart = time > entry->time ? time - entry->time : entry->time - time;

    return apart <= WINDOW_NS;
}

static bool is_same(const struct identity *a, const struct identity *b)
{
    bool from = a->from == b->from, to = a->to == b->to;

    return a->hash == b->hash && (a->strong ? from || to : from && to);
}

/* Return: where it is, or is to be put. */
static struct dedup_entry *find(struct dedup *dedup, const struct identity *identity, uint64_t time)
{
    struct dedup_entry *row = &dedup->entries[identity->hash % (ENTRIES / ROW) * ROW];
    struct dedup_entry *oldest = row;

    for (size_t i = 0; i < ROW; i++) {
        if (row[i].count && is_same(&row[i].identity, identity) && is_recent(&row[i], time))
            return &row[i];
        if (row[i].count == 0 || (oldest->count && row[i].time < oldest->time))
            oldest = &row[i];
    }
    oldest->count = 0;
    return oldest;
}

static bool was_seen_at(const struct dedup_entry *entry, uint32_t interface)
{
    for (uint32_t i = 0; i < entry->count; i++)
        if (entry->places[i] == interface)
            return true;
    return false;
}

bool dedup_is_repeated(struct dedup *dedup, uint16_t linktype, const struct capture_packet *packet,
                       uint64_t output)
{
    struct identity identity;

    if (!identity_of(dedup->key, linktype, packet, UINT32_MAX, &identity))
        return false;
    identity.hash ^= output * SPREAD;
    struct dedup_entry *entry = find(dedup, &identity, packet->timestamp);

    if (entry->count == 0 || was_seen_at(entry, packet->interface)) {
        *entry = (struct dedup_entry){.identity = identity,
                                      .time = packet->timestamp,
                                      .places = {packet->interface},
                                      .count = 1};
        return false;
    }
    if (entry->count < PLACES)
        entry->places[entry->count++] = packet->interface;
    dedup->repeated++;
    return true;
}
