/* SPDX-License-Identifier: Apache-2.0 */
/* Wireshark, reading pcapng live from its standard input. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/text.h"
#include "sink/sink.h"

#define PIPE_SIZE (1 << 20) /* bytes; Linux's default of 64 KiB wakes us 16 times as often */

static bool wanted(const char *output)
{
    return output == NULL;
}

static int prepare(struct sink *sink, struct error *err)
{
    static const char *const places[] = {"wireshark", "Wireshark",
                                         "/Applications/Wireshark.app/Contents/MacOS/Wireshark"};
    const char *chosen = getenv("KSNIFF_WIRESHARK");

    if (chosen && *chosen) {
        sink->program = process_find(chosen);
        if (sink->program)
            return 0;
        error_set(err, ERROR_OUTPUT, "no executable \"%s\"", chosen);
        return error_remedy(err, "KSNIFF_WIRESHARK names the Wireshark to use");
    }
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && !sink->program; i++)
        sink->program = process_find(places[i]);
    if (sink->program)
        return 0;
    error_set(err, ERROR_OUTPUT, "\"wireshark\" was not found");
    return error_remedy(err, "install it, name it in KSNIFF_WIRESHARK, or write the packets to a "
                             "file with -o FILE");
}

static void on_exit_of_child(void *data, int status)
{
    struct sink *sink = data;

    sink->child = 0;
    sink->child_watch = NULL;
    sink->child_status = status;
    sink->ended = true;
    sink->ready(sink->data);
}

/*
 * Wireshark says much that is nothing to the user, amid our status line: it is shown with -v alone,
 * and its last line where it fails.
 */
static void on_complaint(void *data, int fd, short revents)
{
    struct sink *sink = data;
    char bytes[1024];
    ssize_t got = read(fd, bytes, sizeof(bytes));

    (void)revents;
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            loop_set_events(sink->complaints_watch, 0);
        return;
    }
    for (ssize_t i = 0; i < got; i++) {
        if (bytes[i] != '\n') {
            if (sink->complaint_length + 1 < sizeof(sink->complaint))
                sink->complaint[sink->complaint_length++] = bytes[i];
            sink->complaint[sink->complaint_length] = '\0';
        } else if (sink->complaint_length > 0) {
            log_debug("wireshark: %s", sink->complaint);
            sink->complaint_length = 0; /* the text stays until another line begins */
        }
    }
}

static int begin(struct sink *sink, struct error *err)
{
    cleanup_free char *title = text_format("gui.window_title:%s", sink->title);
    const char *const argv[] = {sink->program, "-k", "-i", "-", "-o", title, NULL};
    struct process_options options = {
        .path = sink->program, .argv = argv, .stdout_fd = PROCESS_NULL};
    int fds[2], complaints[2];

    if (!title)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (process_pipe(fds, 1, err) < 0)
        return -1;
#ifdef F_SETPIPE_SZ
    fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE);
#endif
    if (process_pipe(complaints, 0, err) < 0) {
        close(fds[0]);
        close(fds[1]);
        return -1;
    }
    options.stdin_fd = fds[0];
    options.stderr_fd = complaints[1];
    int started = process_start(&options, &sink->child, err);
    close(fds[0]);
    close(complaints[1]);
    sink->complaints = complaints[0];
    sink->complaints_watch = loop_add_fd(sink->loop, complaints[0], POLLIN, on_complaint, sink);
    if (started < 0) {
        close(fds[1]);
        return -1;
    }
    sink->child_watch = loop_add_child(sink->loop, sink->child, on_exit_of_child, sink);
    if (sink_use_fd(sink, fds[1], true, err) < 0 || !sink->child_watch || !sink->complaints_watch)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    return 0;
}

/* Return: 0 when Wireshark ended as it should. */
static int judge(const struct sink *sink, struct error *err)
{
    int status = sink->child_status;

    if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
        error_set(err, ERROR_OUTPUT, "\"%s\" ended with exit code %d", sink->program,
                  WEXITSTATUS(status));
        return error_remedy(err, "%s%s-o FILE does without it", sink->complaint,
                            sink->complaint[0] ? "; " : "");
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGINT && WTERMSIG(status) != SIGTERM)
        return error_set(err, ERROR_OUTPUT, "\"%s\" was ended by signal %d", sink->program,
                         WTERMSIG(status));
    return 0;
}

/*
 * The capture is over. The user goes on looking at it: wait until Wireshark is closed. An
 * interrupt, before or now, ends it as well.
 */
static int finish(struct sink *sink, struct error *err)
{
    loop_remove_fd(sink->watch);
    sink->watch = NULL;
    if (sink->fd >= 0)
        close(sink->fd);
    sink->fd = -1;
    if (sink->child && !sink->interrupted)
        log_info("the capture is complete; waiting for Wireshark to be closed");
    if (sink->child && sink->interrupted)
        kill(sink->child, SIGTERM);
    while (sink->child) {
        if (loop_acknowledge(sink->loop))
            kill(sink->child, SIGTERM);
        loop_step(sink->loop, -1);
    }
    return judge(sink, err);
}

const struct sink_kind sink_wireshark = {
    .name = "Wireshark", .wanted = wanted, .prepare = prepare, .begin = begin, .finish = finish};
