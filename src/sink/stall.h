/* SPDX-License-Identifier: Apache-2.0 */
/* A reader that takes nothing while packets wait for it: the user sees an empty window, and is
 * told. */
#ifndef KSNIFF_SINK_STALL_H
#define KSNIFF_SINK_STALL_H

#include <stdbool.h>
#include <stdint.h>

struct loop_timer;
struct sink;

struct stall {
    struct loop_timer *timer; /* NULL: nobody looks */
    uint64_t taken;           /* bytes, when they were looked at last */
    uint64_t since;           /* loop_now(): they are as many */
    bool told;
};

/* stall_begin - look from now on: the sink has something for its reader. Without memory nobody
 * looks. */
void stall_begin(struct sink *sink);

/* stall_end - no longer; what was never begun is allowed. */
void stall_end(struct sink *sink);

#endif
