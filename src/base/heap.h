/* SPDX-License-Identifier: Apache-2.0 */
/* Which of many has the smallest key: a binary heap of small numbers that knows where each stands,
 * so that a key can be changed. No order among equal keys but that of the numbers. */
#ifndef KSNIFF_BASE_HEAP_H
#define KSNIFF_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero is an empty one. */
struct heap {
    struct heap_entry {
        uint64_t key;
        size_t id;
    } * entries; /* the smallest first */
    size_t count;
    size_t *places;  /* of each id: where it stands in entries, and 1; 0: it is not there */
    size_t capacity; /* of both */
};

void heap_free(struct heap *heap);

/* heap_reserve - make room for the ids below @ids. Return: false when out of memory. */
bool heap_reserve(struct heap *heap, size_t ids);

/* heap_set - put @id in with this key, or give it this key; there is room for it. */
void heap_set(struct heap *heap, size_t id, uint64_t key);

/* heap_remove - take @id out, if it is there. */
void heap_remove(struct heap *heap, size_t id);

/* heap_top - Return: the one with the smallest key; NULL when there is none. */
static inline const struct heap_entry *heap_top(const struct heap *heap)
{
    return heap->count ? &heap->entries[0] : NULL;
}

#endif
