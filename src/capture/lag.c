/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/lag.h"

#include <stdlib.h>

#define FARTHEST (INT64_MAX / 4)

int64_t lag_between(uint64_t now, uint64_t time)
{
    uint64_t distance = now > time ? now - time : time - now;
    int64_t bounded = distance > FARTHEST ? FARTHEST : (int64_t)distance;

    return now > time ? bounded : -bounded;
}

void lag_add(struct lag *lag, uint64_t now, int64_t value)
{
    struct lag_range *range = &lag->now;

    if (now - lag->turned >= LAG_NS) {
        lag->before = now - lag->turned < 2ull * LAG_NS ? *range : (struct lag_range){0};
        *range = (struct lag_range){0};
        lag->turned = now;
    }
    if (!range->known)
        *range = (struct lag_range){.known = true, .least = value, .most = value};
    else if (value < range->least)
        range->least = value;
    else if (value > range->most)
        range->most = value;
}

struct lag_range lag_range(const struct lag *lag)
{
    struct lag_range range = lag->now;

    if (!lag->before.known || !range.known)
        return range.known ? range : lag->before;
    if (lag->before.least < range.least)
        range.least = lag->before.least;
    if (lag->before.most > range.most)
        range.most = lag->before.most;
    return range;
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

int64_t lag_of_most(int64_t *lags, unsigned long count, uint64_t width)
{
    unsigned long best = 0, size = 0;

    qsort(lags, count, sizeof(*lags), compare);
    for (unsigned long first = 0, behind = 0; first < count; first++) {
        while (behind < count && (uint64_t)(lags[behind] - lags[first]) <= width)
            behind++;
        if (behind - first > size ||
            (behind - first == size && llabs(lags[first]) < llabs(lags[best]))) {
            best = first;
            size = behind - first;
        }
    }
    return lags[best];
}
