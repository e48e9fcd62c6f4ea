/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A short hash with a secret key: who does not know the key cannot make two texts of one hash.
 * Source: Aumasson, Bernstein: "SipHash: a fast short-input PRF" (SipHash-2-4, 64 bits).
 */
#ifndef KSNIFF_BASE_SIPHASH_H
#define KSNIFF_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

#define SIPHASH_KEY 16 /* bytes */

uint64_t siphash(const uint8_t key[SIPHASH_KEY], const void *bytes, size_t length);

#endif
