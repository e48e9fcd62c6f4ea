/* SPDX-License-Identifier: Apache-2.0 */
/* Text: escaping for a terminal, base64, nearest match, numbers with units. */
#ifndef KSNIFF_BASE_TEXT_H
#define KSNIFF_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * text_escape - make text of unknown origin safe for a terminal and for one line of a log
 * @out: receives a NUL-terminated string of at most @size bytes, cut at a whole character
 * @size: bytes of @out, at least 1
 * @in: @length bytes of any content
 *
 * Printable ASCII and well-formed UTF-8 pass; control characters (C0, DEL, C1), bidirectional
 * overrides and bytes that are not UTF-8 become \n, \t, \r, \xNN or \u{N}.
 *
 * Return: the length of @out.
 */
size_t text_escape(char *out, size_t size, const char *in, size_t length);

/*
 * text_base64_encode - RFC 4648 base64
 * @url: use the URL-safe alphabet without padding (section 5) instead of section 4
 *
 * Return: a NUL-terminated string owned by the caller, NULL when out of memory.
 */
char *text_base64_encode(const void *data, size_t length, bool url);

/*
 * text_base64_decode - RFC 4648 section 4, white space allowed
 * @ret_length: bytes decoded
 *
 * Return: the bytes, with a NUL behind them, owned by the caller; NULL when malformed.
 */
unsigned char *text_base64_decode(const char *text, size_t length, size_t *ret_length);

/* text_distance - Damerau-Levenshtein distance of two short strings (longer ones: cut at 63). */
unsigned text_distance(const char *a, const char *b);

/*
 * text_parse_size - "262144", "32Mi", "32MiB", "10M", "1.5G", "64k"
 *
 * Ki/Mi/Gi/Ti (with or without B) and K/M/G/T/k alone are powers of 1024, as in tcpdump and
 * editcap; KB/MB/GB are powers of 1000.
 *
 * Return: 0, or -1 when malformed or out of range.
 */
int text_parse_size(const char *text, uint64_t *ret_bytes);

/*
 * text_parse_duration - Go's durations, as kubectl takes them: "5s", "1m30s", "250ms", "1.5h"; a
 * bare number is seconds
 *
 * Return: 0, or -1 when malformed, negative or above 100 years.
 */
int text_parse_duration(const char *text, uint64_t *ret_milliseconds);

/*
 * text_parse_time - an RFC 3339 time, "2026-11-01T12:00:00Z", with any zone; fractions are cut
 * @ret_seconds: since 1970
 *
 * Return: 0, or -1 when it is none.
 */
int text_parse_time(const char *text, int64_t *ret_seconds);

/* text_format_time - seconds since 1970 as Kubernetes writes times: "2026-11-01T12:00:00Z".
 * Return: @out, which is "" when there is no such year. */
char *text_format_time(char *out, size_t size, int64_t seconds);

/* text_format_bytes - "1.2 MB" (powers of 1000). Return: @out. */
char *text_format_bytes(char *out, size_t size, uint64_t bytes);

/* text_format - printf into a new string. Return: owned by the caller, NULL when out of memory. */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
