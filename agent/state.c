/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/state.h"

#include <stdbool.h>
#include <string.h>

#include "agent/message.h"

static const char *const names[] = {[STATE_RECORDING] = "recording",
                                    [STATE_TRIGGERED] = "triggered",
                                    [STATE_FROZEN] = "frozen",
                                    [STATE_WAITING] = "waiting"};

/* ---- writing ---- */

static char *word(char *at, const char *text)
{
    return stpcpy(stpcpy(at, " "), text);
}

static char *number(char *at, uint64_t value)
{
    char digits[21];

    return word(at, decimal(digits, value));
}

static char *write_target(char *at, size_t i, const struct state_target *target)
{
    at = number(stpcpy(at, "target"), i);
    at = word(at, names[target->state]);
    at = number(number(at, target->oldest), target->newest);
    at = number(number(at, target->segments), target->packets);
    at = number(number(at, target->bytes), target->dropped);
    return stpcpy(at, "\n");
}

size_t state_write(const struct ring_state *state, char out[static STATE_TEXT])
{
    char *at = stpcpy(out, "recording 1\nstate");

    at = stpcpy(word(at, names[state->state]), "\n");
    at = stpcpy(number(stpcpy(at, "since"), state->since), "\n");
    if (state->trigger)
        at = stpcpy(number(number(stpcpy(at, "trigger"), state->trigger), state->trigger_target),
                    "\n");
    for (size_t i = 0; i < state->count; i++)
        at = write_target(at, i, &state->targets[i]);
    if (*state->complaint)
        at = stpcpy(word(stpcpy(at, "complaint"), state->complaint), "\n");
    return (size_t)(at - out);
}

/* ---- reading ---- */

/* What is left of a line. */
struct line {
    const char *at, *end;
};

static bool take(struct line *line, const char *text)
{
    size_t length = strlen(text);

    if ((size_t)(line->end - line->at) < length || memcmp(line->at, text, length) != 0 ||
        (line->at + length < line->end && line->at[length] != ' '))
        return false;
    line->at += length;
    if (line->at < line->end)
        line->at++;
    return true;
}

/* Return: 0 where there is none. */
static uint64_t take_number(struct line *line)
{
    uint64_t value = 0;

    for (; line->at < line->end && *line->at != ' '; line->at++)
        if (*line->at >= '0' && *line->at <= '9')
            value = value * 10 + (uint64_t)(*line->at - '0');
    if (line->at < line->end)
        line->at++;
    return value;
}

static void read_target(struct line *line, struct ring_state *state)
{
    uint64_t i = take_number(line);

    if (i >= RECORDING_TARGETS_MAX)
        return;
    take_number(line); /* its state */
    take_number(line); /* the oldest packet */
    state->targets[i].newest = take_number(line);
    for (int skipped = 0; skipped < 3; skipped++)
        take_number(line);
    state->targets[i].dropped = take_number(line);
}

static void read_line(struct line line, struct ring_state *state)
{
    if (take(&line, "since")) {
        state->since = take_number(&line);
    } else if (take(&line, "trigger")) {
        state->trigger = take_number(&line);
        state->trigger_target = take_number(&line);
    } else if (take(&line, "target")) {
        read_target(&line, state);
    } else if (take(&line, "state")) {
        if (take(&line, names[STATE_FROZEN]))
            state->state = STATE_FROZEN;
        else if (take(&line, names[STATE_TRIGGERED]))
            state->state = STATE_TRIGGERED;
    }
}

void state_read(const char *text, size_t length, struct ring_state *ret_state)
{
    const char *end = text + length;

    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));

        if (!newline)
            return;
        read_line((struct line){text, newline}, ret_state);
        text = newline + 1;
    }
}
