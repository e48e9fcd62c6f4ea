/* SPDX-License-Identifier: Apache-2.0 */
#include "method/segments.h"

int segments_begin(struct segments *segments, uint64_t number)
{
    bool resumed = segments->resumed;
    bool whole = !resumed || segments->ended;

    if (segments->begun && (number < segments->number || (number == segments->number && !resumed)))
        return -1;
    segments->resumed = false;
    segments->repeated = segments->begun && number == segments->number;
    segments->skip = segments->repeated ? segments->taken : 0;
    /* Of one that was cut, what had not been taken is gone with it. */
    segments->missed =
        segments->begun && !segments->repeated ? number - segments->number - whole : 0;
    segments->ended = false;
    segments->taken = segments->skip;
    segments->number = number;
    segments->begun = true;
    return 0;
}

bool segments_skips(struct segments *segments)
{
    bool skips = segments->skip > 0;

    segments->skip -= skips;
    return skips;
}

void segments_took(struct segments *segments)
{
    segments->taken++;
}

void segments_end(struct segments *segments)
{
    segments->ended = true;
}

void segments_resume(struct segments *segments)
{
    segments->resumed = true;
}
