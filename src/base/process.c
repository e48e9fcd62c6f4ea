/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

extern char **environ;

static int is_executable(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

char *process_find(const char *name)
{
    const char *path = getenv("PATH");

    if (!*name)
        return NULL;
    if (strchr(name, '/'))
        return is_executable(name) ? strdup(name) : NULL;
    if (!path)
        path = "/usr/bin:/bin";
    for (;;) {
        size_t length = strcspn(path, ":");
        char *candidate = length ? text_format("%.*s/%s", (int)length, path, name) : strdup(name);

        if (candidate && is_executable(candidate))
            return candidate;
        free(candidate);
        if (!path[length])
            return NULL;
        path += length + 1;
    }
}

/* Ours without the names that @extra sets, then @extra. Only the array is allocated. */
static char **merged_environment(const char *const *extra)
{
    size_t ours = 0, theirs = 0, used = 0;

    while (environ[ours])
        ours++;
    while (extra && extra[theirs])
        theirs++;
    char **merged = calloc(ours + theirs + 1, sizeof(*merged));
    if (!merged)
        return NULL;
    for (size_t i = 0; i < ours; i++) {
        size_t name = strcspn(environ[i], "=") + 1;
        size_t k = 0;

        while (k < theirs && strncmp(environ[i], extra[k], name) != 0)
            k++;
        if (k == theirs)
            merged[used++] = environ[i];
    }
    for (size_t k = 0; k < theirs; k++)
        merged[used++] = (char *)(uintptr_t)extra[k];
    return merged;
}

/*
 * Makes the descriptor that the child gets, above those that are still to be put in place.
 * Return: the descriptor, or -1 with errno.
 */
static int prepare_fd(int from, int to, int flags)
{
    if (from == PROCESS_INHERIT)
        return fcntl(to, F_DUPFD_CLOEXEC, 3);
    if (from == PROCESS_NULL)
        from = open("/dev/null", flags);
    return from < 0 ? -1 : fcntl(from, F_DUPFD_CLOEXEC, 3);
}

/* Puts the three standard descriptors in place. Return: 0, or -1 with errno. */
static int place_fds(const struct process_options *options)
{
    const int fds[3] = {prepare_fd(options->stdin_fd, 0, O_RDONLY),
                        prepare_fd(options->stdout_fd, 1, O_WRONLY),
                        prepare_fd(options->stderr_fd, 2, O_WRONLY)};
    const int wanted[3] = {options->stdin_fd, options->stdout_fd, options->stderr_fd};

    for (int i = 0; i < 3; i++) {
        /* One that we do not have ourselves cannot be inherited: that is no failure. */
        if (fds[i] < 0 && wanted[i] != PROCESS_INHERIT)
            return -1;
        if (fds[i] >= 0 && dup2(fds[i], i) < 0)
            return -1;
    }
    return 0;
}

static void reset_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGPIPE};
    sigset_t none;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        signal(numbers[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child: never returns. The reason of a failure goes up the pipe as an errno. */
static void run_child(const struct process_options *options, char **env, int report)
{
    reset_signals();
    if (options->new_group)
        setpgid(0, 0);
    if (place_fds(options) == 0)
        execve(options->path, (char *const *)(uintptr_t)options->argv, env);
    int reason = errno;
    if (write(report, &reason, sizeof(reason)) < 0)
        _exit(126);
    _exit(127);
}

int process_pipe(int ret_fds[2], int ours, struct error *err)
{
    int fds[2];

    if (pipe(fds) < 0)
        return error_set(err, ERROR_INTERNAL, "cannot make a pipe: %s", strerror(errno));
    fcntl(fds[0], F_SETFD, FD_CLOEXEC);
    fcntl(fds[1], F_SETFD, FD_CLOEXEC);
    fcntl(fds[ours], F_SETFL, O_NONBLOCK);
    ret_fds[0] = fds[0];
    ret_fds[1] = fds[1];
    return 0;
}

int process_start(const struct process_options *options, pid_t *ret_pid, struct error *err)
{
    cleanup_free char **env = merged_environment(options->env);
    int report[2], reason = 0;

    if (!env)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (pipe(report) < 0)
        return error_set(err, ERROR_INTERNAL, "cannot make a pipe: %s", strerror(errno));
    fcntl(report[0], F_SETFD, FD_CLOEXEC);
    fcntl(report[1], F_SETFD, FD_CLOEXEC);

    pid_t pid = fork();
    if (pid == 0)
        run_child(options, env, report[1]);
    close(report[1]);
    if (pid < 0) {
        close(report[0]);
        return error_set(err, ERROR_INTERNAL, "cannot start \"%s\": %s", options->path,
                         strerror(errno));
    }
    ssize_t got;
    do
        got = read(report[0], &reason, sizeof(reason));
    while (got < 0 && errno == EINTR);
    close(report[0]);
    if (got == (ssize_t)sizeof(reason)) {
        waitpid(pid, NULL, 0);
        return error_set(err, ERROR_INTERNAL, "cannot start \"%s\": %s", options->path,
                         strerror(reason));
    }
    *ret_pid = pid;
    return 0;
}
