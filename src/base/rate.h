/* SPDX-License-Identifier: Apache-2.0 */
/* How fast something grows, over the last second: a shorter time would make the figure jump. */
#ifndef KSNIFF_BASE_RATE_H
#define KSNIFF_BASE_RATE_H

#include <stddef.h>
#include <stdint.h>

#define RATE_SAMPLES 8

/* All zero to begin with. */
struct rate {
    struct {
        uint64_t milliseconds, total;
    } samples[RATE_SAMPLES]; /* the oldest first */
    size_t count;
};

/*
 * rate_add - it has grown to @total by now
 * @milliseconds: the clock; calls come at least 125 ms apart
 *
 * Return: how much a second, over the last second or the little more that the samples are apart;
 * before the first second is over, what has come in it.
 */
uint64_t rate_add(struct rate *rate, uint64_t milliseconds, uint64_t total);

#endif
