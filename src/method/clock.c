/* SPDX-License-Identifier: Apache-2.0 */
#include "method/clock.h"

#include <string.h>

#include "common/agent.h"

#define DRIFT     10000                  /* of so many nanoseconds a clock may lose or gain one */
#define AGE_MOST  (180ull * 1000000000u) /* nanoseconds until a sample is forgotten */
#define TIME_MOST (INT64_MAX / 2)        /* nanoseconds since 1970: the year 2116 */

uint32_t clock_asked(struct clock *clock, uint64_t now)
{
    if (++clock->last_id == 0)
        clock->last_id = 1;
    clock->questions[clock->last_id % CLOCK_ASKED] =
        (struct clock_question){.id = clock->last_id, .asked = now};
    return clock->last_id;
}

/* Reads a number up to @end, and no other character. Return: behind @end; NULL: it is none, or
 * above @most. */
static const char *read_number(const char *at, char end, uint64_t most, uint64_t *ret)
{
    uint64_t value = 0;

    if (*at == end)
        return NULL;
    for (; *at != end; at++) {
        if (*at < '0' || *at > '9' || value > most / 10)
            return NULL;
        value = value * 10 + (uint64_t)(*at - '0');
    }
    *ret = value;
    return value <= most ? at + 1 : NULL;
}

/* What it may be off by now. */
static int64_t bound_of(const struct clock_sample *sample, uint64_t now)
{
    return sample->bound + (int64_t)((now - sample->time) / DRIFT);
}

static const struct clock_sample *best_of(const struct clock *clock, uint64_t now)
{
    const struct clock_sample *best = clock->samples;

    for (size_t i = 1; i < clock->count; i++)
        if (bound_of(&clock->samples[i], now) <= bound_of(best, now))
            best = &clock->samples[i];
    return best;
}

static void forget(struct clock *clock, size_t count)
{
    clock->count -= count;
    memmove(clock->samples, clock->samples + count, clock->count * sizeof(clock->samples[0]));
}

/* Forgets what is too old, or makes room; and everything, where @sample contradicts the best. */
static void prepare(struct clock *clock, const struct clock_sample *sample)
{
    size_t old = clock->count == CLOCK_SAMPLES ? 1 : 0;

    while (old < clock->count && sample->time - clock->samples[old].time > AGE_MOST)
        old++;
    forget(clock, old);
    if (clock->count == 0)
        return;
    const struct clock_sample *best = best_of(clock, sample->time);
    int64_t apart = sample->offset - best->offset;

    if ((apart < 0 ? -apart : apart) > sample->bound + bound_of(best, sample->time))
        forget(clock, clock->count);
}

static void take(struct clock *clock, const struct clock_sample *sample)
{
    prepare(clock, sample);
    clock->samples[clock->count++] = *sample;
    const struct clock_sample *best = best_of(clock, sample->time);
    clock->valid = true;
    clock->offset = best->offset;
    clock->bound = bound_of(best, sample->time);
    clock->answers++;
}

bool clock_answered(struct clock *clock, const char *line, uint64_t now)
{
    static const char begins[] = AGENT_CLOCK_ANSWER;
    uint64_t id, time;

    if (strncmp(line, begins, strlen(begins)) != 0)
        return false;
    line = read_number(line + strlen(begins), ' ', UINT32_MAX, &id);
    if (!line || !read_number(line, '\0', TIME_MOST, &time))
        return true;
    struct clock_question *question = &clock->questions[id % CLOCK_ASKED];
    if (id == 0 || question->id != id || now < question->asked || now > TIME_MOST)
        return true;
    uint64_t half = (now - question->asked) / 2;
    const struct clock_sample sample = {.time = now,
                                        .offset = (int64_t)time - (int64_t)(question->asked + half),
                                        .bound = (int64_t)half + 1};
    question->id = 0;
    take(clock, &sample);
    return true;
}

void clock_restarted(struct clock *clock)
{
    memset(clock->questions, 0, sizeof(clock->questions));
}
