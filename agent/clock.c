/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/clock.h"

#include <time.h>

uint64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t clock_real(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec + (uint64_t)clock_error();
}

#ifdef AGENT_TEST_CLOCK

#include <stdbool.h>
#include <stdlib.h>

int64_t clock_error(void)
{
    static bool known;
    static int64_t error;

    if (!known) {
        const char *milliseconds = getenv("KSNIFF_TEST_CLOCK_ERROR_MS");

        error = milliseconds ? strtol(milliseconds, NULL, 10) * 1000000ll : 0;
        known = true;
    }
    return error;
}

#endif
