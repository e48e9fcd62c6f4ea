/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/loop.h"
#include "base/system.h"
#include "sink/compressed.h"
#include "sink/tcp_server.h"

#define SMALL_WRITE PIPE_BUF /* does not block a pipe that poll() calls writable */
#define END_MS      250      /* between looks whether a pipe has a reader, where none is told */

static const struct sink_kind *const kinds[] = {&sink_fifo,   &sink_wireshark, &sink_viewer,
                                                &sink_stdout, &sink_tcp,       &sink_file};

static int refuse_numbers(const struct sink *sink, struct error *err)
{
    error_set(err, ERROR_USAGE,
              "%s cannot be followed by another file: --rotate-size and "
              "--rotate-time need -o FILE",
              sink->kind->name);
    return error_remedy(err, "name a file, or leave them out");
}

int sink_prepare(struct sink *sink, struct error *err)
{
    sink->fd = -1;
    sink->complaints = -1;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!kinds[i]->wanted(sink))
            continue;
        sink->kind = kinds[i];
        return !sink->numbered || sink->kind->next ? sink->kind->prepare(sink, err)
                                                   : refuse_numbers(sink, err);
    }
    return error_set(err, ERROR_INTERNAL, "no sink for \"%s\"", sink->output);
}

int sink_begin(struct sink *sink, struct error *err)
{
    return sink->kind->begin(sink, err);
}

void sink_close_fd(struct sink *sink)
{
    loop_remove_fd(sink->watch);
    sink->watch = NULL;
    loop_remove_timer(sink->end_timer);
    sink->end_timer = NULL;
    if (sink->fd >= 0 && sink->own_fd)
        close(sink->fd);
    sink->fd = -1;
}

void sink_end(struct sink *sink)
{
    if (sink->fd >= 0)
        sink->unread = system_unread(sink->fd);
    sink->ended = true;
    sink_close_fd(sink);
}

static void on_event(void *data, int fd, short revents)
{
    struct sink *sink = data;

    (void)fd;
    if (revents & (POLLERR | POLLHUP | POLLNVAL)) {
        sink_end(sink);
    } else {
        loop_set_events(sink->watch, POLLERR);
    }
    sink->ready(sink->data);
}

static void on_end_timer(void *data)
{
    struct sink *sink = data;
    struct pollfd poll_fd = {.fd = sink->fd, .events = POLLOUT};

    loop_set_timer(sink->end_timer, END_MS);
    if (poll(&poll_fd, 1, 0) <= 0 || !(poll_fd.revents & (POLLERR | POLLHUP | POLLNVAL)))
        return;
    sink_end(sink);
    sink->ready(sink->data);
}

int sink_look_for_end(struct sink *sink, struct error *err)
{
    sink->end_timer = loop_add_timer(sink->loop, END_MS, on_end_timer, sink);
    return sink->end_timer ? 0 : error_set(err, ERROR_INTERNAL, "out of memory");
}

int sink_use_fd(struct sink *sink, int fd, bool own, struct error *err)
{
    struct stat st;

    sink->fd = fd;
    sink->own_fd = own;
    if (fstat(fd, &st) == 0 && !system_can_poll(st.st_mode)) {
        sink->writing = SINK_BLOCKING;
        return 0;
    }
    sink->writing = fcntl(fd, F_GETFL) & O_NONBLOCK ? SINK_NONBLOCKING : SINK_SMALL_WRITES;
    /* Asking for POLLERR alone: to hear of the reader's end also while nothing is written. */
    sink->watch = loop_add_fd(sink->loop, fd, POLLERR, on_event, sink);
    if (!sink->watch)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    return system_tells_end() ? 0 : sink_look_for_end(sink, err);
}

/* Return: bytes written, 0 when it would block, -1 with errno. */
static ssize_t write_some(const struct sink *sink, const void *bytes, size_t length)
{
    if (sink->writing == SINK_SMALL_WRITES) {
        struct pollfd poll_fd = {.fd = sink->fd, .events = POLLOUT};

        if (poll(&poll_fd, 1, 0) == 0)
            return 0;
        length = length > SMALL_WRITE ? SMALL_WRITE : length;
    }
    for (;;) {
        ssize_t written = write(sink->fd, bytes, length);

        if (written >= 0)
            return written;
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return 0;
        if (errno != EINTR)
            return -1;
    }
}

/* Takes the last @length bytes off a file; what others have written before or behind them stays.
 * Return: 0, or -1 when nothing was taken. */
static int take_back(int fd, size_t length)
{
    off_t end = lseek(fd, 0, SEEK_CUR), start = end - (off_t)length;
    struct stat st;

    if (start < 0 || fstat(fd, &st) < 0 || st.st_size != end || ftruncate(fd, start) < 0)
        return -1;
    lseek(fd, start, SEEK_SET); /* for whoever shares our standard output */
    return 0;
}

/* Takes back the part of a block that was written last: @since bytes were written since @bytes. */
static void cut_to_whole(struct sink *sink, const uint8_t *bytes, size_t since)
{
    uint64_t start = sink->written - since - sink->file_start;
    size_t torn = since - sink->format->whole(bytes, since, start == 0);

    if (sink->writing == SINK_BLOCKING && torn > 0 && take_back(sink->fd, torn) == 0)
        sink->written -= torn;
}

int sink_cannot_write(const struct sink *sink, int reason, struct error *err)
{
    error_set(err, ERROR_OUTPUT, "cannot write to \"%s\": %s", sink_name(sink), strerror(reason));
    if (reason == ENOSPC || reason == EDQUOT)
        error_remedy(err, "what was captured until now is in the file; make room, or bound it with "
                          "--max-size");
    return -1;
}

static int write_plain(struct sink *sink, struct buf *bytes, struct error *err)
{
    const uint8_t *start = buf_bytes(bytes);
    size_t done = 0, length = bytes->length;

    while (done < length && !sink->ended) {
        ssize_t written = write_some(sink, start + done, length - done);

        if (written == 0 && sink->writing != SINK_BLOCKING) {
            loop_set_events(sink->watch, POLLOUT);
            break;
        }
        if (written < 0 && (errno == EPIPE || errno == ECONNRESET)) {
            sink_end(sink);
            break;
        }
        if (written <= 0) {
            int reason = errno;

            cut_to_whole(sink, start, done);
            return sink_cannot_write(sink, reason, err);
        }
        done += (size_t)written;
        sink->written += (uint64_t)written;
    }
    buf_take(bytes, sink->ended ? length : done);
    return 0;
}

int sink_write(struct sink *sink, struct buf *bytes, struct error *err)
{
    if (sink->kind->write)
        return sink->kind->write(sink, bytes, err);
    /* Wireshark opens its pipe when it likes. */
    if (sink->fd < 0 && !sink->ended)
        return 0;
    return sink->compression ? compressed_write(sink, bytes, err) : write_plain(sink, bytes, err);
}

int sink_settle(struct sink *sink, struct buf *bytes, struct error *err)
{
    if (sink_write(sink, bytes, err) < 0)
        return -1;
    return sink->compression ? compressed_flush(sink, err) : 0;
}

uint64_t sink_size(const struct sink *sink)
{
    return sink->compression ? sink->file_start + compressed_size(sink) : sink_taken(sink);
}

bool sink_is_busy(const struct sink *sink)
{
    return sink->kind->busy && sink->kind->busy(sink);
}

uint64_t sink_file_size(const struct sink *sink)
{
    return sink_size(sink) - sink->file_start;
}

int sink_next(struct sink *sink, struct error *err)
{
    return sink->kind->next(sink, err);
}

const char *sink_name(const struct sink *sink)
{
    return sink->path ? sink->path : sink->output ? sink->output : sink->kind->name;
}

int sink_finish(struct sink *sink, struct error *err)
{
    return sink->kind->finish(sink, err);
}

void sink_free(struct sink *sink)
{
    sink_close_fd(sink);
    stall_end(sink);
    compressed_free(sink);
    tcp_server_free(sink->server);
    sink->server = NULL;
    loop_remove_child(sink->child_watch);
    sink->child_watch = NULL;
    loop_remove_fd(sink->complaints_watch);
    sink->complaints_watch = NULL;
    if (sink->complaints >= 0)
        close(sink->complaints);
    sink->complaints = -1;
    loop_remove_timer(sink->opener);
    sink->opener = NULL;
    scratch_leave(&sink->scratch, sink->child == 0);
    free(sink->pipe);
    sink->pipe = NULL;
    free(sink->program);
    sink->program = NULL;
    free(sink->command);
    sink->command = NULL;
    free(sink->path);
    sink->path = NULL;
}
