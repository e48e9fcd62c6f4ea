/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/moment.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"

#define SECOND      1000000000u
#define MILLISECOND 1000000u

/* Return: nanoseconds behind the point of the seconds. */
static uint64_t fraction(const char *text)
{
    const char *at = strchr(text, '.');
    uint64_t sum = 0;

    for (uint64_t digit = SECOND / 10; at && isdigit((unsigned char)at[1]) && digit; digit /= 10)
        sum += digit * (uint64_t)(*++at - '0');
    return sum;
}

int moment_parse(const char *text, uint64_t now, uint64_t *ret_moment)
{
    uint64_t back;
    int64_t seconds;

    if (text_parse_duration(text, &back) == 0) {
        if (back > now / MILLISECOND)
            return -1;
        *ret_moment = now - back * MILLISECOND;
        return 0;
    }
    if (text_parse_time(text, &seconds) < 0 || seconds < 0 ||
        (uint64_t)seconds > UINT64_MAX / SECOND - 1)
        return -1;
    *ret_moment = (uint64_t)seconds * SECOND + fraction(text);
    return 0;
}

bool moment_is_back(const char *text)
{
    uint64_t back;

    return text_parse_duration(text, &back) == 0;
}
