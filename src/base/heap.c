/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include <stdlib.h>
#include <string.h>

void heap_free(struct heap *heap)
{
    free(heap->entries);
    free(heap->places);
    *heap = (struct heap){0};
}

bool heap_reserve(struct heap *heap, size_t ids)
{
    size_t capacity = heap->capacity ? heap->capacity : 16;

    if (ids <= heap->capacity)
        return true;
    while (capacity < ids)
        capacity *= 2;
    struct heap_entry *entries = realloc(heap->entries, capacity * sizeof(*entries));
    if (!entries)
        return false;
    heap->entries = entries;
    size_t *places = realloc(heap->places, capacity * sizeof(*places));
    if (!places)
        return false;
    memset(places + heap->capacity, 0, (capacity - heap->capacity) * sizeof(*places));
    heap->places = places;
    heap->capacity = capacity;
    return true;
}

static bool is_before(const struct heap_entry *a, const struct heap_entry *b)
{
    return a->key < b->key || (a->key == b->key && a->id < b->id);
}

static void place(struct heap *heap, size_t at, const struct heap_entry *entry)
{
    heap->entries[at] = *entry;
    heap->places[entry->id] = at + 1;
}

static void rise(struct heap *heap, size_t at)
{
    const struct heap_entry entry = heap->entries[at];

    for (; at > 0 && is_before(&entry, &heap->entries[(at - 1) / 2]); at = (at - 1) / 2)
        place(heap, at, &heap->entries[(at - 1) / 2]);
    place(heap, at, &entry);
}

static void sink(struct heap *heap, size_t at)
{
    const struct heap_entry entry = heap->entries[at];

    for (size_t child; (child = 2 * at + 1) < heap->count; at = child) {
        if (child + 1 < heap->count && is_before(&heap->entries[child + 1], &heap->entries[child]))
            child++;
        if (!is_before(&heap->entries[child], &entry))
            break;
        place(heap, at, &heap->entries[child]);
    }
    place(heap, at, &entry);
}

void heap_set(struct heap *heap, size_t id, uint64_t key)
{
    size_t at = heap->places[id];
    bool less = at == 0 || key < heap->entries[at - 1].key;

    if (at == 0)
        at = ++heap->count;
    heap->entries[at - 1] = (struct heap_entry){.key = key, .id = id};
    if (less)
        rise(heap, at - 1);
    else
        sink(heap, at - 1);
}

void heap_remove(struct heap *heap, size_t id)
{
    size_t at = id < heap->capacity ? heap->places[id] : 0;

    if (at == 0)
        return;
    heap->places[id] = 0;
    heap->count--;
    if (at - 1 == heap->count)
        return;
    const struct heap_entry last = heap->entries[heap->count];
    place(heap, at - 1, &last);
    rise(heap, at - 1);
    sink(heap, heap->places[last.id] - 1);
}
