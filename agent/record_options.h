/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `ksniff-recorder record` (common/recording.h). */
#ifndef KSNIFF_AGENT_RECORD_OPTIONS_H
#define KSNIFF_AGENT_RECORD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/options.h"
#include "agent/program.h"
#include "common/recording.h"

#define RECORD_WORDS_MAX 256

struct record_words {
    char *const *words;
    int count;
};

struct record_options {
    const char *directory;
    uint64_t keep;         /* bytes */
    uint64_t keep_seconds; /* 0: none goes for its age */
    uint64_t after_ms;     /* from the trigger on */
    bool has_trigger;
    bool trigger_ethernet_only;
    bool no_shell;
    char *shared[RECORD_WORDS_MAX]; /* as for capture, the same for each target */
    int shared_count;
    struct record_words targets[RECORDING_TARGETS_MAX]; /* -C and -P of each */
    size_t target_count;
    struct program trigger;
};

/* record_options_parse - read the words behind "record". Return: 0, or -1 after a message. */
int record_options_parse(int argc, char *const argv[], struct record_options *ret_options);

/* record_options_of - what `capture` would be told for a target. They have been found to be right.
 */
void record_options_of(const struct record_options *options, size_t target,
                       struct options *ret_options);

/* record_options_segment - bytes that a segment has at most. */
uint64_t record_options_segment(const struct record_options *options);

#endif
