/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent's clock is ahead of ours, by questions that it answers (common/agent.h). No I/O,
 * and no clock: the time is given.
 *
 * The answer was given somewhere between question and arrival; the middle is the best guess, and is
 * off by half of the round trip at most. So the fastest round trip counts. With time it counts
 * less, since clocks drift, until it is forgotten. An answer that contradicts it means that a clock
 * was put right: then what was known before is worth nothing.
 *
 * What an agent says is a container's word: at worst the times of its own packets are wrong.
 */
#ifndef KSNIFF_METHOD_CLOCK_H
#define KSNIFF_METHOD_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOCK_ASKED   8  /* questions that may be open at a time; older ones are given up */
#define CLOCK_SAMPLES 32 /* round trips that are kept */

struct clock_question {
    uint32_t id;    /* 0: answered, or none */
    uint64_t asked; /* nanoseconds of our clock */
};

struct clock_sample {
    uint64_t time; /* when the answer came, by our clock */
    int64_t offset, bound;
};

/* Times are nanoseconds. All zero: nothing is known. The first three are for anyone to read. */
struct clock {
    bool valid;
    int64_t offset; /* the agent's clock minus ours, */
    int64_t bound;  /* give or take this, when `answers` was counted up the last time */
    uint64_t answers;

    uint32_t last_id;
    struct clock_question questions[CLOCK_ASKED]; /* by id */
    struct clock_sample samples[CLOCK_SAMPLES];   /* the oldest first */
    size_t count;
};

/*
 * clock_asked - a question goes out
 * @now: our clock, which never steps: loop_time()
 *
 * Return: its ID.
 */
uint32_t clock_asked(struct clock *clock, uint64_t now);

/*
 * clock_answered - a line has come
 * @line: of the agent's standard error, without its name
 *
 * An answer that was not asked for, or that no clock gives, changes nothing.
 * Return: whether it is an answer to a question for the clock, of whatever worth.
 */
bool clock_answered(struct clock *clock, const char *line, uint64_t now);

/* clock_restarted - another agent answers from now on, on the same machine. */
void clock_restarted(struct clock *clock);

#endif
