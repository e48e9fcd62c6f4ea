/* SPDX-License-Identifier: Apache-2.0 */
/* A moment, as a user names it. */
#ifndef KSNIFF_SETTINGS_MOMENT_H
#define KSNIFF_SETTINGS_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * moment_parse - a time back from now, "10m", or an RFC 3339 time, "2026-11-01T12:00:00.5Z"
 * @now, @ret_moment: nanoseconds since 1970; more than nine digits behind the point are cut. It is
 * whichever moment is meant: "10m" is a time back from that
 *
 * Return: 0, or -1 when it is none, or before 1970.
 */
int moment_parse(const char *text, uint64_t now, uint64_t *ret_moment);

/* moment_is_back - is it a time back, such as "10m"? */
bool moment_is_back(const char *text);

#endif
