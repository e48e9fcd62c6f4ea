/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/signals.h"

#include <signal.h>
#include <stddef.h>

void signals_catch(void (*handler)(int number), bool children)
{
    static const int caught[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    const size_t count = sizeof(caught) / sizeof(caught[0]) - !children;
    struct sigaction action = {.sa_handler = handler};
    sigset_t blocked;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&blocked);
    for (size_t i = 0; i < count; i++) {
        sigaction(caught[i], &action, NULL);
        sigaddset(&blocked, caught[i]);
    }
    sigprocmask(SIG_BLOCK, &blocked, NULL);
}
