/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/segment.h"

#include <stddef.h>
#include <string.h>

#include "agent/sieve.h"
#include "common/pcapng.h"

#define BLOCK_MIN 12u /* type, and the length at both ends */

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static uint64_t get64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

/* Seconds and their parts as blocks have them: the half of more weight first. */
static uint64_t get_time(const uint8_t *at)
{
    return (uint64_t)get32(at) << 32 | get32(at + 4);
}

/* ---- blocks ---- */

enum look { LOOK_WHOLE, LOOK_MORE, LOOK_BAD };

/* How many bytes a block of this type has at least. */
static uint32_t least_of(uint32_t type)
{
    switch (type) {
    case PCAPNG_SHB:
        return sizeof(struct pcapng_shb) + 4;
    case PCAPNG_IDB:
        return sizeof(struct pcapng_idb) + 4;
    case PCAPNG_ISB:
        return sizeof(struct pcapng_isb) + 4;
    case PCAPNG_EPB:
        return sizeof(struct pcapng_epb) + 4;
    default:
        return BLOCK_MIN;
    }
}

/* Is there a block at the beginning of @bytes? LOOK_MORE: it may become one. */
static enum look look_at(const uint8_t *bytes, size_t length, uint32_t *ret_total)
{
    struct pcapng_block_header header;

    if (length < sizeof(header))
        return LOOK_MORE;
    memcpy(&header, bytes, sizeof(header));
    uint32_t total = header.total_length;
    /* Room that was made for what is still to be written, or never was. */
    if (header.type == 0 && total == 0)
        return LOOK_MORE;
    if (total < least_of(header.type) || total > SEGMENT_BLOCK_MAX || total % 4 != 0)
        return LOOK_BAD;
    if (length < total)
        return LOOK_MORE;
    if (get32(bytes + total - 4) != total)
        return LOOK_BAD;
    if (header.type == PCAPNG_EPB &&
        get32(bytes + offsetof(struct pcapng_epb, captured_len)) > total - least_of(PCAPNG_EPB))
        return LOOK_BAD;
    *ret_total = total;
    return LOOK_WHOLE;
}

const uint8_t *segment_option(const uint8_t *isb, uint32_t total, uint16_t code, size_t size)
{
    struct pcapng_option option;
    size_t end = total - 4;

    for (size_t at = sizeof(struct pcapng_isb); at + sizeof(option) <= end;) {
        memcpy(&option, isb + at, sizeof(option));
        at += sizeof(option);
        if (option.code == PCAPNG_OPT_END || option.length > end - at)
            return NULL;
        if (option.code == code)
            return option.length == size ? isb + at : NULL;
        at += PCAPNG_PAD4((size_t)option.length);
    }
    return NULL;
}

/* ---- what they say ---- */

void segment_begin(struct segment *segment)
{
    segment->begun = segment->ended = segment->damaged = false;
    segment->described = 0;
}

static bool take_header(struct segment *segment, const uint8_t *block)
{
    bool right = !segment->begun && get32(block + offsetof(struct pcapng_shb, byte_order_magic)) ==
                                        PCAPNG_BYTE_ORDER_MAGIC;

    segment->begun = true;
    return right;
}

static void describe(struct segment *segment, const uint8_t *block)
{
    struct pcapng_idb idb;

    memcpy(&idb, block, sizeof(idb));
    if (segment->described < SEGMENT_INTERFACES_MAX)
        segment->interfaces[segment->described] =
            (struct segment_interface){.linktype = idb.linktype};
    segment->described++;
}

/* Return: NULL: it is one of too many, and nothing is known of it. */
static struct segment_interface *interface_of(struct segment *segment, const uint8_t *block)
{
    uint32_t id = get32(block + offsetof(struct pcapng_epb, interface_id));

    return id < SEGMENT_INTERFACES_MAX ? &segment->interfaces[id] : NULL;
}

_Static_assert(offsetof(struct pcapng_epb, interface_id) ==
                   offsetof(struct pcapng_isb, interface_id),
               "of both by one function");

/* They count what was recorded, but what was left out here does not come. */
static void take_statistics(struct segment *segment, uint8_t *block, uint32_t total)
{
    struct segment_interface *interface = interface_of(segment, block);
    const uint8_t *dropped = segment_option(block, total, PCAPNG_ISB_IFDROP, 8);
    const uint8_t *received = segment_option(block, total, PCAPNG_ISB_IFRECV, 8);

    segment->ended = segment_option(block, total, PCAPNG_ISB_ENDTIME, 8) != NULL;
    if (interface && dropped && get64(dropped) > interface->dropped) {
        segment->dropped += get64(dropped) - interface->dropped;
        interface->dropped = get64(dropped);
    }
    if (interface && received && interface->left_out > 0) {
        uint64_t all = get64(received);
        uint64_t left = all > interface->left_out ? all - interface->left_out : 0;

        memcpy(block + (received - block), &left, sizeof(left));
    }
}

/* Return: is it wanted? */
static bool take_packet(struct segment *segment, const struct sieve *sieve, uint8_t *block)
{
    struct segment_interface *interface = interface_of(segment, block);

    if (sieve && interface && !sieve_takes(sieve, interface->linktype, block)) {
        interface->left_out++;
        return false;
    }
    segment->packets++;
    return true;
}

/* Does it say of an interface what is not there? */
static bool is_of_none(const struct segment *segment, const uint8_t *block)
{
    return get32(block + offsetof(struct pcapng_epb, interface_id)) >= segment->described;
}

/* A whole block. Return: is it to be kept? Else, or where it cannot stand there, it is not. */
static bool take_block(struct segment *segment, const struct sieve *sieve, uint8_t *block,
                       uint32_t total)
{
    uint32_t type = get32(block);

    segment->ended = false;
    if (type == PCAPNG_SHB || !segment->begun) {
        segment->damaged = type != PCAPNG_SHB || !take_header(segment, block);
        return !segment->damaged;
    }
    if (type == PCAPNG_EPB || type == PCAPNG_ISB) {
        segment->damaged = is_of_none(segment, block);
        if (segment->damaged)
            return false;
    }
    if (type == PCAPNG_EPB)
        return take_packet(segment, sieve, block);
    if (type == PCAPNG_ISB)
        take_statistics(segment, block, total);
    else if (type == PCAPNG_IDB)
        describe(segment, block);
    return true;
}

size_t segment_take(struct segment *segment, const struct sieve *sieve, uint8_t *bytes,
                    size_t length, size_t *ret_kept)
{
    size_t at = 0, kept = 0;
    uint32_t total;

    while (!segment->damaged) {
        enum look look = look_at(bytes + at, length - at, &total);

        if (look == LOOK_BAD)
            segment->damaged = true;
        if (look != LOOK_WHOLE)
            break;
        bool keep = take_block(segment, sieve, bytes + at, total);
        if (segment->damaged)
            break;
        if (keep && kept < at)
            memmove(bytes + kept, bytes + at, total);
        kept += keep ? total : 0;
        at += total;
    }
    *ret_kept = kept;
    return at;
}

/* ---- when ---- */

uint64_t segment_started(const uint8_t *bytes, size_t length)
{
    uint32_t total;

    for (size_t at = 0; look_at(bytes + at, length - at, &total) == LOOK_WHOLE; at += total) {
        const uint8_t *block = bytes + at, *started;

        if (get32(block) == PCAPNG_EPB)
            return get_time(block + offsetof(struct pcapng_epb, timestamp_high));
        if (get32(block) == PCAPNG_ISB) {
            started = segment_option(block, total, PCAPNG_ISB_STARTTIME, 8);
            return started ? get_time(started) : 0;
        }
    }
    return 0;
}

uint64_t segment_finished(const uint8_t *block, size_t length)
{
    uint32_t total;

    if (look_at(block, length, &total) != LOOK_WHOLE || get32(block) != PCAPNG_ISB)
        return 0;
    const uint8_t *finished = segment_option(block, total, PCAPNG_ISB_ENDTIME, 8);
    return finished ? get_time(finished) : 0;
}
