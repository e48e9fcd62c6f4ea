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
#include "sink/compress.h"
#include "sink/compressed.h"
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

/* What is compressed is written in place, which only a file can be. */
static int refuse_compression(struct error *err, const char *path)
{
    error_set(err, ERROR_USAGE, "\"%s\" is no file, and nothing else is compressed", path);
    return error_remedy(err, "give it another name, or take -o - and a compressor behind it");
}

static int prepare(struct sink *sink, struct error *err)
{
    cleanup_free char *copy = strdup(sink->output);
    struct stat st;

    if (!copy)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (compression_check(sink->output, err) < 0)
        return -1;
    sink->compression = compression_of_file(sink->output);
    if (stat(sink->output, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return cannot(err, sink->output, EISDIR);
        if (sink->compression && !S_ISREG(st.st_mode))
            return refuse_compression(err, sink->output);
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
    if (sink_use_fd(sink, fd, true, err) < 0)
        return -1;
    return sink->compression ? compressed_begin(sink, err) : 0;
}

static int finish(struct sink *sink, struct error *err)
{
    int result = sink->compression && sink->fd >= 0 ? compressed_flush(sink, err) : 0;
    int fd = sink->fd;

    sink->own_fd = false;
    sink->fd = -1;
    /* Network file systems tell only here that something could not be written. */
    return fd < 0 || close(fd) == 0 || result < 0 ? result : cannot(err, sink->output, errno);
}

const struct sink_kind sink_file = {
    .name = "file", .wanted = wanted, .prepare = prepare, .begin = begin, .finish = finish};
