/* SPDX-License-Identifier: Apache-2.0 */
/* What the members of a run have come to, now: as a summary. */
#ifndef KSNIFF_CAPTURE_TALLY_H
#define KSNIFF_CAPTURE_TALLY_H

#include <stdbool.h>
#include <stddef.h>

#include "capture/summary.h"

struct member;

/*
 * tally_take - count; sums, rows, how many there are and are up
 * @ret_summary: borrows strings from the members; release with tally_free()
 *
 * Return: false when out of memory.
 */
bool tally_take(struct member *const *members, size_t count, struct summary *ret_summary);
void tally_free(struct summary *summary);

#endif
