/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KSNIFF_AGENT_CLOCK_H
#define KSNIFF_AGENT_CLOCK_H

#include <stdint.h>

/* clock_ms - milliseconds of the monotonic clock. */
uint64_t clock_ms(void);

/* earlier - of two times. */
static inline uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/*
 * clock_error - nanoseconds that this machine's time of day is to be wrong by, for a test: as many
 * milliseconds as KSNIFF_TEST_CLOCK_ERROR_MS in the environment says. The agent that users get has
 * no such thing: without AGENT_TEST_CLOCK the compiler removes all that asks for it.
 */
#ifdef AGENT_TEST_CLOCK
int64_t clock_error(void);
#else
static inline int64_t clock_error(void)
{
    return 0;
}
#endif

/* clock_real - nanoseconds since 1970. */
uint64_t clock_real(void);

#endif
