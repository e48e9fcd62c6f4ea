/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers by index, as many as turn out to be needed. All zero is an empty one. */
#ifndef KSNIFF_BASE_COUNTERS_H
#define KSNIFF_BASE_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

struct counters {
    uint64_t *values; /* count of them */
    size_t count;
};

void counters_free(struct counters *counters);

/* counters_at - one of them, 0 if it was not there. Return: where it stands until the next call;
 * NULL when out of memory. */
uint64_t *counters_at(struct counters *counters, size_t index);

#endif
