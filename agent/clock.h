/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KSNIFF_AGENT_CLOCK_H
#define KSNIFF_AGENT_CLOCK_H

#include <stdint.h>
#include <time.h>

/* clock_ms - milliseconds of the monotonic clock. */
static inline uint64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#endif
