/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wireshark, reading pcapng live from a named pipe. Unlike its standard input, which it keeps open,
 * that is opened and closed by the capture child it starts: so its Stop button is the end of the
 * pipe's reader, and its Start and Restart buttons are another reader.
 *
 * It dies of any signal without asking about unsaved packets, and leaves its file of them; so it is
 * ended only when the user insists, and its files are in a directory that is removed (scratch.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/system.h"
#include "base/text.h"
#include "sink/columns.h"
#include "sink/dumpcap.h"
#include "sink/reader.h"
#include "sink/sink.h"
#include "sink/wireshark_find.h"

static bool wanted(const struct sink *sink)
{
    return !sink->output && (!sink->viewer || strcmp(sink->viewer, "wireshark") == 0);
}

/* ---- before the cluster ---- */

static int find_program(struct sink *sink, struct error *err)
{
    const char *chosen = getenv("KSNIFF_WIRESHARK");

    if (chosen && *chosen) {
        sink->program = process_find(chosen);
        if (sink->program)
            return 0;
        error_set(err, ERROR_OUTPUT, "no executable \"%s\"", chosen);
        return error_remedy(err, "KSNIFF_WIRESHARK names the Wireshark to use");
    }
    sink->program = wireshark_find("");
    if (sink->program)
        return 0;
    error_set(err, ERROR_OUTPUT, "\"wireshark\" was not found");
    return error_remedy(err, "install it, name it in KSNIFF_WIRESHARK, or write the packets to a "
                             "file with -o FILE");
}

/* Of Windows, started from its Linux subsystem: it knows neither our pipes nor our displays. */
static bool is_foreign(const char *program)
{
    size_t length = strlen(program);

    return length > 4 && strcasecmp(program + length - 4, ".exe") == 0;
}

/* A program of the user's own, by another name, may need none. So may Qt's other platforms. */
static bool needs_display(const char *program)
{
    const char *slash = strrchr(program, '/');
    const char *platform = getenv("QT_QPA_PLATFORM");

    return system_needs_display() &&
           strncasecmp(slash ? slash + 1 : program, "wireshark", 9) == 0 && !is_foreign(program) &&
           !(platform && *platform);
}

static bool has_display(void)
{
    static const char *const names[] = {"DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = getenv(names[i]);

        if (value && *value)
            return true;
    }
    return false;
}

static int prepare(struct sink *sink, struct error *err)
{
    if (find_program(sink, err) < 0 || dumpcap_check(sink->program, err) < 0)
        return -1;
    if (!needs_display(sink->program) || has_display())
        return 0;
    error_set(err, ERROR_OUTPUT,
              "Wireshark needs a display, and neither \"DISPLAY\" nor \"WAYLAND_DISPLAY\" is set");
    return error_remedy(err, "write the packets to a file with -o FILE, or log in with ssh -X");
}

/* ---- Wireshark itself ---- */

/* GLib's line begins with " ** (program:pid) time [domain] -- ", which is nothing to the user. */
static const char *without_head(const char *line)
{
    const char *dashes = strncmp(line, " ** (", 5) == 0 ? strstr(line, "] -- ") : NULL;

    return dashes ? dashes + 5 : line;
}

static void end_complaint(struct sink *sink)
{
    if (sink->complaint_length > 0)
        log_debug("wireshark: %s", sink->complaint[SINK_LAST_WORDS - 1]);
    sink->complaint_length = 0;
}

static void add_to_complaint(struct sink *sink, char c)
{
    char *last = sink->complaint[SINK_LAST_WORDS - 1];

    if (sink->complaint_length == 0)
        memmove(sink->complaint[0], sink->complaint[1],
                (SINK_LAST_WORDS - 1) * sizeof(sink->complaint[0]));
    if (sink->complaint_length + 1 < sizeof(sink->complaint[0]))
        last[sink->complaint_length++] = c;
    last[sink->complaint_length] = '\0';
}

/* Return: true when something was read. */
static bool read_complaint(struct sink *sink)
{
    char bytes[1024];
    ssize_t got = read(sink->complaints, bytes, sizeof(bytes));

    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        loop_set_events(sink->complaints_watch, 0);
    for (ssize_t i = 0; i < got; i++) {
        if (bytes[i] == '\n')
            end_complaint(sink);
        else
            add_to_complaint(sink, bytes[i]);
    }
    return got > 0;
}

/*
 * Wireshark says much that is nothing to the user, amid our status line: it is shown with -v alone,
 * and its last lines where it fails.
 */
static void on_complaint(void *data, int fd, short revents)
{
    (void)fd;
    (void)revents;
    read_complaint(data);
}

/*
 * How it is to show what it reads, for this window. Names come from the capture alone: it would ask
 * the DNS of this machine for all others, and tell it so whom the pods talk to.
 */
static void add_settings(const struct sink *sink, const char *columns, const char **argv)
{
    size_t count = 0;

    if (sink->named) {
        argv[count++] = "-o";
        argv[count++] = "nameres.network_name:TRUE";
        argv[count++] = "-o";
        argv[count++] = "nameres.use_external_name_resolver:FALSE";
    }
    if (columns) {
        argv[count++] = "-o";
        argv[count++] = columns;
    }
}

/* @stdin_fd: its standard input, PROCESS_NULL where it reads from the pipe */
static int start(struct sink *sink, int stdin_fd, struct error *err)
{
    cleanup_free char *title = text_format("gui.prepend_window_title:%s", sink->title);
    cleanup_free char *tmpdir = text_format("TMPDIR=%s", sink->scratch.path);
    /* A foreign one keeps its settings elsewhere. */
    cleanup_free char *columns =
        sink->several && !is_foreign(sink->program) ? columns_seen_at() : NULL;
    const char *argv[16] = {sink->program, "-k", "-i", sink->pipe ? sink->pipe : "-", "-o", title};
    const char *const env[] = {tmpdir, NULL};
    int complaints[2];

    if (!title || !tmpdir)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    add_settings(sink, columns, argv + 6);
    if (process_pipe(complaints, 0, err) < 0)
        return -1;
    const struct process_options options = {.path = sink->program,
                                            .argv = argv,
                                            .env = env,
                                            .stdin_fd = stdin_fd,
                                            .stdout_fd = sink->scratch.lifeline,
                                            .stderr_fd = complaints[1],
                                            .new_group = 1};
    int started = process_start(&options, &sink->child, err);
    close(complaints[1]);
    sink->complaints = complaints[0];
    if (started < 0)
        return -1;
    sink->complaints_watch = loop_add_fd(sink->loop, complaints[0], POLLIN, on_complaint, sink);
    stall_begin(sink);
    return sink->complaints_watch ? reader_watch(sink, err)
                                  : error_set(err, ERROR_INTERNAL, "out of memory");
}

static int begin(struct sink *sink, struct error *err)
{
    if (sink->opened) { /* it has asked for another capture itself */
        stall_begin(sink);
        return 0;
    }
    if (scratch_make(&sink->scratch, err) < 0)
        return -1;
    if (is_foreign(sink->program))
        return reader_start_with_stdin(sink, start, err);
    return reader_make_pipe(sink, err) < 0 ? -1 : start(sink, PROCESS_NULL, err);
}

/* ---- its end ---- */

static int with_last_words(struct sink *sink, struct error *err)
{
    char words[sizeof(sink->complaint)] = "";

    /* It is dead: what it said last is in the pipe. */
    while (read_complaint(sink))
        ;
    end_complaint(sink);
    for (size_t i = 0; i < SINK_LAST_WORDS; i++) {
        const char *line = without_head(sink->complaint[i]);
        size_t used = strlen(words);

        snprintf(words + used, sizeof(words) - used, "%s%s", used && *line ? " / " : "", line);
    }
    return error_remedy(err, "%s%s-o FILE does without it", words, *words ? "; " : "");
}

/* Return: 0 when Wireshark ended as it should. */
static int judge(struct sink *sink, struct error *err)
{
    int status = sink->child_status;

    if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
        error_set(err, ERROR_OUTPUT, "\"%s\" ended with exit code %d", sink->program,
                  WEXITSTATUS(status));
        return with_last_words(sink, err);
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGINT && WTERMSIG(status) != SIGTERM) {
        error_set(err, ERROR_OUTPUT, "\"%s\" was ended by signal %d", sink->program,
                  WTERMSIG(status));
        return with_last_words(sink, err);
    }
    return 0;
}

static void say_why_waiting(const struct sink *sink, bool stopped)
{
    const char *leave = "(Ctrl-C closes it, and what is not saved there is lost)";

    if (sink->failure)
        log_warning("the capture has failed: %s; waiting for Wireshark to be closed %s",
                    sink->failure, leave);
    else if (stopped)
        log_info("the capture was stopped in Wireshark, where Start begins another; waiting for "
                 "Wireshark to be closed %s",
                 leave);
    else
        log_info("the capture is complete; waiting for Wireshark to be closed %s", leave);
}

/* Return: false when Wireshark is not waited for: who sends something else than a Ctrl-C wants us
 * to end, not to have packets destroyed. */
static bool obey(struct sink *sink, int number)
{
    if (number == SIGINT)
        kill(-sink->child, SIGTERM);
    if (number == 0 || number == SIGINT)
        return true;
    log_info("Wireshark stays open");
    if (sink->pipe)
        unlink(sink->pipe); /* nobody would write to it */
    return false;
}

/* Who reads the pipe still has not heard of its end: the next one to open it gets a new one. */
static void renew_pipe(struct sink *sink)
{
    if (unlink(sink->pipe) < 0 || mkfifo(sink->pipe, 0600) < 0)
        log_debug("Wireshark cannot begin another capture: %s", strerror(errno));
}

/*
 * The capture is over. The user goes on looking at it: wait until Wireshark is closed, or wants to
 * begin another capture.
 */
static int finish(struct sink *sink, struct error *err)
{
    bool stopped = sink->ended;
    int number = sink->interrupted == SIGINT && sink->opened ? 0 : sink->interrupted;

    stall_end(sink);
    if (sink->pipe && sink->fd >= 0)
        renew_pipe(sink);
    sink_close_fd(sink);
    if (sink->child && sink->opened && !number)
        say_why_waiting(sink, stopped);
    if (sink->opener)
        loop_set_timer(sink->opener, READER_OPEN_MS);
    while (sink->child && sink->fd < 0 && obey(sink, number)) {
        loop_step(sink->loop, -1);
        number = loop_acknowledge(sink->loop);
    }
    if (sink->opener)
        loop_stop_timer(sink->opener);
    sink->again = sink->child && sink->fd >= 0;
    sink->ended = !sink->again;
    return judge(sink, err);
}

const struct sink_kind sink_wireshark = {
    .name = "Wireshark", .wanted = wanted, .prepare = prepare, .begin = begin, .finish = finish};
