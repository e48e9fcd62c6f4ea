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
#include <termios.h>

#include "base/buf.h"
#include "base/scratch.h"
#include "pcapng/writer.h"
#include "sink/compress.h"
#include "sink/pattern.h"
#include "sink/stall.h"

struct error;
struct loop;
struct loop_child;
struct loop_fd;
struct loop_timer;
struct sink;
struct tcp_server;

#define SINK_WINDOW_MAX (16u << 20) /* bytes that a sink may have taken for readers to come */
#define SINK_LAST_WORDS 3           /* lines: the last alone may be of no use */

struct sink_kind {
    const char *name;
    /* Do -o FILE and --viewer ask for this kind? The first row that says yes is taken. */
    bool (*wanted)(const struct sink *sink);
    /* Everything that can be checked before anything touches the cluster. */
    int (*prepare)(struct sink *sink, struct error *err);
    /* Capturing has begun: open it. */
    int (*begin)(struct sink *sink, struct error *err);
    /* Nothing more will come and the buffer is empty: close it. */
    int (*finish)(struct sink *sink, struct error *err);
    /* Finish this file, and begin the one that follows it. NULL: there is no such thing. */
    int (*next)(struct sink *sink, struct error *err);
    /* Take what can be taken of whole blocks, in the place of writing to a descriptor. NULL: no. */
    int (*write)(struct sink *sink, struct buf *bytes, struct error *err);
    /* Has it taken what its readers have not got yet? NULL: no. */
    bool (*busy)(const struct sink *sink);
};

struct sink {
    const struct sink_kind *kind;
    const char *output;                  /* -o, NULL: none */
    const char *viewer;                  /* --viewer, NULL: none given */
    const char *fifo;                    /* the pipe of an extcap instead; NULL: none */
    const char *title;                   /* "namespace/pod/container" */
    const char *subject;                 /* the pod's name, or the node's */
    const struct capture_format *format; /* tells where a block ends */
    struct loop *loop;
    bool named;   /* there are names of addresses in it: they are to be shown */
    bool several; /* packets of several targets: where each was seen is to be shown */

    char *program;  /* the path of what reads it: Wireshark, a viewer; owned */
    char **command; /* the viewer's words; owned, in one block; NULL: Wireshark */
    bool terminal;  /* it writes to our terminal: no status line */
    bool has_modes; /* the terminal's, before the viewer had it */
    struct termios modes;
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
    struct loop_timer *end_timer; /* NULL: the loop tells when nobody reads any more */
    enum sink_writing { SINK_BLOCKING, SINK_NONBLOCKING, SINK_SMALL_WRITES } writing;
    bool own_fd;
    bool ended;                /* nobody reads it any more: a normal end of the capture */
    struct tcp_server *server; /* owned; NULL: it is none */
    bool unserved; /* nobody is there to read what it has taken, though somebody was to */
    bool opened;   /* somebody has begun to read it */
    bool again;    /* it has been finished, and is to be begun again: another capture is wanted */
    const char *failure; /* why the capture has ended, for one line; NULL: as it should */
    int interrupted;     /* the signal that has ended the capture, 0: none */
    bool stopping;       /* the capture is ending: who does not read yet is not waited for */
    uint64_t written;    /* bytes of the capture, which are where they should be */
    size_t unread;       /* of them, in its pipe when its reader ended */
    struct stall stall;

    /* Files (file.c). The first two are set before sink_prepare(), the values before sink_begin();
     * their time, number and twin are the sink's own. */
    bool numbered;                /* files follow each other: sink_next() */
    struct pattern_names *names;  /* of all sinks of the run; NULL: this is the only one */
    struct pattern_values values; /* what the letters of @output stand for; borrowed */
    char *path;                   /* of the file that is open; owned; NULL: none yet */
    uint64_t file_start;          /* bytes of output in the files before it */

    /* A file that is compressed (compressed.h). */
    const struct compression *compression; /* NULL: it is not */
    void *compressor;                      /* its state; NULL: nothing can be written any more */
    struct buf compressed;                 /* what is not in the file yet */
    size_t pending; /* bytes of the capture that became it; of a port's: that nobody has got */
    uint64_t place; /* in the file, behind the last flush */
    uint8_t tail[COMPRESS_TAIL_MAX]; /* what stands there */
    size_t tail_length;
    struct loop_timer *flusher;
    bool due; /* the next flush is */

    /* Called from the loop when a sink that was full takes bytes again, has ended, or wants
     * sink_write() to be called for what it holds itself. */
    void (*ready)(void *data);
    void *data;
};

extern const struct sink_kind sink_wireshark, sink_viewer, sink_file, sink_stdout, sink_tcp,
    sink_fifo;

/*
 * sink_prepare - choose the kind by @fifo, @output and @viewer, and check it; all else of @sink is
 * zero
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

/*
 * sink_settle - give it @bytes, and bring all that it holds itself where it should be
 *
 * Costs some of the compression: for when sink_size() must be known. Return: as sink_write().
 */
int sink_settle(struct sink *sink, struct buf *bytes, struct error *err);

/* sink_is_busy - has it taken what readers that are there have not got yet? */
bool sink_is_busy(const struct sink *sink);

/* sink_taken - bytes of the capture that were given to it; not all may be where they should be. */
static inline uint64_t sink_taken(const struct sink *sink)
{
    return sink->written + sink->pending;
}

/* sink_size - bytes that the output has become, at most: after sink_settle(), exactly. */
uint64_t sink_size(const struct sink *sink);

/* sink_file_size - of them, those of the file that is open. */
uint64_t sink_file_size(const struct sink *sink);

/*
 * sink_next - finish this file in order, and begin the one that follows it
 *
 * All that belongs into it has been given, and taken by a sink that is numbered. Return: 0; -1: the
 * file ends where it is.
 */
int sink_next(struct sink *sink, struct error *err);

/* sink_name - for messages: of the file that is open, else of what was asked for. */
const char *sink_name(const struct sink *sink);

/* sink_finish - close it in order. What it wants to be begun again says so: sink->again. */
int sink_finish(struct sink *sink, struct error *err);

/* sink_free - close it if it is open still, and release what it holds. */
void sink_free(struct sink *sink);

/* sink_use_fd - for the kinds: write to @fd from now on. */
int sink_use_fd(struct sink *sink, int fd, bool own, struct error *err);

/* sink_look_for_end - look now and then whether anybody reads the pipe still: for systems whose
 * poll(2) does not tell. sink_use_fd() does it there. */
int sink_look_for_end(struct sink *sink, struct error *err);

/* sink_cannot_write - for the kinds: the error of a write that failed with @reason. Return: -1. */
int sink_cannot_write(const struct sink *sink, int reason, struct error *err);

/* sink_end - for the kinds: nobody reads any more. Closed at once: who opens a named pipe next must
 * not meet this end of it. */
void sink_end(struct sink *sink);

/* sink_close_fd - for the kinds: no longer; it is closed if it is the sink's own. */
void sink_close_fd(struct sink *sink);

#endif
