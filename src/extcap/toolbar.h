/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wireshark's toolbar of a capture: the filter that can be changed while it runs, pause, a log, and
 * numbers in the status bar. tshark has none; nothing depends on it.
 */
#ifndef KSNIFF_EXTCAP_TOOLBAR_H
#define KSNIFF_EXTCAP_TOOLBAR_H

#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"
#include "extcap/control.h"

struct error;
struct loop;
struct loop_fd;
struct loop_timer;

struct toolbar {
    struct loop *loop;
    const char *in_path, *out_path; /* its pipes; borrowed */
    int in, out;                    /* -1: not open */
    struct loop_fd *in_watch, *out_watch;
    struct loop_timer *opener;
    struct buf received, queued;
    bool ready;         /* it takes values */
    const char *filter; /* that holds now, for its field; borrowed; NULL: none */

    /* From the loop: the user has changed something, or wants the capture to end. */
    void (*filtered)(void *data, const char *text);
    void (*paused)(void *data, bool paused);
    void (*quit)(void *data);
    void *data;
};

/* toolbar_print - the sentences that describe it: of all interfaces. */
void toolbar_print(FILE *out);

/*
 * toolbar_open - begin to listen
 * @toolbar: its loop, paths and events are set; where there are no paths nothing is done
 *
 * A pipe that cannot be opened is none. Release with toolbar_close().
 */
void toolbar_open(struct toolbar *toolbar);
/* toolbar_close - what can be written now, is. What was never opened is allowed. */
void toolbar_close(struct toolbar *toolbar);

/* toolbar_log - add a line to its log. */
void toolbar_log(struct toolbar *toolbar, const char *line);
/* toolbar_status - put @text into the status bar, for some seconds. */
void toolbar_status(struct toolbar *toolbar, const char *text);
/* toolbar_warn - show it in a window. */
void toolbar_warn(struct toolbar *toolbar, const char *text);
/* toolbar_filter - another filter holds: @text stays the caller's, and good until the next. */
void toolbar_filter(struct toolbar *toolbar, const char *text);

#endif
