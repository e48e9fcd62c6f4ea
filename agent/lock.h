/* SPDX-License-Identifier: Apache-2.0 */
/* The lock by which a capture says to `hold` that its client lives (common/agent.h). */
#ifndef KSNIFF_AGENT_LOCK_H
#define KSNIFF_AGENT_LOCK_H

#include <stdbool.h>
#include <stdint.h>

/* lock_open_executable - the file that it is a lock of. Return: a descriptor, or -1 with errno. */
int lock_open_executable(void);

/* A capture's side. Times: milliseconds of the monotonic clock. */
struct lock {
    int fd; /* of the agent's own executable; -1: cannot be had, and nothing below does anything */
    bool held;
    uint64_t until; /* it is wanted up to here */
    uint64_t due;   /* when lock_check() is to be called; UINT64_MAX: never */
};

/* lock_open - before privileges are dropped. The lock is not taken yet. */
void lock_open(struct lock *lock);

/* lock_renew - the client lives: hold the lock from @now for AGENT_LOCK_MS. */
void lock_renew(struct lock *lock, uint64_t now);

/* lock_check - take what could not be had at once, release what is over. */
void lock_check(struct lock *lock, uint64_t now);

#endif
