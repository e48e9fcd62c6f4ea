/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/*
 * Reads one UTF-8 character (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF).
 * Return: its length in bytes, 0 when the bytes are not UTF-8.
 */
static size_t utf8_decode(const unsigned char *in, size_t length, uint32_t *ret_code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = in[0] < 0x80 ? 1 : in[0] >= 0xf0 ? 4 : in[0] >= 0xe0 ? 3 : in[0] >= 0xc0 ? 2 : 0;

    if (size == 0 || size > length || in[0] > 0xf4)
        return 0;
    uint32_t code = size == 1 ? in[0] : in[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((in[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (in[i] & 0x3fu);
    }
    if (size > 1 && code < least[size])
        return 0;
    if ((code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff)
        return 0;
    *ret_code = code;
    return size;
}

/* Characters that move the cursor, hide text or reverse its direction. */
static bool is_unsafe(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0xad ||
           (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2060 && code <= 0x206f) || code == 0xfeff || code >= 0xe0000;
}

static size_t escape_one(char *out, size_t size, uint32_t code)
{
    switch (code) {
    case '\n':
        return (size_t)snprintf(out, size, "\\n");
    case '\r':
        return (size_t)snprintf(out, size, "\\r");
    case '\t':
        return (size_t)snprintf(out, size, "\\t");
    default:
        if (code < 0x80)
            return (size_t)snprintf(out, size, "\\x%02x", code);
        return (size_t)snprintf(out, size, "\\u{%x}", code);
    }
}

size_t text_escape(char *out, size_t size, const char *in, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)in;
    size_t used = 0;

    for (size_t i = 0; i < length;) {
        char piece[16];
        size_t piece_length;
        uint32_t code = 0;
        size_t step = utf8_decode(bytes + i, length - i, &code);

        if (step == 0) {
            piece_length = (size_t)snprintf(piece, sizeof(piece), "\\x%02x", bytes[i]);
            step = 1;
        } else if (is_unsafe(code)) {
            piece_length = escape_one(piece, sizeof(piece), code);
        } else {
            memcpy(piece, bytes + i, step);
            piece_length = step;
        }
        if (used + piece_length >= size)
            break;
        memcpy(out + used, piece, piece_length);
        used += piece_length;
        i += step;
    }
    out[used] = '\0';
    return used;
}

static const char base64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *text_base64_encode(const void *data, size_t length, bool url)
{
    const unsigned char *in = data;
    char *text = malloc((length + 2) / 3 * 4 + 1);
    char *out = text;

    if (!text)
        return NULL;
    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        uint32_t bits = (uint32_t)in[i] << 16;

        bits |= left > 1 ? (uint32_t)in[i + 1] << 8 : 0;
        bits |= left > 2 ? in[i + 2] : 0;
        for (size_t k = 0; k < 4; k++) {
            char c = base64_alphabet[bits >> (18 - 6 * k) & 63];

            if (k > left) {
                if (!url)
                    *out++ = '=';
                continue;
            }
            *out++ = (char)(!url ? c : c == '+' ? '-' : c == '/' ? '_' : c);
        }
    }
    *out = '\0';
    return text;
}

static int base64_value(char c)
{
    const char *found = c ? strchr(base64_alphabet, c) : NULL;

    return found ? (int)(found - base64_alphabet) : -1;
}

unsigned char *text_base64_decode(const char *text, size_t length, size_t *ret_length)
{
    unsigned char *out = malloc(length / 4 * 3 + 4);
    size_t used = 0, digits = 0, padding = 0;
    uint32_t bits = 0;

    if (!out)
        return NULL;
    for (size_t i = 0; i < length; i++) {
        if (isspace((unsigned char)text[i]))
            continue;
        if (text[i] == '=') {
            padding++;
            continue;
        }
        int value = base64_value(text[i]);
        if (value < 0 || padding > 0)
            goto malformed;
        bits = bits << 6 | (uint32_t)value;
        if (++digits % 4 == 0) {
            out[used++] = (unsigned char)(bits >> 16);
            out[used++] = (unsigned char)(bits >> 8);
            out[used++] = (unsigned char)bits;
            bits = 0;
        }
    }
    if (digits % 4 == 1 || padding > 2 || (padding && (digits + padding) % 4 != 0))
        goto malformed;
    if (digits % 4 >= 2) {
        bits <<= digits % 4 == 2 ? 12 : 6;
        out[used++] = (unsigned char)(bits >> 16);
        if (digits % 4 == 3)
            out[used++] = (unsigned char)(bits >> 8);
    }
    out[used] = '\0';
    *ret_length = used;
    return out;

malformed:
    free(out);
    return NULL;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned low = a < b ? a : b;

    return low < c ? low : c;
}

unsigned text_distance(const char *a, const char *b)
{
    enum { LONGEST = 63 };
    unsigned rows[3][LONGEST + 1];
    size_t a_length = strnlen(a, LONGEST), b_length = strnlen(b, LONGEST);

    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a_length; i++) {
        unsigned *now = rows[i % 3], *last = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];

        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            unsigned change = last[j - 1] + (a[i - 1] != b[j - 1]);

            now[j] = min3(last[j] + 1, now[j - 1] + 1, change);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
    }
    return rows[a_length % 3][b_length];
}

/* Return: what the unit stands for, 0 when there is no such unit. */
static double size_unit(const char *unit)
{
    static const char letters[] = "kmgt";
    double binary = 1, decimal = 1;

    if (!*unit || strcasecmp(unit, "b") == 0)
        return 1;
    for (size_t i = 0; letters[i]; i++) {
        binary *= 1024;
        decimal *= 1000;
        if (tolower((unsigned char)unit[0]) != letters[i])
            continue;
        if (!unit[1] || strcmp(unit + 1, "i") == 0 || strcasecmp(unit + 1, "ib") == 0)
            return binary;
        return strcasecmp(unit + 1, "b") == 0 ? decimal : 0;
    }
    return 0;
}

int text_parse_size(const char *text, uint64_t *ret_bytes)
{
    char *end;

    if (!isdigit((unsigned char)text[0]))
        return -1;
    errno = 0;
    double number = strtod(text, &end);
    double bytes = number * size_unit(end);
    if (errno || size_unit(end) == 0 || !(bytes < 9e18))
        return -1;
    /* "1.5" bytes and hexadecimal floats are mistakes, not sizes. */
    if (strspn(text, "0123456789.") != (size_t)(end - text) || bytes != floor(bytes))
        return -1;
    *ret_bytes = (uint64_t)bytes;
    return 0;
}

/* Return: milliseconds of one unit, with the rest of the text after it; 0 when unknown. */
static double duration_unit(const char *text, const char **ret_rest)
{
    static const struct {
        const char *name;
        double milliseconds;
    } units[] = {{"ms", 1}, {"us", 1e-3}, {"ns", 1e-6}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}};

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t length = strlen(units[i].name);

        if (strncmp(text, units[i].name, length) == 0) {
            *ret_rest = text + length;
            return units[i].milliseconds;
        }
    }
    return 0;
}

int text_parse_duration(const char *text, uint64_t *ret_milliseconds)
{
    double total = 0;
    const char *at = text;

    if (!*at)
        return -1;
    while (*at) {
        char *end;

        if (!isdigit((unsigned char)*at) && *at != '.')
            return -1;
        double number = strtod(at, &end);
        if (end == at || strspn(at, "0123456789.") != (size_t)(end - at))
            return -1;
        double unit = 1e3;
        if (*end) {
            const char *rest;

            unit = duration_unit(end, &rest);
            if (unit == 0)
                return -1;
            end += rest - end;
        } else if (at != text) {
            return -1;
        }
        total += number * unit;
        at = end;
    }
    if (!(total <= 100.0 * 366 * 24 * 3.6e6))
        return -1;
    *ret_milliseconds = (uint64_t)ceil(total);
    return 0;
}

char *text_format_time(char *out, size_t size, int64_t seconds)
{
    time_t time = (time_t)seconds;
    struct tm parts;

    if (!gmtime_r(&time, &parts) || strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        *out = '\0';
    return out;
}

char *text_format_bytes(char *out, size_t size, uint64_t bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;

    if (bytes < 1000) {
        snprintf(out, size, "%u B", (unsigned)bytes);
        return out;
    }
    value /= 1000;
    while (value >= 999.95 && unit < 3) {
        value /= 1000;
        unit++;
    }
    snprintf(out, size, "%.1f %s", value, units[unit]);
    return out;
}

char *text_format(const char *format, ...)
{
    va_list args, again;
    char *text = NULL;

    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    if (length >= 0)
        text = malloc((size_t)length + 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

/* ---- times ---- */

/* Reads exactly @digits digits. Return: the number, -1 when there are fewer. */
static int read_number(const char **at, int digits)
{
    int number = 0;

    for (int i = 0; i < digits; i++, (*at)++) {
        if (!isdigit((unsigned char)**at))
            return -1;
        number = number * 10 + (**at - '0');
    }
    return number;
}

static bool skip_one_of(const char **at, const char *accepted)
{
    if (!**at || !strchr(accepted, **at))
        return false;
    (*at)++;
    return true;
}

/* Days from 1970-01-01 in the Gregorian calendar; the year is taken to begin in March, so that the
 * leap day is its last. */
static int64_t days_since_epoch(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t shifted = month > 2 ? month - 3 : month + 9;

    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * shifted + 2) / 5 + day - 1 - 719468;
}

/* "Z", "+02:00". Return: 0 with the offset in seconds, or -1. */
static int read_zone(const char **at, int *ret_offset)
{
    if (skip_one_of(at, "Zz")) {
        *ret_offset = 0;
        return 0;
    }
    int sign = **at == '-' ? -1 : 1;
    if (!skip_one_of(at, "+-"))
        return -1;
    int hours = read_number(at, 2);
    if (hours < 0 || hours > 23 || !skip_one_of(at, ":"))
        return -1;
    int minutes = read_number(at, 2);
    if (minutes < 0 || minutes > 59)
        return -1;
    *ret_offset = sign * (hours * 3600 + minutes * 60);
    return 0;
}

int text_parse_time(const char *text, int64_t *ret_seconds)
{
    static const struct {
        int digits, least, most;
        const char *separator;
    } parts[] = {{4, 1, 9999, "-"}, {2, 1, 12, "-"}, {2, 1, 31, "Tt "},
                 {2, 0, 23, ":"},   {2, 0, 59, ":"}, {2, 0, 60, NULL}};
    const char *at = text;
    int part[6], offset;

    for (size_t i = 0; i < 6; i++) {
        part[i] = read_number(&at, parts[i].digits);
        if (part[i] < parts[i].least || part[i] > parts[i].most)
            return -1;
        if (parts[i].separator && !skip_one_of(&at, parts[i].separator))
            return -1;
    }
    if (*at == '.') {
        at++;
        if (!isdigit((unsigned char)*at))
            return -1;
        while (isdigit((unsigned char)*at))
            at++;
    }
    if (read_zone(&at, &offset) < 0 || *at)
        return -1;
    *ret_seconds = days_since_epoch(part[0], part[1], part[2]) * 86400 +
                   (part[3] * 3600 + part[4] * 60 + part[5] - offset);
    return 0;
}
