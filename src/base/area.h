/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A few live lines at the bottom of a terminal, drawn over themselves: bytes for the terminal out,
 * no I/O. Nothing is cleared that is drawn again at once, so nothing flickers.
 *
 * Source of the sequences: ECMA-48 (CUU, EL, ED).
 */
#ifndef KSNIFF_BASE_AREA_H
#define KSNIFF_BASE_AREA_H

#include <stddef.h>

#include "base/buf.h"

#define AREA_LINES_MAX 64
#define AREA_TEXT_MAX  (16u << 10)

/* Starts with zeros. */
struct area {
    size_t count;                   /* lines that are drawn; 0: nothing is */
    size_t lengths[AREA_LINES_MAX]; /* of each, columns */
};

/* area_lines - how many it has at most on a terminal of so many rows: one is left for what is above
 * it. */
size_t area_lines(size_t rows);

/*
 * area_draw - put @text where the area stands, or at the bottom
 * @text: lines, '\n' between them, each of the columns that its bytes are; it is cut to what fits
 * @columns, @rows: of the terminal, now: what was drawn on a wider one may have been wrapped
 * @out: bytes for the terminal are appended; with the cursor behind the last line
 */
void area_draw(struct area *area, const char *text, size_t columns, size_t rows, struct buf *out);

/* area_erase - take it away; the cursor is where its first line began. */
void area_erase(struct area *area, size_t columns, struct buf *out);

#endif
