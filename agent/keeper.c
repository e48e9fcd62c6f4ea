/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/keeper.h"

#include <stdbool.h>

static uint64_t held(uint64_t bytes)
{
    return (bytes + RECORDING_BLOCK - 1) / RECORDING_BLOCK * RECORDING_BLOCK;
}

void keeper_add(struct keeper *keeper, size_t target, const struct keeper_segment *segment)
{
    struct keeper_target *one = &keeper->targets[target];

    if (one->segments++ == 0)
        one->oldest = *segment;
    one->bytes += segment->bytes;
    one->packets += segment->packets;
    one->held += held(segment->bytes);
}

static bool is_full(const struct keeper *keeper)
{
    uint64_t sum = KEEPER_ELSE + (KEEPER_AHEAD * keeper->count + KEEPER_REMOVED) * keeper->segment;

    for (size_t i = 0; i < keeper->count; i++)
        sum += keeper->targets[i].held;
    return sum > keeper->keep;
}

size_t keeper_choose(const struct keeper *keeper, uint64_t now)
{
    size_t oldest = KEEPER_NONE;

    for (size_t i = 0; i < keeper->count; i++)
        if (keeper->targets[i].segments > 0 &&
            (oldest == KEEPER_NONE ||
             keeper->targets[i].oldest.ended < keeper->targets[oldest].oldest.ended))
            oldest = i;
    if (oldest == KEEPER_NONE || is_full(keeper))
        return oldest;
    uint64_t ended = keeper->targets[oldest].oldest.ended;
    return keeper->age != 0 && ended < now && now - ended > keeper->age ? oldest : KEEPER_NONE;
}

void keeper_remove(struct keeper *keeper, size_t target, const struct keeper_segment *next)
{
    struct keeper_target *one = &keeper->targets[target];

    one->bytes -= one->oldest.bytes;
    one->packets -= one->oldest.packets;
    one->held -= held(one->oldest.bytes);
    if (--one->segments > 0)
        one->oldest = *next;
}
