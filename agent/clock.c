/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/clock.h"

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
