/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the client and `ksniff-agent relay` agree on: many captures over one exec. Each has a
 * channel, with a standard input, output and error of its own, and an exit code.
 *
 * Standard input (behind the secret's line, where there is one: common/agent.h), standard output
 * and standard error carry frames: a head of RELAY_HEAD bytes, then as many bytes as it says. The
 * head: kind (1 byte), zero (1), the channel's number (2, the higher byte first), length (4, the
 * highest first). On standard error a line that begins with RELAY_LINE may stand between two
 * frames: what the relay itself has to say to a person.
 *
 * The two outputs are apart, since answers to questions for the time must not wait behind packets.
 * Which of them is ahead of the other nobody knows: each tells the end.
 */
#ifndef KSNIFF_COMMON_RELAY_H
#define KSNIFF_COMMON_RELAY_H

#include <stddef.h>
#include <stdint.h>

#define RELAY_HEAD      8u
#define RELAY_FRAME_MAX 65536u /* bytes behind a head */
#define RELAY_CHANNELS  128u   /* numbers are below it */
#define RELAY_WORDS_MAX 255u   /* of a command line */

enum relay_kind {
    /* To the agent. */
    RELAY_OPEN = 'o',  /* begin: the words of its command line, each with a zero behind it */
    RELAY_INPUT = 'i', /* bytes for its standard input */
    RELAY_END = 'e',   /* the end of its standard input; what it writes is not wanted any more */
    /* From the agent: the first on standard output, the second on standard error, the last on both.
     */
    RELAY_OUTPUT = 'O', /* bytes of its standard output */
    RELAY_ERROR = 'E',  /* bytes of its standard error */
    RELAY_EXIT = 'X',   /* its exit code (1 byte), as shells have it: the number is free */
    RELAY_LINE = 'k',
};

static inline void relay_put_head(uint8_t head[static RELAY_HEAD], enum relay_kind kind,
                                  unsigned number, size_t length)
{
    head[0] = (uint8_t)kind;
    head[1] = 0;
    head[2] = (uint8_t)(number >> 8);
    head[3] = (uint8_t)number;
    for (unsigned i = 0; i < 4; i++)
        head[4 + i] = (uint8_t)(length >> (24 - 8 * i));
}

static inline unsigned relay_number(const uint8_t head[static RELAY_HEAD])
{
    return (unsigned)head[2] << 8 | head[3];
}

static inline size_t relay_length(const uint8_t head[static RELAY_HEAD])
{
    return (size_t)head[4] << 24 | (size_t)head[5] << 16 | (size_t)head[6] << 8 | head[7];
}

#endif
