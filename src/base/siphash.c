/* SPDX-License-Identifier: Apache-2.0 */
#include "base/siphash.h"

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t turned(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static void mix(struct state *s, unsigned rounds)
{
    while (rounds-- > 0) {
        s->v0 += s->v1;
        s->v1 = turned(s->v1, 13) ^ s->v0;
        s->v0 = turned(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = turned(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = turned(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = turned(s->v1, 17) ^ s->v2;
        s->v2 = turned(s->v2, 32);
    }
}

/* Little-endian, of at most eight bytes. */
static uint64_t word(const uint8_t *bytes, size_t length)
{
    uint64_t value = 0;

    for (size_t i = 0; i < length; i++)
        value |= (uint64_t)bytes[i] << 8 * i;
    return value;
}

static void take(struct state *s, uint64_t value)
{
    s->v3 ^= value;
    mix(s, 2);
    s->v0 ^= value;
}

uint64_t siphash(const uint8_t key[SIPHASH_KEY], const void *bytes, size_t length)
{
    uint64_t k0 = word(key, 8), k1 = word(key + 8, 8);
    struct state s = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                      k1 ^ 0x7465646279746573u};
    const uint8_t *at = bytes;
    size_t left = length;

    for (; left >= 8; at += 8, left -= 8)
        take(&s, word(at, 8));
    take(&s, (uint64_t)length << 56 | word(at, left));
    s.v2 ^= 0xff;
    mix(&s, 4);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
