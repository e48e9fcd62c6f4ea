/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --viewer: another program than Wireshark that reads the capture, from a named pipe or as its
 * standard input, and that has the terminal as we have it.
 *
 * What only prints (tshark) is in a process group of its own: a Ctrl-C reaches us alone, the
 * capture ends in order, and the viewer still prints what was on its way. What reads the keyboard
 * (termshark) has the terminal for itself: our messages are kept until it ends. Any other command
 * is beside us in our process group, as a pipe's reader would be.
 *
 * Source: tshark(1); termshark's user guide (-r with a named pipe).
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/command_line.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/text.h"
#include "sink/columns.h"
#include "sink/reader.h"
#include "sink/sink.h"

#define SAY_MS    1000 /* it takes so long to end: the user should know what is waited for */
#define GRACE_MS  2000 /* for its end, where nobody is there any more to wait for it */
#define WORDS_MAX 24   /* of a command of ours */

struct viewer {
    const char *name;
    const char *command; /* as --viewer takes it */
    bool alone;          /* Ctrl-C does not reach it */
    bool screen;         /* it draws on the whole terminal, and stays when it has read all */
    bool names;          /* it is told to show names, and where packets were seen */
};

static const struct viewer viewers[] = {
    {"tshark", "tshark -l -r -", .alone = true, .names = true},
    {"termshark", "termshark -r {}", .screen = true},
};

static const struct viewer other = {.name = NULL};

static const struct viewer *viewer_of(const struct sink *sink)
{
    for (size_t i = 0; i < sizeof(viewers) / sizeof(viewers[0]); i++)
        if (strcmp(sink->viewer, viewers[i].name) == 0)
            return &viewers[i];
    return &other;
}

static bool wanted(const struct sink *sink)
{
    return !sink->output && sink->viewer && strcmp(sink->viewer, "wireshark") != 0;
}

/* ---- before the cluster ---- */

static int not_found(const struct viewer *viewer, const char *name, struct error *err)
{
    error_set(err, ERROR_OUTPUT, "\"%s\" was not found", name);
    if (viewer->name)
        return error_remedy(err, "install it, or choose another --viewer");
    return error_remedy(err, "--viewer takes wireshark, tshark, termshark, or a command");
}

/* What draws needs somewhere to draw. */
static int check_terminal(const struct viewer *viewer, struct error *err)
{
    if (!viewer->screen || (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)))
        return 0;
    error_set(err, ERROR_OUTPUT, "\"%s\" needs a terminal, and there is none", viewer->name);
    return error_remedy(err, "--viewer tshark does without one, as -o FILE does");
}

static int prepare(struct sink *sink, struct error *err)
{
    const struct viewer *viewer = viewer_of(sink);

    if (command_line_split(viewer->command ? viewer->command : sink->viewer, &sink->command, err) <
        0)
        return -1;
    sink->program = process_find(sink->command[0]);
    if (!sink->program)
        return not_found(viewer, sink->command[0], err);
    sink->terminal = true;
    return check_terminal(viewer, err);
}

/* ---- the viewer itself ---- */

static bool has_pipe(char *const *words)
{
    for (size_t i = 0; words[i]; i++)
        if (strstr(words[i], "{}"))
            return true;
    return false;
}

/* Return: a word with the pipe's path for each {}; owned by the caller; NULL when out of memory. */
static char *with_pipe(const char *word, const char *pipe)
{
    char *whole = strdup("");

    for (const char *at = word; whole && *at;) {
        const char *braces = strstr(at, "{}");
        int length = (int)(braces ? braces - at : (ptrdiff_t)strlen(at));
        char *longer = text_format("%s%.*s%s", whole, length, at, braces ? pipe : "");

        free(whole);
        whole = longer;
        at += length + (braces ? 2 : 0);
    }
    return whole;
}

/* How tshark is to show what it reads: see add_settings() of wireshark.c. */
static size_t add_settings(const struct sink *sink, char **argv, size_t count)
{
    char *columns = sink->several ? columns_seen_at() : NULL;

    if (sink->named) {
        argv[count++] = strdup("-N");
        argv[count++] = strdup("dn");
    }
    if (columns) {
        argv[count++] = strdup("-o");
        argv[count++] = columns;
    }
    return count;
}

static void free_words(char ***words)
{
    for (size_t i = 0; *words && (*words)[i]; i++)
        free((*words)[i]);
    free(*words);
}

/* Return: its arguments, owned by the caller (free_words()); NULL when out of memory. */
static char **make_arguments(const struct sink *sink)
{
    size_t count = 0, k = 0;

    while (sink->command[count])
        count++;
    char **argv = calloc(count + WORDS_MAX, sizeof(*argv));
    for (; argv && k < count; k++)
        if (!(argv[k] = with_pipe(sink->command[k], sink->pipe ? sink->pipe : ""))) {
            free_words(&argv);
            return NULL;
        }
    if (argv && viewer_of(sink)->names)
        add_settings(sink, argv, k);
    return argv;
}

/* What writes to the terminal from another process group may be stopped for it (stty tostop). */
static int start_process(struct sink *sink, const struct process_options *options,
                         struct error *err)
{
    void (*old)(int) = options->new_group ? signal(SIGTTOU, SIG_IGN) : SIG_DFL;
    int result = process_start(options, &sink->child, err);

    if (options->new_group)
        signal(SIGTTOU, old);
    return result < 0 ? -1 : reader_watch(sink, err);
}

static int start(struct sink *sink, int stdin_fd, struct error *err)
{
    const struct viewer *viewer = viewer_of(sink);
    CLEANUP(free_words) char **argv = make_arguments(sink);
    const struct process_options options = {.path = sink->program,
                                            .argv = (const char *const *)argv,
                                            .stdin_fd = stdin_fd,
                                            .stdout_fd = PROCESS_INHERIT,
                                            .stderr_fd = PROCESS_INHERIT,
                                            .new_group = viewer->alone};

    if (!argv)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (viewer->screen) {
        sink->has_modes = tcgetattr(STDIN_FILENO, &sink->modes) == 0;
        log_hold();
    }
    return start_process(sink, &options, err);
}

static int begin(struct sink *sink, struct error *err)
{
    if (!has_pipe(sink->command))
        return reader_start_with_stdin(sink, start, err);
    if (scratch_make(&sink->scratch, err) < 0 || reader_make_pipe(sink, err) < 0)
        return -1;
    return start(sink, PROCESS_INHERIT, err);
}

/* ---- its end ---- */

/* A terminal that was left as it should not be is mended, and ours again. */
static void take_terminal_back(struct sink *sink)
{
    if (!viewer_of(sink)->screen)
        return;
    if (sink->has_modes)
        tcsetattr(STDIN_FILENO, TCSANOW, &sink->modes);
    log_release();
}

/* A Ctrl-C that ended the capture may have ended it, too, in its own way. */
static int judge(const struct sink *sink, struct error *err)
{
    int status = sink->child_status;

    if (sink->interrupted)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        error_set(err, ERROR_OUTPUT, "\"%s\" ended with exit code %d", sink->program,
                  WEXITSTATUS(status));
    else if (WIFSIGNALED(status) && WTERMSIG(status) != SIGINT && WTERMSIG(status) != SIGTERM &&
             WTERMSIG(status) != SIGPIPE)
        error_set(err, ERROR_OUTPUT, "\"%s\" was ended by signal %d", sink->program,
                  WTERMSIG(status));
    else
        return 0;
    return error_remedy(err, "it says why above; -o FILE does without it");
}

static void on_say(void *data)
{
    const struct sink *sink = data;

    log_info("the capture is complete; waiting for \"%s\" to end (Ctrl-C ends it)", sink->program);
}

static void on_grace(void *data)
{
    const struct sink *sink = data;

    if (sink->child)
        kill(sink->child, SIGTERM);
}

/* Waits until it has ended. Whoever sends something else than a Ctrl-C wants us to end; a Ctrl-C
 * that comes now is for the viewer, and the one after that insists. */
static void wait_for_end(struct sink *sink, int number)
{
    int asked = 0;

    if (number && number != SIGINT)
        loop_set_timer(sink->opener, GRACE_MS);
    while (sink->child) {
        loop_step(sink->loop, -1);
        number = loop_acknowledge(sink->loop);
        if (number && sink->child)
            kill(sink->child, asked++ ? SIGKILL : SIGTERM);
    }
}

static int finish(struct sink *sink, struct error *err)
{
    struct loop_timer *say =
        viewer_of(sink)->screen ? NULL : loop_add_timer(sink->loop, SAY_MS, on_say, sink);

    sink_close_fd(sink);
    loop_remove_timer(sink->opener);
    sink->opener = loop_add_timer(sink->loop, GRACE_MS, on_grace, sink);
    if (sink->opener)
        loop_stop_timer(sink->opener);
    /* What never opened its pipe would wait for somebody to write to it. */
    if (sink->child && sink->pipe && !sink->opened)
        kill(sink->child, SIGTERM);
    wait_for_end(sink, sink->interrupted);
    loop_remove_timer(say);
    take_terminal_back(sink);
    return judge(sink, err);
}

const struct sink_kind sink_viewer = {
    .name = "the viewer", .wanted = wanted, .prepare = prepare, .begin = begin, .finish = finish};
