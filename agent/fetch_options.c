/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/fetch_options.h"

#include <string.h>

#include "agent/message.h"
#include "agent/number.h"
#include "common/agent.h"
#include "common/recording.h"

#define SEGMENT_MAX 9999999999u          /* RECORDING_SEGMENT_DIGITS */
#define TIME_MAX    9999999999999999999u /* nanoseconds since 1970 */

_Static_assert(RECORDING_SEGMENT_DIGITS == 10, "SEGMENT_MAX");

static int parse_program(const char *text, struct fetch_options *options)
{
    options->filtered = true;
    program_begin(&options->sieve.program);
    for (; *text; text++)
        if (program_byte(&options->sieve.program, *text) < 0)
            return -1;
    return program_end(&options->sieve.program);
}

static int parse_silence(const char *text, struct fetch_options *options)
{
    uint64_t silence;

    if (number_parse(text, 1, 3600, &silence) < 0)
        return -1;
    options->silence = (unsigned)silence;
    return 0;
}

static int parse_value(char letter, const char *value, struct fetch_options *options)
{
    switch (letter) {
    case 'd':
        options->directory = value;
        return 0;
    case 't':
        return number_parse(value, 0, RECORDING_TARGETS_MAX - 1, &options->target);
    case 'a':
        options->has_from = true;
        return number_parse(value, 0, SEGMENT_MAX, &options->from);
    case 'B':
        return number_parse(value, 0, TIME_MAX, &options->since);
    case 'U':
        return number_parse(value, 0, TIME_MAX, &options->until);
    case 'F':
        return parse_program(value, options);
    default: /* 'S' */
        return parse_silence(value, options);
    }
}

static void set_flag(char letter, struct fetch_options *options)
{
    if (letter == 'L')
        options->live = true;
    else if (letter == 'E')
        options->sieve.ethernet_only = true;
    /* V: the tags stand in the packets, and are looked at anyway. */
}

/* @flags, @letters: the options without and with a value that there are */
static int parse(int argc, char *const argv[], const char *flags, const char *letters,
                 struct fetch_options *options)
{
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        char letter = word[0] == '-' && word[1] && !word[2] ? word[1] : '\0';

        if (letter && strchr(flags, letter)) {
            set_flag(letter, options);
        } else if (!letter || !strchr(letters, letter) || !value ||
                   parse_value(letter, value, options) < 0) {
            message("bad option", word, value);
            return -1;
        } else {
            i++;
        }
    }
    if (options->directory)
        return 0;
    message("which ring? -d DIR", NULL, NULL);
    return -1;
}

int fetch_options_parse(int argc, char *const argv[], struct fetch_options *ret_options)
{
    ret_options->target = RECORDING_TARGETS_MAX;
    ret_options->until = UINT64_MAX;
    ret_options->silence = AGENT_SILENCE_SECONDS;
    if (parse(argc, argv, "ELV", "dtaBUFS", ret_options) < 0)
        return -1;
    if (ret_options->target < RECORDING_TARGETS_MAX)
        return 0;
    message("which target? -t NUMBER", NULL, NULL);
    return -1;
}

int fetch_options_parse_status(int argc, char *const argv[], struct fetch_options *ret_options)
{
    return parse(argc, argv, "", "d", ret_options);
}
