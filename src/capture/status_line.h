/* SPDX-License-Identifier: Apache-2.0 */
/* The live lines of a run, and what a remote is told meanwhile. */
#ifndef KSNIFF_CAPTURE_STATUS_LINE_H
#define KSNIFF_CAPTURE_STATUS_LINE_H

struct run;

/* status_line_start - draw them from now on, where they are wanted. */
void status_line_start(struct run *run);

void status_line_end(struct run *run);

#endif
