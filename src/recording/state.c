/* SPDX-License-Identifier: Apache-2.0 */
#include "recording/state.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define FORMAT "1"

static const char *const names[] = {[RECORDING_UNKNOWN] = "unknown",
                                    [RECORDING_WAITING] = "waiting",
                                    [RECORDING_RUNS] = "recording",
                                    [RECORDING_TRIGGERED] = "triggered",
                                    [RECORDING_FROZEN] = "frozen"};

const char *recording_condition_name(enum recording_condition condition)
{
    return names[condition];
}

/* A line that is being read, word by word. */
struct line {
    const char *at, *end;
};

struct word {
    const char *text;
    size_t length;
};

/* Return: the next word; of no bytes where there is none. */
static struct word next_word(struct line *line)
{
    while (line->at < line->end && *line->at == ' ')
        line->at++;
    struct word word = {line->at, 0};
    while (line->at < line->end && *line->at != ' ')
        line->at++;
    word.length = (size_t)(line->at - word.text);
    return word;
}

static bool is_word(struct word word, const char *text)
{
    return word.length == strlen(text) && memcmp(word.text, text, word.length) == 0;
}

/* Return: 0, or -1 when the next word is no number. */
static int next_number(struct line *line, uint64_t *ret_number)
{
    struct word word = next_word(line);
    uint64_t number = 0;

    for (size_t i = 0; i < word.length; i++) {
        unsigned digit = (unsigned)(word.text[i] - '0');

        if (!isdigit((unsigned char)word.text[i]) || number > (UINT64_MAX - digit) / 10)
            return -1;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return word.length ? 0 : -1;
}

static enum recording_condition next_condition(struct line *line)
{
    struct word word = next_word(line);

    for (size_t i = RECORDING_WAITING; i < sizeof(names) / sizeof(names[0]); i++)
        if (is_word(word, names[i]))
            return (enum recording_condition)i;
    return RECORDING_UNKNOWN;
}

/* Return: 0, or -1 when the next word is no number of a target. */
static int next_target(struct line *line, unsigned *ret_number)
{
    uint64_t number;

    if (next_number(line, &number) < 0 || number >= RECORDING_TARGETS_MAX)
        return -1;
    *ret_number = (unsigned)number;
    return 0;
}

/* ---- the lines ---- */

static int read_state(struct line *line, struct recording_state *state)
{
    state->condition = next_condition(line);
    return 0;
}

static int read_since(struct line *line, struct recording_state *state)
{
    return next_number(line, &state->since);
}

static int read_trigger(struct line *line, struct recording_state *state)
{
    return next_number(line, &state->trigger) < 0 || next_target(line, &state->trigger_target) < 0
               ? -1
               : 0;
}

static int read_target(struct line *line, struct recording_state *state)
{
    struct recording_target_state target;
    unsigned number;

    if (next_target(line, &number) < 0)
        return -1;
    target.condition = next_condition(line);
    if (next_number(line, &target.oldest) < 0 || next_number(line, &target.newest) < 0 ||
        next_number(line, &target.segments) < 0 || next_number(line, &target.packets) < 0 ||
        next_number(line, &target.bytes) < 0 || next_number(line, &target.dropped) < 0)
        return -1;
    state->targets[number] = target;
    return 0;
}

static int read_complaint(struct line *line, struct recording_state *state)
{
    while (line->at < line->end && *line->at == ' ')
        line->at++;
    snprintf(state->complaint, sizeof(state->complaint), "%.*s", (int)(line->end - line->at),
             line->at);
    return 0;
}

static const struct {
    const char *word;
    int (*read)(struct line *line, struct recording_state *state);
} lines[] = {{"state", read_state},
             {"since", read_since},
             {"trigger", read_trigger},
             {"target", read_target},
             {"complaint", read_complaint}};

static int read_line(struct line line, struct recording_state *state)
{
    struct word first = next_word(&line);

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (is_word(first, lines[i].word))
            return lines[i].read(&line, state);
    return 0;
}

/* @from: is moved behind the line */
static struct line take_line(const char **from, const char *end)
{
    const char *feed = memchr(*from, '\n', (size_t)(end - *from));
    struct line line = {*from, feed ? feed : end};

    *from = feed ? feed + 1 : end;
    return line;
}

int recording_state_read(const char *text, size_t length, struct recording_state *ret_state)
{
    const char *at = text, *end = text + length;
    struct recording_state state = {.condition = RECORDING_UNKNOWN};
    struct line first = take_line(&at, end);

    if (!is_word(next_word(&first), "recording") || !is_word(next_word(&first), FORMAT))
        return -1;
    while (at < end)
        if (read_line(take_line(&at, end), &state) < 0)
            return -1;
    if (state.condition == RECORDING_UNKNOWN)
        return -1;
    *ret_state = state;
    return 0;
}

bool recording_state_is_whole(const char *text, size_t length)
{
    struct recording_state state;

    return length > 0 && text[length - 1] == '\n' &&
           recording_state_read(text, length, &state) == 0;
}
