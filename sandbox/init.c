/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process of a node: init NETNS. It is process 1 of a process namespace and a mount
 * namespace that are the node's own, and has the node's network. What loses its parent on the node
 * becomes its child; for each that ends it writes a line "PID STATUS" to standard output, after one
 * line with its own id outside. With it ends all that runs on the node, and it ends with who has
 * started it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what)
{
    perror(what);
    _exit(1);
}

static void end_with_parent(void)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        fail("prctl");
}

static void report_ends(void)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        dprintf(STDOUT_FILENO, "%d %d\n", pid, status);
}

/* The mounts of others come here, such as those of network namespaces; ours stay here. */
static void first_process(const sigset_t *children)
{
    end_with_parent();
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        fail("mount");
    dprintf(STDOUT_FILENO, "ready\n");
    for (;;) {
        int number;

        report_ends();
        sigwait(children, &number);
    }
}

int main(int argc, char **argv)
{
    int netns = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
    sigset_t children;
    pid_t pid;

    end_with_parent();
    if (netns < 0 || setns(netns, CLONE_NEWNET) < 0 || unshare(CLONE_NEWPID | CLONE_NEWNS) < 0)
        fail("namespaces");
    setsid();
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, NULL);
    pid = fork();
    if (pid == 0)
        first_process(&children);
    if (pid < 0)
        fail("fork");
    dprintf(STDOUT_FILENO, "%d\n", pid);
    while (waitpid(pid, NULL, 0) < 0)
        ;
    return 0;
}
