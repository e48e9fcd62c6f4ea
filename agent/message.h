/* SPDX-License-Identifier: Apache-2.0 */
/* Messages on standard error, without stdio: it would be half of the agent's size. */
#ifndef KSNIFF_AGENT_MESSAGE_H
#define KSNIFF_AGENT_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

/* What this program is called. */
#ifndef AGENT_PROGRAM
#define AGENT_PROGRAM "ksniff-agent"
#endif

/*
 * message - write "ksniff-agent: A B C" as one line
 * @b, @c: may be NULL
 */
void message(const char *a, const char *b, const char *c);

/* message_errno - the same, with ": " and the text of errno behind @a and @b. */
void message_errno(const char *a, const char *b);

/* message_parts - the same of @count texts, with nothing between them. */
void message_parts(const char *const *parts, size_t count);

/* message_has_room - will a message be written at once? Of a pipe that is full nobody knows when it
 * will be read. */
bool message_has_room(void);

/* decimal - write @value into @out, which has room for 21 bytes. Return: @out. */
char *decimal(char *out, unsigned long long value);

#endif
