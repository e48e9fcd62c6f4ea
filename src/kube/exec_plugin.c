/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run: the plugin's standard output is collected up to a bound, its standard error is copied to
 * ours while the end of it is kept for the error message. The run is over when the plugin has
 * ended and its output is at its end too. A plugin that leaves a process of its own behind, which
 * holds the output open, is not waited for once what it printed is a whole answer.
 */
#include "kube/exec_plugin.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/text.h"

enum {
    MOST_ANSWER_BYTES = 1024 * 1024,
    KEPT_STDERR_BYTES = 1024,
    KEPT_STDERR_LINES = 3,
    MOST_PIPE_BYTES = 64 * 1024, /* Linux; fewer elsewhere */
    GRACE_MS = 2000,             /* between SIGTERM and SIGKILL */
};

struct run {
    struct loop *loop;
    const struct kube_config *config;
    pid_t pid;
    int status; /* as waitpid() gives it */
    bool ended;
    int out[2], err[2]; /* pipes; -1: closed */
    struct loop_fd *out_watch, *err_watch;
    struct loop_child *child;
    struct buf answer;
    bool too_long;
    struct buf complaint; /* the end of standard error */
    bool interactive;
    bool has_status_paused; /* the terminal is the plugin's for the time being */
    bool in_line;           /* what it has written last ends within a line */
    bool has_terminal_mode;
    struct termios terminal_mode; /* to be put back after a plugin that had to be ended */
};

/* ---- pipes ---- */

static void close_end(int *fd, struct loop_fd **watch)
{
    loop_remove_fd(*watch);
    *watch = NULL;
    if (*fd >= 0)
        close(steal_fd(fd));
}

static void on_output(void *data, int fd, short revents)
{
    struct run *run = data;
    unsigned char chunk[16384];
    ssize_t got = read(fd, chunk, sizeof(chunk));

    (void)revents;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0 && buf_append(&run->answer, chunk, (size_t)got))
        return;
    run->too_long = got > 0;
    close_end(&run->out[0], &run->out_watch);
}

static void pause_status(struct run *run)
{
    if (!run->has_status_paused)
        log_status_pause();
    run->has_status_paused = true;
}

static void go_on_with_status(struct run *run)
{
    if (!run->has_status_paused)
        return;
    /* The status line is not to take away what still stands there to be read. */
    if (run->in_line && log_is_terminal())
        fputc('\n', stderr);
    log_status_go_on();
}

static void pass_on(const unsigned char *data, size_t length)
{
    while (length > 0) {
        ssize_t written = write(STDERR_FILENO, data, length);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return; /* nobody listens: the answer counts */
        data += written;
        length -= (size_t)written;
    }
}

/* Return: bytes read; 0 at the end or when there is nothing to read now. */
static size_t read_complaint(struct run *run)
{
    unsigned char chunk[KEPT_STDERR_BYTES];
    ssize_t got = read(run->err[0], chunk, sizeof(chunk));

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0) {
        close_end(&run->err[0], &run->err_watch);
        return 0;
    }
    pause_status(run);
    pass_on(chunk, (size_t)got);
    run->in_line = chunk[got - 1] != '\n';
    size_t kept = run->complaint.length;
    if (kept + (size_t)got > KEPT_STDERR_BYTES)
        buf_take(&run->complaint, kept + (size_t)got - KEPT_STDERR_BYTES);
    buf_append(&run->complaint, chunk, (size_t)got);
    return (size_t)got;
}

/* What is in the pipe, which holds no more than this; somebody may go on writing for ever. */
static void drain_complaint(struct run *run)
{
    for (size_t total = 0, got = 1; run->err[0] >= 0 && got > 0 && total < MOST_PIPE_BYTES;
         total += got)
        got = read_complaint(run);
}

static void on_complaint(void *data, int fd, short revents)
{
    (void)fd;
    (void)revents;
    read_complaint(data);
}

static void on_end(void *data, int status)
{
    struct run *run = data;

    run->child = NULL;
    run->status = status;
    run->ended = true;
}

/* ---- starting ---- */

static char *join(const char *name, const char *value)
{
    return text_format("%s=%s", name, value);
}

static void free_strings(char **strings)
{
    for (char **at = strings; at && *at; at++)
        free(*at);
    free(strings);
}

/* Does a later variable of the list have the same name? The later one counts, as in kubectl. */
static bool is_replaced(const struct kube_exec_plugin *plugin, size_t index)
{
    if (strcmp(plugin->env[index].name, "KUBERNETES_EXEC_INFO") == 0)
        return true;
    for (size_t i = index + 1; i < plugin->env_count; i++)
        if (strcmp(plugin->env[i].name, plugin->env[index].name) == 0)
            return true;
    return false;
}

static char **make_environment(const struct run *run)
{
    const struct kube_exec_plugin *plugin = run->config->exec;
    cleanup_free char *info = exec_credential_request(run->config, run->interactive);
    char **env = calloc(plugin->env_count + 2, sizeof(*env));
    size_t used = 0;

    if (!env || !info) {
        free(env);
        return NULL;
    }
    for (size_t i = 0; i < plugin->env_count; i++) {
        if (is_replaced(plugin, i))
            continue;
        env[used] = join(plugin->env[i].name, plugin->env[i].value);
        if (!env[used++])
            goto failed;
    }
    env[used] = join("KUBERNETES_EXEC_INFO", info);
    if (env[used])
        return env;

failed:
    free_strings(env);
    return NULL;
}

/* Return: the arguments, argv[0] included; only the array is allocated. */
static const char **make_arguments(const struct kube_exec_plugin *plugin)
{
    size_t count = 0;

    while (plugin->args && plugin->args[count])
        count++;
    const char **argv = calloc(count + 2, sizeof(*argv));
    if (!argv)
        return NULL;
    argv[0] = plugin->command;
    for (size_t i = 0; i < count; i++)
        argv[i + 1] = plugin->args[i];
    return argv;
}

/* The hint, which often has several lines, on one. */
static void set_install_hint(const struct kube_exec_plugin *plugin, struct error *err)
{
    char line[sizeof(err->remedy)];
    size_t used = 0;

    for (const char *at = plugin->install_hint; *at && used < sizeof(line) - 1; at++) {
        bool blank = strchr(" \t\r\n", *at);

        if (!blank)
            line[used++] = *at;
        else if (used > 0 && line[used - 1] != ' ')
            line[used++] = ' ';
    }
    while (used > 0 && line[used - 1] == ' ')
        used--;
    line[used] = '\0';
    error_remedy(err, "%s", line);
}

/* Return: the path owned by the caller, or NULL with the error set. */
static char *find_plugin(const struct kube_exec_plugin *plugin, const char *user, struct error *err)
{
    char *path = process_find(plugin->command);

    /* "." on PATH must not let the current folder choose who is asked for credentials. */
    if (path && path[0] != '/' && !strchr(plugin->command, '/'))
        free(steal_pointer(path));
    if (path)
        return path;
    error_set(err, ERROR_CONFIG, "the credential plugin \"%s\" of user \"%s\" is not installed",
              plugin->command, user);
    if (plugin->install_hint)
        set_install_hint(plugin, err);
    else
        error_remedy(err, strchr(plugin->command, '/')
                              ? "install it there, or correct the command in the kubeconfig"
                              : "install it, or add its folder to PATH");
    return NULL;
}

static int decide_interactive(struct run *run, struct error *err)
{
    const struct kube_exec_plugin *plugin = run->config->exec;
    bool terminal = isatty(STDIN_FILENO);

    if (strcmp(plugin->interactive_mode, "Always") == 0 && !terminal) {
        error_set(err, ERROR_CONFIG,
                  "the credential plugin \"%s\" needs a terminal, and standard input is none",
                  plugin->command);
        return error_remedy(err, "run this from a terminal, without redirecting its input");
    }
    run->interactive = terminal && strcmp(plugin->interactive_mode, "Never") != 0;
    if (!run->interactive)
        return 0;
    pause_status(run);
    run->has_terminal_mode = tcgetattr(STDIN_FILENO, &run->terminal_mode) == 0;
    return 0;
}

static int start(struct run *run, struct error *err)
{
    const struct kube_exec_plugin *plugin = run->config->exec;
    const char *user = run->config->user ? run->config->user : "";
    cleanup_free char *path = find_plugin(plugin, user, err);
    cleanup_free const char **argv = NULL;

    if (!path || decide_interactive(run, err) < 0)
        return -1;
    char **env = make_environment(run);
    argv = make_arguments(plugin);
    if (!argv || !env) {
        free_strings(env);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    int result = process_pipe(run->out, 0, err) < 0 || process_pipe(run->err, 0, err) < 0 ? -1 : 0;
    struct process_options options = {
        .path = path,
        .argv = argv,
        .env = (const char *const *)env,
        .stdin_fd = run->interactive ? PROCESS_INHERIT : PROCESS_NULL,
        .stdout_fd = run->out[1],
        .stderr_fd = run->err[1],
    };
    if (result == 0 && process_start(&options, &run->pid, err) < 0) {
        if (err)
            err->kind = ERROR_CONFIG;
        result = error_prefix(err, "the credential plugin of user \"%s\"", user);
    }
    free_strings(env);
    for (int i = 0; i < 2; i++) {
        int *fd = i ? &run->err[1] : &run->out[1];

        if (*fd >= 0)
            close(steal_fd(fd));
    }
    return result;
}

/* ---- waiting and ending ---- */

static int watch(struct run *run)
{
    run->child = loop_add_child(run->loop, run->pid, on_end, run);
    run->out_watch = loop_add_fd(run->loop, run->out[0], POLLIN, on_output, run);
    run->err_watch = loop_add_fd(run->loop, run->err[0], POLLIN, on_complaint, run);
    return run->child && run->out_watch && run->err_watch ? 0 : -1;
}

static bool is_answered(const struct run *run)
{
    struct exec_credential credential;

    if (exec_credential_parse(run->config->exec, buf_bytes(&run->answer), run->answer.length,
                              &credential, NULL) < 0)
        return false;
    exec_credential_free(&credential);
    return true;
}

static bool has_succeeded(const struct run *run)
{
    return WIFEXITED(run->status) && WEXITSTATUS(run->status) == 0;
}

/* A failed plugin says nothing more that counts. */
static bool is_over(const struct run *run)
{
    return run->ended && (run->out[0] < 0 || !has_succeeded(run) || is_answered(run));
}

static void step_until(struct run *run, uint64_t milliseconds)
{
    uint64_t end = loop_now() + milliseconds;

    for (uint64_t now = loop_now(); run->child && now < end; now = loop_now())
        loop_step(run->loop, (int)(end - now));
}

/* Ends a plugin that still runs, by its pid: it has had no wish to end by itself. */
static void end_plugin(struct run *run)
{
    if (run->ended)
        return;
    kill(run->pid, SIGTERM);
    if (run->child)
        step_until(run, GRACE_MS);
    if (!run->ended) {
        kill(run->pid, SIGKILL);
        loop_remove_child(run->child);
        run->child = NULL;
        while (waitpid(run->pid, NULL, 0) < 0 && errno == EINTR)
            ;
        run->ended = true;
    }
}

/* A plugin that was ended may have switched the echo off, to ask for a password. */
static void restore_terminal(const struct run *run)
{
    /* In the background this would stop us. */
    if (run->has_terminal_mode && tcgetpgrp(STDIN_FILENO) == getpgrp())
        tcsetattr(STDIN_FILENO, TCSANOW, &run->terminal_mode);
}

static int wait_for_end(struct run *run, struct error *err)
{
    const char *command = run->config->exec->command;

    if (watch(run) < 0) {
        end_plugin(run);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    while (!is_over(run) && !run->too_long && !loop_interrupted(run->loop))
        loop_step(run->loop, -1);
    /* Ctrl-C on a terminal reaches the plugin too, and may have ended it before the loop looked
     * at our own signals. */
    if (run->ended && !has_succeeded(run))
        loop_step(run->loop, 0);
    if (loop_interrupted(run->loop) && !(is_over(run) && has_succeeded(run))) {
        end_plugin(run);
        return error_set(err, ERROR_INTERRUPTED,
                         "interrupted while waiting for the credential plugin \"%s\"", command);
    }
    if (run->too_long) {
        end_plugin(run);
        return error_set(err, ERROR_CONFIG,
                         "the credential plugin \"%s\" printed more than %d bytes", command,
                         MOST_ANSWER_BYTES);
    }
    drain_complaint(run);
    return 0;
}

/* The last lines of standard error that say something, for one line of ours. */
static void quote_complaint(struct run *run, char *out, size_t size)
{
    const char *text = buf_string(&run->complaint);
    const char *lines[KEPT_STDERR_LINES];
    size_t lengths[KEPT_STDERR_LINES], count = 0, used = 0;

    out[0] = '\0';
    for (const char *at = text; at && *at;) {
        size_t length = strcspn(at, "\r\n");

        if (strspn(at, " \t") < length) {
            if (count == KEPT_STDERR_LINES) {
                memmove(lines, lines + 1, sizeof(lines) - sizeof(lines[0]));
                memmove(lengths, lengths + 1, sizeof(lengths) - sizeof(lengths[0]));
                count--;
            }
            lines[count] = at;
            lengths[count++] = length;
        }
        at += length + (at[length] != '\0');
    }
    for (size_t i = 0; i < count && used < size - 1; i++) {
        int wrote = snprintf(out + used, size - used, "%s%.*s", used ? " | " : ": ",
                             (int)lengths[i], lines[i]);

        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

static int failed_plugin(struct run *run, struct error *err)
{
    const struct kube_exec_plugin *plugin = run->config->exec;
    char complaint[KEPT_STDERR_BYTES / 2];

    quote_complaint(run, complaint, sizeof(complaint));
    if (WIFSIGNALED(run->status)) {
        error_set(err, ERROR_CONFIG, "the credential plugin \"%s\" was ended by signal %d%s",
                  plugin->command, WTERMSIG(run->status), complaint);
        return error_remedy(err, "run the command by hand to see why");
    }
    error_set(err, ERROR_CONFIG, "the credential plugin \"%s\" failed with exit code %d%s",
              plugin->command, WEXITSTATUS(run->status), complaint);
    /* Most often a login has run out, whatever the plugin calls it. */
    error_remedy(err, "log in again with it, such as by aws sso login, gcloud auth login or az "
                      "login; run the command by hand to see more");
    if (plugin->install_hint && WEXITSTATUS(run->status) == 127)
        set_install_hint(plugin, err);
    return -1;
}

static int finish(struct run *run, struct exec_credential *ret_credential, struct error *err)
{
    if (!has_succeeded(run))
        return failed_plugin(run, err);
    if (run->answer.length == 0) {
        error_set(err, ERROR_CONFIG, "the credential plugin \"%s\" printed no credentials",
                  run->config->exec->command);
        return error_remedy(err, "log in again with it, and run the command by hand: it has to "
                                 "print an ExecCredential");
    }
    if (exec_credential_parse(run->config->exec, buf_bytes(&run->answer), run->answer.length,
                              ret_credential, err) < 0)
        return error_prefix(err, "the credential plugin \"%s\"", run->config->exec->command);
    return 0;
}

int exec_plugin_run(struct loop *loop, const struct kube_config *config,
                    struct exec_credential *ret_credential, struct error *err)
{
    struct run run = {.loop = loop, .config = config, .out = {-1, -1}, .err = {-1, -1}};
    int result;

    buf_init(&run.answer, MOST_ANSWER_BYTES);
    buf_init(&run.complaint, KEPT_STDERR_BYTES);
    result = start(&run, err);
    if (result == 0)
        result = wait_for_end(&run, err);
    if (result == 0)
        result = finish(&run, ret_credential, err);
    if (result < 0)
        restore_terminal(&run);
    go_on_with_status(&run);
    loop_remove_child(run.child);
    close_end(&run.out[0], &run.out_watch);
    close_end(&run.err[0], &run.err_watch);
    buf_free(&run.answer);
    buf_free(&run.complaint);
    return result;
}
