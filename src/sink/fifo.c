/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The named pipe of an extcap program: made by Wireshark (or tshark), whose dumpcap opens it when
 * it likes and closes it when its capture ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/loop.h"
#include "base/system.h"
#include "sink/sink.h"

#define PIPE_SIZE (1 << 20) /* bytes, as of the pipe that is our own (wireshark.c) */
#define OPEN_MS   20        /* between looks whether somebody has opened it */

static bool wanted(const struct sink *sink)
{
    return sink->fifo != NULL;
}

static int prepare(struct sink *sink, struct error *err)
{
    struct stat st;

    if (stat(sink->fifo, &st) < 0)
        return error_set(err, ERROR_OUTPUT, "cannot write to \"%s\": %s", sink->fifo,
                         strerror(errno));
    return 0;
}

static void end(struct sink *sink)
{
    sink->ended = true;
    sink->ready(sink->data);
}

/* Has somebody opened it? Wireshark removes it where its capture has failed. */
static void on_opener(void *data)
{
    struct sink *sink = data;
    int fd = open(sink->fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    struct error err;

    if (fd < 0 && errno == ENXIO) {
        loop_set_timer(sink->opener, OPEN_MS);
        return;
    }
    if (fd < 0) {
        end(sink);
        return;
    }
    system_widen_pipe(fd, PIPE_SIZE);
    sink->opened = true;
    if (sink_use_fd(sink, fd, true, &err) < 0)
        end(sink);
    else
        sink->ready(sink->data);
}

static int begin(struct sink *sink, struct error *err)
{
    sink->opener = loop_add_timer(sink->loop, 0, on_opener, sink);
    return sink->opener ? 0 : error_set(err, ERROR_INTERNAL, "out of memory");
}

static int finish(struct sink *sink, struct error *err)
{
    (void)err;
    sink_free(sink);
    return 0;
}

const struct sink_kind sink_fifo = {
    .name = "Wireshark", .wanted = wanted, .prepare = prepare, .begin = begin, .finish = finish};
