/* SPDX-License-Identifier: Apache-2.0 */
/* Frames as a test wants them: Ethernet or none, IPv4 or IPv6, TCP or UDP. */
#ifndef KSNIFF_TESTS_FRAMES_H
#define KSNIFF_TESTS_FRAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/pcapng.h"
#include "pcapng/item.h"

struct frame {
    bool bare;   /* no link header */
    bool tagged; /* a VLAN's */
    bool ipv6;
    uint8_t protocol; /* 6, 17 */
    uint8_t ttl;
    uint32_t from, to; /* the last bytes of the addresses */
    uint16_t from_port, to_port;
    uint16_t id;
    uint32_t seq, ack, times;
    uint8_t flags;
    const char *payload;
    uint16_t payload_length; /* 0: that of a string */
};

static inline uint8_t *frame_put(uint8_t *at, uint64_t value, unsigned bytes)
{
    while (bytes-- > 0)
        *at++ = (uint8_t)(value >> 8 * bytes);
    return at;
}

/* Return: its length in @bytes, which have room for 2000. */
static inline uint32_t frame_make(const struct frame *frame, uint8_t *bytes)
{
    uint16_t length = frame->payload_length ? frame->payload_length
                      : frame->payload      ? (uint16_t)strlen(frame->payload)
                                            : 0;
    uint16_t header = frame->protocol != 6 ? 8 : frame->times ? 32 : 20;
    uint16_t all = (uint16_t)(length + header);
    uint8_t *at = bytes;

    memset(bytes, 0, 2000);
    if (!frame->bare) {
        at += 12;
        if (frame->tagged)
            at = frame_put(at, 0x81000005, 4);
        at = frame_put(at, frame->ipv6 ? 0x86dd : 0x0800, 2);
    }
    if (frame->ipv6) {
        at = frame_put(at, 0x60000000, 4);
        at = frame_put(at, all, 2);
        at = frame_put(at, frame->protocol, 1);
        at = frame_put(at, frame->ttl ? frame->ttl : 64, 1);
        at = frame_put(at + 12, frame->from, 4);
        at = frame_put(at + 12, frame->to, 4);
    } else {
        at = frame_put(at, 0x4500, 2);
        at = frame_put(at, all + 20u, 2);
        at = frame_put(at, frame->id, 2);
        at = frame_put(at, 0x4000, 2);
        at = frame_put(at, frame->ttl ? frame->ttl : 64, 1);
        at = frame_put(at, frame->protocol, 1);
        at = frame_put(at, frame->from + frame->to + frame->ttl, 2); /* a checksum, of a kind */
        at = frame_put(at, 0x0a000000 + frame->from, 4);
        at = frame_put(at, 0x0a000000 + frame->to, 4);
    }
    at = frame_put(at, frame->from_port, 2);
    at = frame_put(at, frame->to_port, 2);
    if (frame->protocol == 6) {
        at = frame_put(at, frame->seq, 4);
        at = frame_put(at, frame->ack, 4);
        at = frame_put(at, header * 4u, 1);
        at = frame_put(at, frame->flags, 1);
        at = frame_put(at, 500, 2);
        at = frame_put(at, frame->from + frame->to_port, 2);
        at += 2;
        if (frame->times) {
            at = frame_put(at, 0x0101080a, 4);
            at = frame_put(at, frame->times, 4);
            at += 4;
        }
    } else {
        at = frame_put(at, all, 2);
        at = frame_put(at, frame->to + frame->to_port, 2);
    }
    if (frame->payload)
        memcpy(at, frame->payload, frame->payload_length ? 1 : length);
    return (uint32_t)(at + length - bytes);
}

#endif
