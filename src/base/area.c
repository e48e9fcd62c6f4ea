/* SPDX-License-Identifier: Apache-2.0 */
#include "base/area.h"

#include <string.h>

/* Rows that a line takes which was drawn when the terminal may have been wider. */
static size_t rows_of(size_t length, size_t columns)
{
    return length > columns && columns > 0 ? (length + columns - 1) / columns : 1;
}

/* To the beginning of the first line. */
static void go_up(const struct area *area, size_t columns, struct buf *out)
{
    size_t rows = 0;

    for (size_t i = 0; i < area->count; i++)
        rows += rows_of(area->lengths[i], columns);
    buf_append(out, "\r", 1);
    if (rows > 1)
        buf_printf(out, "\x1b[%zuA", rows - 1);
}

/* Return: was it wrapped, so that its lines are not where they were drawn? */
static bool is_wrapped(const struct area *area, size_t columns)
{
    for (size_t i = 0; i < area->count; i++)
        if (rows_of(area->lengths[i], columns) > 1)
            return true;
    return false;
}

size_t area_lines(size_t rows)
{
    size_t most = rows > 1 ? rows - 1 : 1;

    return most < AREA_LINES_MAX ? most : AREA_LINES_MAX;
}

void area_draw(struct area *area, const char *text, size_t columns, size_t rows, struct buf *out)
{
    size_t most = area_lines(rows), before = area->count, count = 0;
    bool clean = is_wrapped(area, columns);

    go_up(area, columns, out);
    if (clean)
        buf_append(out, "\x1b[J", 3);
    for (; *text && count < most; count++) {
        size_t length = strcspn(text, "\n");
        /* A line that fills the terminal would move the cursor to the next. */
        size_t shown = length < columns ? length : columns > 0 ? columns - 1 : 0;

        buf_append(out, "\r\n", count ? 2 : 0);
        buf_append(out, text, shown);
        buf_append(out, "\x1b[K", 3);
        area->lengths[count] = shown;
        text += length + (text[length] == '\n');
    }
    if (count < before && !clean)
        buf_append(out, "\x1b[J", 3);
    area->count = count;
}

void area_erase(struct area *area, size_t columns, struct buf *out)
{
    if (area->count == 0)
        return;
    go_up(area, columns, out);
    buf_append(out, "\x1b[J", 3);
    area->count = 0;
}
