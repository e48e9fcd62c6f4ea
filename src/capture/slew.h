/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The correction of a clock, applied so that time never runs backwards: a larger correction holds
 * at once, a smaller one is reached at half speed, from the last time that was given out. What was
 * not given out yet has the newest correction.
 */
#ifndef KSNIFF_CAPTURE_SLEW_H
#define KSNIFF_CAPTURE_SLEW_H

#include <stdbool.h>
#include <stdint.h>

/* Nanoseconds, all of them. All zero: no correction. */
struct slew {
    int64_t shift;   /* what is added */
    uint64_t excess; /* what is added beside it at the time `from`, and half as fast less and less
                        behind it */
    uint64_t from;   /* as the clock shows it, without correction */
    uint64_t last;   /* the latest time that was given out, without correction */
    bool begun;      /* one was */
};

/* slew_add - @time and @shift nanoseconds, never below 0 or above the largest. */
uint64_t slew_add(uint64_t time, int64_t shift);

/* slew_time - Return: @time, corrected. Of two times the later is never made the earlier. */
uint64_t slew_time(const struct slew *slew, uint64_t time);

/* slew_set - from now on the correction is @shift. */
void slew_set(struct slew *slew, int64_t shift);

/* slew_given - @time (not corrected) was given out. */
static inline void slew_given(struct slew *slew, uint64_t time)
{
    if (!slew->begun || time > slew->last)
        slew->last = time;
    slew->begun = true;
}

#endif
