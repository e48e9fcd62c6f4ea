/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_print.h"

#include <string.h>

#define DEL 0x7f /* a control character, which is ASCII for JSON_ENSURE_ASCII */

static int print_some(const char *bytes, size_t length, void *data)
{
    FILE *file = data;
    const char *end = bytes + length;

    while (bytes < end) {
        const char *del = memchr(bytes, DEL, (size_t)(end - bytes));
        size_t plain = (size_t)((del ? del : end) - bytes);

        if (fwrite(bytes, 1, plain, file) != plain || (del && fputs("\\u007f", file) == EOF))
            return -1;
        bytes += plain + (del ? 1 : 0);
    }
    return 0;
}

int json_print(FILE *file, const json_t *json)
{
    if (!json || json_dump_callback(json, print_some, file, JSON_INDENT(2) | JSON_ENSURE_ASCII) < 0)
        return -1;
    return fputc('\n', file) == EOF ? -1 : 0;
}
