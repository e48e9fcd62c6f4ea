/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/number.h"

int number_parse(const char *text, uint64_t least, uint64_t most, uint64_t *ret)
{
    uint64_t value = 0;

    if (!*text)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || value > (UINT64_MAX - 9) / 10)
            return -1;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    if (value < least || value > most)
        return -1;
    *ret = value;
    return 0;
}
