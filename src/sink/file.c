/* SPDX-License-Identifier: Apache-2.0 */
/* -o FILE. An existing file stays as it is until the first packets' interfaces are known. */
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "sink/compress.h"
#include "sink/compressed.h"
#include "sink/sink.h"

static bool wanted(const struct sink *sink)
{
    return sink->output != NULL;
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

/* Of names that are not known yet there is nothing to look at but where they will be. */
static int check_directory(const char *output, struct error *err)
{
    cleanup_free char *copy = strdup(output);
    int reason = file_check_folder(output, NULL);

    if (!copy)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (!reason)
        return 0;
    error_set(err, ERROR_OUTPUT, "cannot make a file in \"%s\": %s", dirname(copy),
              strerror(reason));
    return error_remedy(err, reason == ENOENT ? "make the directory, or choose another one with -o"
                                              : "choose another directory with -o");
}

static int check_file(const struct sink *sink, const char *path, struct error *err)
{
    struct stat st;

    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return cannot(err, path, EISDIR);
        if (sink->compression && !S_ISREG(st.st_mode))
            return refuse_compression(err, path);
        return access(path, W_OK) == 0 ? 0 : cannot(err, path, errno);
    }
    return errno == ENOENT ? check_directory(path, err) : cannot(err, path, errno);
}

static int prepare(struct sink *sink, struct error *err)
{
    cleanup_free char *path = NULL;

    if (pattern_check(sink->output, err) < 0 || compression_check(sink->output, err) < 0)
        return -1;
    sink->compression = compression_of_file(sink->output);
    path = pattern_expand(sink->output, &sink->values);
    if (!path)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    return sink->numbered || !pattern_is_fixed(sink->output) ? check_directory(path, err)
                                                             : check_file(sink, path, err);
}

/* Return: a descriptor, -1 with the error. */
static int open_file(const char *path, struct error *err)
{
    /* Nothing may block the loop. */
    int fd = file_open_output(path);

    if (fd < 0 && errno == ENXIO) {
        error_set(err, ERROR_OUTPUT, "nobody reads the pipe \"%s\"", path);
        return error_remedy(err, "start the reader first");
    }
    return fd < 0 ? cannot(err, path, errno) : fd;
}

/* Gives the sink a file that is open. @fd and @path are taken over. */
static int use(struct sink *sink, int fd, char *path, struct error *err)
{
    sink->file_start = sink_size(sink);
    free(sink->path);
    sink->path = path;
    if (sink_use_fd(sink, fd, true, err) < 0)
        return -1;
    return sink->compression ? compressed_begin(sink, err) : 0;
}

/* Opens the file that the values name now. Return: as open_file(). */
static int open_named(struct sink *sink, char **ret_path, struct error *err)
{
    struct stat st;

    *ret_path = pattern_expand(sink->output, &sink->values);
    if (!*ret_path)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    int fd = open_file(*ret_path, err);
    if (fd < 0 || !(sink->numbered || sink->compression) ||
        (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)))
        return fd;
    close(fd);
    error_set(err, ERROR_OUTPUT, "\"%s\" is there already, and is no file", *ret_path);
    return error_remedy(err, "choose another name with -o");
}

static int begin(struct sink *sink, struct error *err)
{
    cleanup_free char *path = NULL;

    sink->values.time = time(NULL);
    sink->values.number = sink->numbered ? 1 : 0;
    if (sink->names && pattern_choose_twin(sink->names, sink->output, &sink->values, err) < 0)
        return -1;
    int fd = open_named(sink, &path, err);
    return fd < 0 ? -1 : use(sink, fd, steal_pointer(path), err);
}

static int finish(struct sink *sink, struct error *err)
{
    int result = sink->compression && sink->fd >= 0 ? compressed_flush(sink, err) : 0;
    int fd = sink->fd;

    compressed_free(sink);
    sink->own_fd = false;
    sink->fd = -1;
    /* Network file systems tell only here that something could not be written. */
    return fd < 0 || close(fd) == 0 || result < 0 ? result : cannot(err, sink_name(sink), errno);
}

/* The new one is opened first: if that fails, there is still this one. */
static int next(struct sink *sink, struct error *err)
{
    cleanup_free char *path = NULL;

    sink->values.time = time(NULL);
    sink->values.number++;
    int fd = open_named(sink, &path, err);
    if (fd < 0)
        return -1;
    if (finish(sink, err) == 0)
        return use(sink, fd, steal_pointer(path), err);
    close(fd);
    unlink(path);
    return -1;
}

const struct sink_kind sink_file = {.name = "file",
                                    .wanted = wanted,
                                    .prepare = prepare,
                                    .begin = begin,
                                    .finish = finish,
                                    .next = next};
