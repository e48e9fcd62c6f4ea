/* SPDX-License-Identifier: Apache-2.0 */
#include "method/secret.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/system.h"

static void to_hex(char *text, const uint8_t bytes[static SHA256_LENGTH])
{
    for (size_t i = 0; i < SHA256_LENGTH; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

int secret_make(struct secret *ret_secret, struct error *err)
{
    uint8_t random[SHA256_LENGTH], hash[SHA256_LENGTH];

    if (system_random(random, sizeof(random)) < 0)
        return error_set(err, ERROR_INTERNAL, "there is no randomness");
    to_hex(ret_secret->line, random);
    sha256(ret_secret->line, strlen(ret_secret->line), hash);
    to_hex(ret_secret->hash, hash);
    strcat(ret_secret->line, "\n");
    return 0;
}
