/* SPDX-License-Identifier: Apache-2.0 */
/* -o FILE. An existing file stays as it is until the first packets' interfaces are known. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "sink/sink.h"

static bool wanted(const char *output)
{
    return output != NULL;
}

static int cannot(struct error *err, const char *path, int reason)
{
    error_set(err, ERROR_OUTPUT, "cannot write the file \"%s\": %s", path, strerror(reason));
    return error_remedy(err, "choose another one with -o");
}

static int prepare(struct sink *sink, struct error *err)
{
    cleanup_free char *copy = strdup(sink->output);
    struct stat st;

    if (!copy)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (stat(sink->output, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return cannot(err, sink->output, EISDIR);
        return access(sink->output, W_OK) == 0 ? 0 : cannot(err, sink->output, errno);
    }
    if (errno != ENOENT)
        return cannot(err, sink->output, errno);
    return access(dirname(copy), W_OK | X_OK) == 0 ? 0 : cannot(err, sink->output, errno);
}

static int begin(struct sink *sink, struct error *err)
{
    struct stat st;
    bool fifo = stat(sink->output, &st) == 0 && S_ISFIFO(st.st_mode);
    int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;

    /* Opening a FIFO waits for its reader, and nothing may block the loop. */
    int fd = open(sink->output, flags | (fifo ? O_NONBLOCK : 0), 0666);
    if (fd < 0 && errno == ENXIO) {
        error_set(err, ERROR_OUTPUT, "nobody reads the pipe \"%s\"", sink->output);
        return error_remedy(err, "start the reader first");
    }
    if (fd < 0)
        return cannot(err, sink->output, errno);
    return sink_use_fd(sink, fd, true, err);
}

static int finish(struct sink *sink, struct error *err)
{
    int fd = sink->fd;

    sink->own_fd = false;
    sink->fd = -1;
    /* Network file systems tell only here that something could not be written. */
    return fd < 0 || close(fd) == 0 ? 0 : cannot(err, sink->output, errno);
}

const struct sink_kind sink_file = {
    .name = "file", .wanted = wanted, .prepare = prepare, .begin = begin, .finish = finish};
