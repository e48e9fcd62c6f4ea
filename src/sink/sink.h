/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the capture goes. Each kind of sink is one file with a row in one table (sink.c).
 *
 * A sink takes bytes from the front of a buffer of whole blocks. One that cannot take them now
 * keeps them there; the caller stops reading from the agent while the buffer is full.
 */
#ifndef KSNIFF_SINK_SINK_H
#define KSNIFF_SINK_SINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/scratch.h"
#include "pcapng/writer.h"

struct error;
struct loop;
struct loop_child;
struct loop_fd;
struct loop_timer;
struct sink;

#define SINK_LAST_WORDS 3 /* lines: the last alone may be of no use */

struct sink_kind {
    const char *name;
    /* Does -o FILE (NULL: none given) ask for this kind? The first row that says yes is taken. */
    bool (*wanted)(const char *output);
    /* Everything that can be checked before anything touches the cluster. */
    int (*prepare)(struct sink *sink, struct error *err);
    /* Capturing has begun: open it. */
    int (*begin)(struct sink *sink, struct error *err);
    /* Nothing more will come and the buffer is empty: close it. */
    int (*finish)(struct sink *sink, struct error *err);
};

struct sink {
    const struct sink_kind *kind;
    const char *output;                  /* -o, NULL: none */
    const char *title;                   /* "namespace/pod/container" */
    const char *subject;                 /* the pod's name, or the node's */
    const struct capture_format *format; /* tells where a block ends */
    struct loop *loop;

    char *program;          /* Wireshark's path; owned */
    struct scratch scratch; /* where it keeps its files, and the pipe it reads stands */
    char *pipe;             /* that pipe's path; owned; NULL: its standard input */
    struct loop_timer *opener;
    pid_t child; /* 0: none */
    struct loop_child *child_watch;
    int child_status;
    int complaints; /* our end of its standard error, -1: none */
    struct loop_fd *complaints_watch;
    char complaint[SINK_LAST_WORDS][160]; /* its last lines, the oldest first */
    size_t complaint_length;              /* of the last, as far as it has come; 0: it is whole */

    int fd; /* -1: not open */
    struct loop_fd *watch;
    enum sink_writing { SINK_BLOCKING, SINK_NONBLOCKING, SINK_SMALL_WRITES } writing;
    bool own_fd;
    bool ended;  /* nobody reads it any more: a normal end of the capture */
    bool opened; /* somebody has begun to read it */
    bool again;  /* it has been finished, and is to be begun again: another capture is wanted */
    const char *failure; /* why the capture has ended, for one line; NULL: as it should */
    int interrupted;     /* the signal that has ended the capture, 0: none */
    uint64_t written;    /* bytes */
    size_t unread;       /* of them, in its pipe when its reader ended */

    /* Called from the loop when a sink that was full takes bytes again, or has ended. */
    void (*ready)(void *data);
    void *data;
};

extern const struct sink_kind sink_wireshark, sink_file, sink_stdout;

/*
 * sink_prepare - choose the kind by @output and check it; @sink is all zero but for output
 *
 * Errors: ERROR_OUTPUT, ERROR_USAGE.
 */
int sink_prepare(struct sink *sink, struct error *err);

/* sink_begin - open it; title, format, loop, ready and data have been set. */
int sink_begin(struct sink *sink, struct error *err);

/*
 * sink_write - give it what it takes of @bytes now
 *
 * Return: 0 (also when it took nothing, and when it has ended), or -1: the file is cut to whole
 * blocks, nothing more can be written.
 */
int sink_write(struct sink *sink, struct buf *bytes, struct error *err);

/* sink_finish - close it in order. What it wants to be begun again says so: sink->again. */
int sink_finish(struct sink *sink, struct error *err);

/* sink_free - close it if it is open still, and release what it holds. */
void sink_free(struct sink *sink);

/* sink_use_fd - for the kinds: write to @fd from now on. */
int sink_use_fd(struct sink *sink, int fd, bool own, struct error *err);

/* sink_end - for the kinds: nobody reads any more. Closed at once: who opens a named pipe next must
 * not meet this end of it. */
void sink_end(struct sink *sink);

/* sink_close_fd - for the kinds: no longer; it is closed if it is the sink's own. */
void sink_close_fd(struct sink *sink);

#endif
