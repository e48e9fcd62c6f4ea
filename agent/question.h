/* SPDX-License-Identifier: Apache-2.0 */
/* Questions for the clock on standard input (common/agent.h, AGENT_CLOCK). */
#ifndef KSNIFF_AGENT_QUESTION_H
#define KSNIFF_AGENT_QUESTION_H

#include <stdbool.h>
#include <stddef.h>

#include "common/agent.h"

/* All zero: none has begun. */
struct question {
    bool begun;
    char id[AGENT_CLOCK_DIGITS + 1];
    size_t length;
};

/* question_byte - take a byte of standard input, whatever it is. Return: the ID of the question
 * that it ends, until the next call; NULL: of none. */
const char *question_byte(struct question *question, char byte);

#endif
