/* SPDX-License-Identifier: Apache-2.0 */
/* The secret of a helper pod (common/agent.h): only who made it knows it. */
#ifndef KSNIFF_METHOD_SECRET_H
#define KSNIFF_METHOD_SECRET_H

#include "common/sha256.h"

struct error;

struct secret {
    char line[2 * SHA256_LENGTH + 2]; /* what standard input begins with, the newline included */
    char hash[2 * SHA256_LENGTH + 1]; /* of the line without it; lower-case hex digits */
};

/* secret_make - a new random one, of 256 bits */
int secret_make(struct secret *ret_secret, struct error *err);

#endif
