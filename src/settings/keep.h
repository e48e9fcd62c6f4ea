/* SPDX-License-Identifier: Apache-2.0 */
/* How much is kept, and how long: the words of --keep and --for. */
#ifndef KSNIFF_SETTINGS_KEEP_H
#define KSNIFF_SETTINGS_KEEP_H

#include <stddef.h>
#include <stdint.h>

#define KEEP_BYTES_DEFAULT (1ull << 30)
#define RECORD_FOR_DEFAULT 86400  /* seconds */
#define RECORD_FOR_MAX     604800 /* seconds */

/*
 * keep_parse - "2G,1h", "1h,2G", "2G" or "1h"
 * @ret_bytes, @ret_seconds: what is not named stays
 *
 * What ends with s, m, h or d is a time; a number without a unit may mean both, and is refused.
 * Return: 0, or -1 when malformed.
 */
int keep_parse(const char *text, uint64_t *ret_bytes, uint64_t *ret_seconds);

/* keep_parse_time - "30s", "1h30m", "2d". Return: 0, or -1 when malformed, without a unit, or less
 * than a second. */
int keep_parse_time(const char *text, uint64_t *ret_seconds);

#define KEEP_TEXT_SIZE 24

/* keep_format - a size as keep_parse() reads it: "2G", "1104M"; what is none of MiB is rounded up.
 * Return: @out. */
char *keep_format(char out[static KEEP_TEXT_SIZE], uint64_t bytes);

#endif
