/* SPDX-License-Identifier: Apache-2.0 */
/* Other programs: finding them and starting them without a shell. */
#ifndef KSNIFF_BASE_PROCESS_H
#define KSNIFF_BASE_PROCESS_H

#include <sys/types.h>

struct error;

/*
 * process_find - the path of an executable, as execvp(3) would find it
 * @name: taken as a path if it has a slash
 *
 * Return: a path owned by the caller, NULL when there is none.
 */
char *process_find(const char *name);

struct process_options {
    const char *path;        /* the executable */
    const char *const *argv; /* NULL-terminated, argv[0] included */
    const char *const *env; /* NULL-terminated "NAME=VALUE" that come on top of ours; may be NULL */
    int stdin_fd;           /* what the child gets as 0, 1, 2; -1: /dev/null, -2: as ours */
    int stdout_fd;
    int stderr_fd;
    int new_group; /* its own process group: a Ctrl-C of the terminal does not reach it */
};

#define PROCESS_NULL    (-1)
#define PROCESS_INHERIT (-2)

/*
 * process_start - fork and exec
 *
 * Signals and their mask are the default ones in the child; no other descriptor of ours is passed.
 * Return: 0 with the child's pid, or -1 (ERROR_INTERNAL; the text says why exec failed).
 */
int process_start(const struct process_options *options, pid_t *ret_pid, struct error *err);

/* process_pipe - a pipe whose ends are closed on exec; non-blocking on our side alone (@ours: 0 or
 * 1). Return: 0 or -1. */
int process_pipe(int ret_fds[2], int ours, struct error *err);

#endif
