/* SPDX-License-Identifier: Apache-2.0 */
#include "common/keylog.h"

#include <stdbool.h>
#include <string.h>

#define RANDOM_DIGITS 64
#define SECRET_DIGITS 32 /* at least */

static const char *const labels[] = {
    "CLIENT_RANDOM",
    "CLIENT_EARLY_TRAFFIC_SECRET",
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_", /* and a number */
    "SERVER_TRAFFIC_SECRET_",
    "EARLY_EXPORTER_SECRET",
    "EXPORTER_SECRET",
    "ECH_SECRET",
    "ECH_CONFIG",
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_label(const char *label, size_t length)
{
    static const char quic[] = {'Q', 'U', 'I', 'C', '_'};

    if (length > sizeof(quic) && memcmp(label, quic, sizeof(quic)) == 0) {
        label += sizeof(quic);
        length -= sizeof(quic);
    }
    for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
        size_t known = strlen(labels[i]), digits = known;

        if (length < known || memcmp(label, labels[i], known) != 0)
            continue;
        if (labels[i][known - 1] != '_')
            return length == known;
        while (digits < length && is_digit(label[digits]))
            digits++;
        return digits == length && digits > known;
    }
    return false;
}

/* Return: how many hex digits there are. */
static size_t hex_digits(const char *text, const char *end)
{
    const char *at = text;

    while (at < end && (is_digit(*at) || ((*at | 0x20) >= 'a' && (*at | 0x20) <= 'f')))
        at++;
    return (size_t)(at - text);
}

enum keylog_line keylog_line(const char *line, size_t length)
{
    const char *end = line + length, *space = length ? memchr(line, ' ', length) : NULL;

    if (length == 0 || *line == '#')
        return KEYLOG_REMARK;
    if (length > KEYLOG_LINE_MAX || !space || !is_label(line, (size_t)(space - line)))
        return KEYLOG_OTHER;
    const char *random = space + 1, *secret = random + RANDOM_DIGITS + 1;
    if (end - random < RANDOM_DIGITS + 1 + SECRET_DIGITS ||
        hex_digits(random, end) != RANDOM_DIGITS || secret[-1] != ' ')
        return KEYLOG_OTHER;
    size_t digits = hex_digits(secret, end);
    return secret + digits == end && digits % 2 == 0 ? KEYLOG_SECRET : KEYLOG_OTHER;
}
