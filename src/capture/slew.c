/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/slew.h"

uint64_t slew_add(uint64_t time, int64_t shift)
{
    if (shift < 0) {
        uint64_t less = -(uint64_t)shift;

        return time > less ? time - less : 0;
    }
    return time > UINT64_MAX - (uint64_t)shift ? UINT64_MAX : time + (uint64_t)shift;
}

static uint64_t excess_at(const struct slew *slew, uint64_t time)
{
    uint64_t gone = time > slew->from ? (time - slew->from) / 2 : 0;

    return slew->excess > gone ? slew->excess - gone : 0;
}

uint64_t slew_time(const struct slew *slew, uint64_t time)
{
    uint64_t corrected = slew_add(time, slew->shift);

    if (slew->excess == 0)
        return corrected;
    uint64_t excess = excess_at(slew, time);
    return corrected > UINT64_MAX - excess ? UINT64_MAX : corrected + excess;
}

void slew_set(struct slew *slew, int64_t shift)
{
    uint64_t before = slew_time(slew, slew->last), after = slew_add(slew->last, shift);

    slew->shift = shift;
    slew->excess = slew->begun && before > after ? before - after : 0;
    slew->from = slew->last;
}
