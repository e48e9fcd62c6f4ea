/* SPDX-License-Identifier: Apache-2.0 */
/* The command lines of `ksniff-recorder fetch` and `status` (common/recording.h). */
#ifndef KSNIFF_AGENT_FETCH_OPTIONS_H
#define KSNIFF_AGENT_FETCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/sieve.h"

struct fetch_options {
    const char *directory;
    uint64_t target;
    uint64_t from; /* the segment to begin with */
    bool has_from;
    uint64_t since, until; /* nanoseconds since 1970 */
    struct sieve sieve;
    bool filtered; /* the sieve has a program */
    bool live;
    unsigned silence; /* seconds */
};

/* fetch_options_parse - read the words behind "fetch". Return: 0, or -1 after a message. */
int fetch_options_parse(int argc, char *const argv[], struct fetch_options *ret_options);

/* fetch_options_parse_status - the same of the words behind "status": -d. */
int fetch_options_parse_status(int argc, char *const argv[], struct fetch_options *ret_options);

#endif
