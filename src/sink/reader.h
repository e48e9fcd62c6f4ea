/* SPDX-License-Identifier: Apache-2.0 */
/* A program that is started to read a sink: Wireshark, another viewer. For the kinds. */
#ifndef KSNIFF_SINK_READER_H
#define KSNIFF_SINK_READER_H

struct error;
struct sink;

#define READER_OPEN_MS 50 /* between looks whether somebody has opened the pipe for reading */

/*
 * reader_make_pipe - make the named pipe sink->pipe, and write to it as soon as somebody reads it
 *
 * It stands in sink->scratch, which has been made, and is called as sink->subject, as
 * pattern_add_name() has it: its reader may show the name.
 */
int reader_make_pipe(struct sink *sink, struct error *err);

/*
 * reader_start_with_stdin - start it with a pipe as its standard input, and write to that
 * @start: starts the program with this standard input
 */
int reader_start_with_stdin(struct sink *sink,
                            int (*start)(struct sink *sink, int stdin_fd, struct error *err),
                            struct error *err);

/* reader_watch - sink->child has been started: its end is the sink's, with sink->child_status. */
int reader_watch(struct sink *sink, struct error *err);

#endif
