/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/record_options.h"

#include <string.h>

#include "agent/message.h"
#include "agent/number.h"

#define SHARED_FLAGS  "VHREN"
#define SHARED_VALUES "isbF"

#define SEGMENT_MAX   (16ull << 20)
#define SEGMENT_MIN   (288ull << 10) /* a packet of any length, and what stands around it */
#define SEGMENT_PART  16             /* of the ring, or of a target's part in it */

static int parse_trigger(const char *text, struct record_options *options)
{
    options->has_trigger = true;
    program_begin(&options->trigger);
    for (; *text; text++)
        if (program_byte(&options->trigger, *text) < 0)
            return -1;
    return program_end(&options->trigger);
}

/* The tag is always put back before the program sees a packet: V changes nothing. */
static int parse_trigger_flags(const char *text, struct record_options *options)
{
    options->trigger_ethernet_only = strchr(text, 'E') != NULL;
    return text[strspn(text, "VE")] ? -1 : 0;
}

static int parse_value(char letter, const char *value, struct record_options *options)
{
    switch (letter) {
    case 'd':
        options->directory = value;
        return *value ? 0 : -1;
    case 'k':
        return number_parse(value, RECORDING_KEEP_MIN, 1ull << 60, &options->keep);
    case 'K':
        return number_parse(value, 0, 1ull << 32, &options->keep_seconds);
    case 'A':
        return number_parse(value, 0, 1ull << 40, &options->after_ms);
    case 'T':
        return parse_trigger(value, options);
    case 'X':
        return parse_trigger_flags(value, options);
    default:
        return -1;
    }
}

static int keep_word(struct record_options *options, char *word)
{
    if (options->shared_count == RECORD_WORDS_MAX)
        return -1;
    options->shared[options->shared_count++] = word;
    return 0;
}

static int refuse(const char *word, const char *value)
{
    message("bad option", word, value);
    return -1;
}

static char letter_of(const char *word)
{
    return word[0] == '-' && word[1] && !word[2] ? word[1] : '\0';
}

/* What stands before the first -t. Return: words, or -1 after a message. */
static int parse_shared(int argc, char *const argv[], struct record_options *options)
{
    int i = 0;

    for (; i < argc && strcmp(argv[i], "-t") != 0; i++) {
        char letter = letter_of(argv[i]);

        if (letter && strchr(SHARED_FLAGS, letter)) {
            options->no_shell |= letter == 'N';
            if (keep_word(options, argv[i]) < 0)
                return refuse(argv[i], NULL);
            continue;
        }
        if (!letter || i + 1 == argc)
            return refuse(argv[i], NULL);
        if (strchr(SHARED_VALUES, letter)
                ? keep_word(options, argv[i]) < 0 || keep_word(options, argv[i + 1]) < 0
                : parse_value(letter, argv[i + 1], options) < 0)
            return refuse(argv[i], argv[i + 1]);
        i++;
    }
    return i;
}

/* -t and what belongs to it. Return: words, or -1 after a message. */
static int parse_target(int argc, char *const argv[], struct record_options *options)
{
    int i = 1;

    if (options->target_count == RECORDING_TARGETS_MAX)
        return refuse(argv[0], "too many of them");
    for (; i < argc && strcmp(argv[i], "-t") != 0; i += 2) {
        char letter = letter_of(argv[i]);

        if ((letter != 'C' && letter != 'P') || i + 1 == argc)
            return refuse(argv[i], NULL);
    }
    if (i > RECORD_WORDS_MAX)
        return refuse(argv[0], "too many words");
    options->targets[options->target_count++] = (struct record_words){argv + 1, i - 1};
    return i;
}

static int read_of(const struct record_options *options, size_t target, struct options *ret)
{
    static char *words[2 * RECORD_WORDS_MAX];
    const struct record_words *own = &options->targets[target];
    int count = 0;

    for (int i = 0; i < options->shared_count; i++)
        words[count++] = options->shared[i];
    for (int i = 0; i < own->count; i++)
        words[count++] = own->words[i];
    *ret = (struct options){0};
    return options_parse(count, words, ret);
}

static int check(const struct record_options *options)
{
    static struct options scratch; /* too large for a stack */
    char number[21];

    if (!options->directory || !options->keep || options->target_count == 0) {
        message("record what, and where to? -d, -k and -t", NULL, NULL);
        return -1;
    }
    if (options->keep < options->target_count * RECORDING_KEEP_EACH) {
        message("-k is too small: a target takes at least", decimal(number, RECORDING_KEEP_EACH),
                NULL);
        return -1;
    }
    for (size_t i = 0; i < options->target_count; i++)
        if (read_of(options, i, &scratch) < 0)
            return -1;
    return 0;
}

int record_options_parse(int argc, char *const argv[], struct record_options *ret_options)
{
    int used = parse_shared(argc, argv, ret_options);

    while (used >= 0 && used < argc) {
        int more = parse_target(argc - used, argv + used, ret_options);

        used = more < 0 ? -1 : used + more;
    }
    return used < 0 ? -1 : check(ret_options);
}

void record_options_of(const struct record_options *options, size_t target,
                       struct options *ret_options)
{
    read_of(options, target, ret_options);
    /* The program is shown what is not kept, too. */
    ret_options->whole = options->has_trigger;
    ret_options->patient = true;
}

uint64_t record_options_segment(const struct record_options *options)
{
    uint64_t size = options->keep / (SEGMENT_PART * options->target_count);

    if (size > SEGMENT_MAX)
        return SEGMENT_MAX;
    return size < SEGMENT_MIN ? SEGMENT_MIN : size / RECORDING_BLOCK * RECORDING_BLOCK;
}
