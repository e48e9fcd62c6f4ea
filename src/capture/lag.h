/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long after their time a source's items arrive: the difference of our clock and the source's,
 * and the way. Kept are the least and the most of the last seconds, so that what a source was like
 * before is forgotten.
 */
#ifndef KSNIFF_CAPTURE_LAG_H
#define KSNIFF_CAPTURE_LAG_H

#include <stdbool.h>
#include <stdint.h>

#define LAG_NS 4000000000u /* what is older than this, or up to twice as old, is forgotten */

/* All zero: nothing is known. Nanoseconds; below 0: the source's clock is ahead. */
struct lag {
    uint64_t turned; /* when `now` began */
    struct lag_range {
        bool known;
        int64_t least, most;
    } now, before;
};

/* lag_between - Return: @now less @time, less than 2^61 (73 years) either way. */
int64_t lag_between(uint64_t now, uint64_t time);

/* lag_add - something has arrived, at @now, with this lag. */
void lag_add(struct lag *lag, uint64_t now, int64_t value);

/* lag_range - Return: the least and the most, and whether they are known at all. */
struct lag_range lag_range(const struct lag *lag);

/*
 * lag_of_most - where do most of them lie?
 * @lags: @count of them, at least one; they are sorted here
 * @width: how far those may lie apart that belong together
 *
 * Return: the least of the largest group; of the one nearest to 0, where several are as large.
 */
int64_t lag_of_most(int64_t *lags, unsigned long count, uint64_t width);

#endif
