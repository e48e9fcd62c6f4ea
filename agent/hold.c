/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A capture whose client lives holds a shared lock on the agent's executable for AGENT_LOCK_MS at a
 * time. `hold` tries to take it exclusively every AGENT_LOCK_MS / 2, for a moment only: where it
 * cannot, there is such a capture. A capture that comes in that moment tries again a little later,
 * and never waits for the lock: `hold` may have been stopped while it has it.
 *
 * Idle time is counted in looks, not by the clock: a container that was frozen for an hour has not
 * been without captures for an hour.
 *
 * `hold` may be process 1 of its container: signals have no default action there, and orphans are
 * its to reap. So every signal that matters is blocked and waited for, SIGCHLD among them.
 */
#include "agent/hold.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/lock.h"
#include "agent/lockdown.h"
#include "agent/message.h"
#include "agent/options.h"
#include "agent/secret.h"

#define LOOK_MS (AGENT_LOCK_MS / 2)

static struct options options;

/* Return: whether a capture holds the lock. */
static bool is_locked(int fd)
{
    static bool complained;

    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        flock(fd, LOCK_UN);
        return false;
    }
    if (errno == EWOULDBLOCK)
        return true;
    if (!complained && errno != EINTR)
        message_errno("cannot see whether captures run:", "flock");
    complained = complained || errno != EINTR;
    return false;
}

/* Waits for a signal. Return: its number, -1 at @due. */
static int wait_for_signal(const sigset_t *signals, uint64_t due)
{
    uint64_t now = clock_ms();
    uint64_t wait = due > now ? due - now : 0;
    const struct timespec timeout = {.tv_sec = (time_t)(wait / 1000),
                                     .tv_nsec = (long)(wait % 1000) * 1000000};

    return sigtimedwait(signals, NULL, &timeout);
}

static void hold(const sigset_t *signals, int fd)
{
    const unsigned looks = options.silence * 1000u / LOOK_MS;
    uint64_t due = clock_ms() + LOOK_MS;

    for (unsigned idle = 0; idle < looks;) {
        int number = wait_for_signal(signals, due);

        if (number > 0 && number != SIGCHLD)
            return;
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
        uint64_t now = clock_ms();
        if (now < due)
            continue;
        due = now + LOOK_MS;
        idle = is_locked(fd) ? 0 : idle + 1;
    }
}

int hold_command(int argc, char *const argv[])
{
    const char *own_file = options_unlink(argc, argv);
    int code = AGENT_EXIT_BAD_OPTIONS;
    sigset_t signals;

    if (own_file && secret_is_wanted()) {
        message("a helper removes no file:", own_file, NULL);
        return code;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    if (options_parse_hold(argc, argv, &options) == 0) {
        int fd = lock_open_executable();

        if (fd < 0)
            message_errno("cannot open", "/proc/self/exe");
        lockdown(LOCKDOWN_HOLD);
        hold(&signals, fd);
        code = AGENT_EXIT_OK;
    }
    if (own_file)
        unlink(own_file);
    return code;
}
