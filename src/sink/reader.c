/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/system.h"
#include "sink/pattern.h"
#include "sink/sink.h"

#define PIPE_SIZE (1 << 20) /* bytes; Linux's default of 64 KiB wakes us 16 times as often */

/* Has somebody opened the pipe? Only then can it be opened without waiting. */
static void on_opener(void *data)
{
    struct sink *sink = data;
    int fd = open(sink->pipe, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    struct error err;

    if (fd < 0) {
        loop_set_timer(sink->opener, READER_OPEN_MS);
        return;
    }
    system_widen_pipe(fd, PIPE_SIZE);
    sink->opened = true;
    if (sink_use_fd(sink, fd, true, &err) < 0)
        sink->ended = true;
    sink->ready(sink->data);
}

/* What the cluster calls a pod must not choose where the pipe is made. */
static char *pipe_path(const struct sink *sink)
{
    cleanup_buf struct buf name;

    buf_init(&name, PATH_MAX);
    if (!buf_printf(&name, "%s/", sink->scratch.path) || !pattern_add_name(&name, sink->subject))
        return NULL;
    const char *path = buf_string(&name);
    return path ? strdup(path) : NULL;
}

int reader_make_pipe(struct sink *sink, struct error *err)
{
    sink->pipe = pipe_path(sink);
    if (!sink->pipe)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (mkfifo(sink->pipe, 0600) < 0)
        return error_set(err, ERROR_OUTPUT, "cannot make the pipe \"%s\": %s", sink->pipe,
                         strerror(errno));
    sink->opener = loop_add_timer(sink->loop, READER_OPEN_MS, on_opener, sink);
    return sink->opener ? 0 : error_set(err, ERROR_INTERNAL, "out of memory");
}

int reader_start_with_stdin(struct sink *sink,
                            int (*start)(struct sink *sink, int stdin_fd, struct error *err),
                            struct error *err)
{
    int fds[2];

    if (process_pipe(fds, 1, err) < 0)
        return -1;
    int started = start(sink, fds[0], err);
    close(fds[0]);
    sink->opened = started == 0;
    if (started == 0)
        return sink_use_fd(sink, fds[1], true, err);
    close(fds[1]);
    return -1;
}

static void on_exit_of_child(void *data, int status)
{
    struct sink *sink = data;

    sink->child = 0;
    sink->child_watch = NULL;
    sink->child_status = status;
    sink_end(sink);
    sink->ready(sink->data);
}

int reader_watch(struct sink *sink, struct error *err)
{
    sink->child_watch = loop_add_child(sink->loop, sink->child, on_exit_of_child, sink);
    return sink->child_watch ? 0 : error_set(err, ERROR_INTERNAL, "out of memory");
}
