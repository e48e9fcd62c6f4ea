/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256. Source: FIPS 180-4, Secure Hash Standard, sections 4.1.2, 4.2.2, 5.1.1, 5.3.3, 6.2. */
#ifndef KSNIFF_COMMON_SHA256_H
#define KSNIFF_COMMON_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_LENGTH 32 /* bytes */

/* sha256 - the hash of @length bytes */
void sha256(const void *bytes, size_t length, uint8_t ret_hash[SHA256_LENGTH]);

#endif
