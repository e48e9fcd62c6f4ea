/* SPDX-License-Identifier: Apache-2.0 */
/* What the user is told of a capture when it has ended. */
#ifndef KSNIFF_CAPTURE_TELLING_H
#define KSNIFF_CAPTURE_TELLING_H

#include <stdbool.h>

struct loss;
struct recorder;
struct summary;

/*
 * tell_results - what ended it, what was captured, what is missing, and what would have helped
 * @loss: of all targets; NULL: none
 * @each: a table of the targets, too
 */
void tell_results(const struct recorder *recorder, const struct loss *loss,
                  const struct summary *summary, bool each);

#endif
