/* SPDX-License-Identifier: Apache-2.0 */
/* Holds a pod's namespaces, as Kubernetes' pause does. */
#include <signal.h>
#include <unistd.h>

static void end(int number)
{
    (void)number;
    _exit(0);
}

int main(void)
{
    signal(SIGTERM, end);
    signal(SIGINT, end);
    /* In a shared process namespace it is init: the kernel reaps for it. */
    signal(SIGCHLD, SIG_IGN);
    for (;;)
        pause();
}
