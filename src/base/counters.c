/* SPDX-License-Identifier: Apache-2.0 */
#include "base/counters.h"

#include <stdlib.h>
#include <string.h>

void counters_free(struct counters *counters)
{
    free(counters->values);
    *counters = (struct counters){0};
}

uint64_t *counters_at(struct counters *counters, size_t index)
{
    if (index >= counters->count) {
        size_t count = counters->count ? counters->count : 16;

        while (count <= index)
            count *= 2;
        uint64_t *values = realloc(counters->values, count * sizeof(*values));
        if (!values)
            return NULL;
        memset(values + counters->count, 0, (count - counters->count) * sizeof(*values));
        *counters = (struct counters){.values = values, .count = count};
    }
    return &counters->values[index];
}
