/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/message.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static size_t append(char *line, size_t used, size_t size, const char *text)
{
    for (; text && *text && used + 1 < size; text++)
        line[used++] = *text < ' ' || *text > '~' ? '?' : *text;
    return used;
}

void message_parts(const char *const *parts, size_t count)
{
    char line[512];
    size_t used = append(line, 0, sizeof(line), AGENT_PROGRAM ": ");

    for (size_t i = 0; i < count; i++)
        used = append(line, used, sizeof(line), parts[i]);
    line[used++] = '\n';
    if (write(STDERR_FILENO, line, used) < 0)
        return; /* nobody listens: there is nothing else to be done about it */
}

void message(const char *a, const char *b, const char *c)
{
    const char *const parts[] = {a, b ? " " : NULL, b, c ? " " : NULL, c};

    message_parts(parts, 5);
}

void message_errno(const char *a, const char *b)
{
    const char *const parts[] = {a, b ? " " : NULL, b, ": ", strerror(errno)};

    message_parts(parts, 5);
}

bool message_has_room(void)
{
    static const struct timespec at_once;
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};

    /* A pipe has room for as much as a whole page then, which is more than a message. */
    return ppoll(&out, 1, &at_once, NULL) == 1 && (out.revents & POLLOUT);
}

char *decimal(char *out, unsigned long long value)
{
    char digits[21];
    size_t count = 0, used = 0;

    do
        digits[count++] = (char)('0' + value % 10);
    while (value /= 10);
    while (count)
        out[used++] = digits[--count];
    out[used] = '\0';
    return out;
}
