/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rate.h"

#include <string.h>

#define SECOND 1000 /* milliseconds */

uint64_t rate_add(struct rate *rate, uint64_t milliseconds, uint64_t total)
{
    /* What is needed is the last one that is a second old; those before it are not. */
    while (rate->count > 1 && (rate->count == RATE_SAMPLES ||
                               rate->samples[1].milliseconds + SECOND <= milliseconds)) {
        rate->count--;
        memmove(rate->samples, rate->samples + 1, rate->count * sizeof(rate->samples[0]));
    }
    rate->samples[rate->count].milliseconds = milliseconds;
    rate->samples[rate->count++].total = total;
    uint64_t elapsed = milliseconds - rate->samples[0].milliseconds;
    uint64_t grown = total - rate->samples[0].total;

    return elapsed <= SECOND ? grown : grown * SECOND / elapsed;
}
