/* SPDX-License-Identifier: Apache-2.0 */
/* -o -: standard output, for tshark and any other pipe. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/system.h"
#include "sink/sink.h"

static bool wanted(const struct sink *sink)
{
    return sink->output && strcmp(sink->output, "-") == 0;
}

static int prepare(struct sink *sink, struct error *err)
{
    (void)sink;
    if (fcntl(STDOUT_FILENO, F_GETFD) < 0)
        return error_set(err, ERROR_OUTPUT, "standard output is closed");
    if (!isatty(STDOUT_FILENO))
        return 0;
    error_set(err, ERROR_USAGE, "packets are not written to a terminal");
    return error_remedy(err, "pipe them: kubectl sniff POD -o - | tshark -r - -N dn");
}

/*
 * Whoever shares our standard output (often standard error of the whole pipeline) would be
 * surprised by O_NONBLOCK, which belongs to the open file: open the pipe anew for ourselves, where
 * that can be done.
 */
static int begin(struct sink *sink, struct error *err)
{
    struct stat st;

    if (fstat(STDOUT_FILENO, &st) == 0 && S_ISFIFO(st.st_mode)) {
        int fd = system_open_again(STDOUT_FILENO);

        if (fd >= 0)
            return sink_use_fd(sink, fd, true, err);
    }
    return sink_use_fd(sink, STDOUT_FILENO, false, err);
}

static int finish(struct sink *sink, struct error *err)
{
    sink_free(sink);
    if (close(STDOUT_FILENO) < 0 && errno != EBADF)
        return error_set(err, ERROR_OUTPUT, "cannot write to standard output: %s", strerror(errno));
    return 0;
}

const struct sink_kind sink_stdout = {.name = "standard output",
                                      .wanted = wanted,
                                      .prepare = prepare,
                                      .begin = begin,
                                      .finish = finish};
