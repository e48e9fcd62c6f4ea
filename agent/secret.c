/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment is the container's: an exec cannot give another one, unless the image has a
 * program that does (agent/shell.h).
 */
#include "agent/secret.h"

#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/message.h"
#include "common/agent.h"
#include "common/sha256.h"

bool secret_is_wanted(void)
{
    return getenv(AGENT_SECRET_VARIABLE) != NULL;
}

/*
 * Reads a line, byte by byte: what follows it is for who reads next.
 *
 * Return: its length without the newline; 0: it is empty, too long, not whole, or did not come in
 * time.
 */
static size_t read_line(char *line, size_t size)
{
    uint64_t end = clock_ms() + AGENT_SECRET_MS;

    for (size_t used = 0; used < size;) {
        struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
        uint64_t now = clock_ms();

        if (now >= end || poll(&in, 1, (int)(end - now)) <= 0)
            return 0;
        if (read(STDIN_FILENO, line + used, 1) != 1)
            return 0;
        if (line[used] == '\n')
            return used;
        used++;
    }
    return 0;
}

/* A digit of the hash; other characters fit no hash. */
static unsigned nibble(char c)
{
    return c >= '0' && c <= '9'   ? (unsigned)(c - '0')
           : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                                  : 0x100;
}

/* Takes the same time wherever they differ. @hex: of 2 * SHA256_LENGTH characters */
static bool is_same(const uint8_t hash[static SHA256_LENGTH], const char *hex)
{
    unsigned difference = 0;

    for (size_t i = 0; i < SHA256_LENGTH; i++)
        difference |= (nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1])) ^ hash[i];
    return difference == 0;
}

int secret_check(void)
{
    const char *wanted = getenv(AGENT_SECRET_VARIABLE);
    uint8_t hash[SHA256_LENGTH];
    char line[AGENT_SECRET_MAX + 1];

    if (!wanted)
        return AGENT_EXIT_OK;
    size_t length = read_line(line, sizeof(line));
    sha256(line, length, hash);
    if (length > 0 && strlen(wanted) == (size_t)2 * SHA256_LENGTH && is_same(hash, wanted))
        return AGENT_EXIT_OK;
    message(
        "this helper serves only who has made it: standard input does not begin with its secret",
        NULL, NULL);
    return AGENT_EXIT_NO_SECRET;
}
