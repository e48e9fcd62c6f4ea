/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/keep.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define WORD_MAX    32
#define DAY_SECONDS 86400
#define DAYS_DIGITS 5

static bool is_time(const char *text)
{
    size_t length = strlen(text);

    return length > 1 && strchr("smhd", text[length - 1]);
}

/* "2d", which Go's durations do not know. Return: 0; -1 when it is no such thing. */
static int parse_days(const char *text, uint64_t *ret_seconds)
{
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > DAYS_DIGITS || strcmp(text + digits, "d") != 0)
        return -1;
    *ret_seconds = 0;
    for (size_t i = 0; i < digits; i++)
        *ret_seconds = *ret_seconds * 10 + (uint64_t)(text[i] - '0') * DAY_SECONDS;
    return 0;
}

int keep_parse_time(const char *text, uint64_t *ret_seconds)
{
    uint64_t milliseconds = 0, seconds = 0;

    if (!is_time(text))
        return -1;
    if (parse_days(text, &seconds) < 0) {
        if (text_parse_duration(text, &milliseconds) < 0)
            return -1;
        seconds = milliseconds / 1000;
    }
    if (seconds == 0)
        return -1;
    *ret_seconds = seconds;
    return 0;
}

static int parse_word(const char *word, uint64_t *bytes, uint64_t *seconds)
{
    size_t length = strlen(word);

    if (length == 0)
        return -1;
    if (is_time(word))
        return *seconds ? -1 : keep_parse_time(word, seconds);
    if (*bytes || isdigit((unsigned char)word[length - 1]))
        return -1;
    return text_parse_size(word, bytes) < 0 || *bytes == 0 ? -1 : 0;
}

int keep_parse(const char *text, uint64_t *ret_bytes, uint64_t *ret_seconds)
{
    uint64_t bytes = 0, seconds = 0;
    size_t comma = strcspn(text, ",");
    char first[WORD_MAX];

    if (comma >= sizeof(first))
        return -1;
    snprintf(first, sizeof(first), "%.*s", (int)comma, text);
    if (parse_word(first, &bytes, &seconds) < 0 ||
        (text[comma] && parse_word(text + comma + 1, &bytes, &seconds) < 0))
        return -1;
    if (bytes)
        *ret_bytes = bytes;
    if (seconds)
        *ret_seconds = seconds;
    return 0;
}

char *keep_format(char out[static KEEP_TEXT_SIZE], uint64_t bytes)
{
    bool whole = bytes > 0 && bytes % (1ull << 30) == 0;
    uint64_t mib = (bytes >> 20) + (bytes % (1u << 20) > 0);

    snprintf(out, KEEP_TEXT_SIZE, "%" PRIu64 "%c", whole ? mib >> 10 : mib, whole ? 'G' : 'M');
    return out;
}
