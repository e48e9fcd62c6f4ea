/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "common/agent.h"

#define RETRY_MS 20

int lock_open_executable(void)
{
    return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
}

void lock_open(struct lock *lock)
{
    *lock = (struct lock){.fd = lock_open_executable(), .due = UINT64_MAX};
}

void lock_renew(struct lock *lock, uint64_t now)
{
    if (lock->fd < 0)
        return;
    lock->until = now + AGENT_LOCK_MS;
    lock_check(lock, now);
}

void lock_check(struct lock *lock, uint64_t now)
{
    lock->due = UINT64_MAX;
    if (lock->fd < 0)
        return;
    if (now >= lock->until) {
        if (lock->held)
            flock(lock->fd, LOCK_UN);
        lock->held = false;
        return;
    }
    if (!lock->held)
        lock->held = flock(lock->fd, LOCK_SH | LOCK_NB) == 0;
    if (lock->held)
        lock->due = lock->until;
    else if (errno == EWOULDBLOCK || errno == EINTR)
        lock->due = now + RETRY_MS;
}
