/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/kubectl.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/process.h"

#define LIMIT_MS 2000

/* Reads until its end, or that of the time. Return: false when the time was over first. */
static bool read_all(int fd, struct buf *out)
{
    const uint64_t end = loop_now() + LIMIT_MS;

    for (;;) {
        const uint64_t now = loop_now();
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        char bytes[4096];

        if (now >= end || poll(&poll_fd, 1, (int)(end - now)) == 0)
            return false;
        ssize_t got = read(fd, bytes, sizeof(bytes));
        if (got == 0)
            return true;
        if (got > 0)
            buf_append(out, bytes, (size_t)got);
        else if (errno != EINTR && errno != EAGAIN)
            return true;
    }
}

int kubectl_run(const char *const *argv, struct buf *ret_output)
{
    cleanup_free char *path = process_find(argv[0]);
    struct error unused;
    int fds[2], status = 0;
    pid_t pid;

    if (!path || process_pipe(fds, 0, &unused) < 0)
        return -1;
    const struct process_options options = {.path = path,
                                            .argv = argv,
                                            .stdin_fd = PROCESS_NULL,
                                            .stdout_fd = fds[1],
                                            .stderr_fd = PROCESS_NULL,
                                            .new_group = 1};
    int started = process_start(&options, &pid, &unused);
    close(fds[1]);
    bool whole = started == 0 && read_all(fds[0], ret_output);
    close(fds[0]);
    if (started < 0)
        return -1;
    if (!whole)
        kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return whole && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool kubectl_minor_version(unsigned *ret_minor)
{
    static const char *const argv[] = {"kubectl", "version", "--client", "-o", "json", NULL};
    CLEANUP(buf_free) struct buf answer;

    buf_init(&answer, KUBECTL_ANSWER_MAX);
    kubectl_run(argv, &answer);
    const char *version =
        answer.length ? strstr(buf_string(&answer), "\"gitVersion\": \"v1.") : NULL;
    return version && sscanf(strstr(version, "v1."), "v1.%3u", ret_minor) == 1;
}
