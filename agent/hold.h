/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a helper container lives: the command `ksniff-agent hold`, its main process, and the
 * lock by which the captures beside it say that their clients live (common/agent.h).
 */
#ifndef KSNIFF_AGENT_HOLD_H
#define KSNIFF_AGENT_HOLD_H

#include <stdbool.h>
#include <stdint.h>

/* hold_command - @argv: the words behind "hold". Return: the exit code (common/agent.h). */
int hold_command(int argc, char *const argv[]);

/* A capture's side. Times: milliseconds of the monotonic clock. */
struct hold_lock {
    int fd; /* of the agent's own executable; -1: cannot be had, and nothing below does anything */
    bool held;
    uint64_t until; /* it is wanted up to here */
    uint64_t due;   /* when hold_lock_check() is to be called; UINT64_MAX: never */
};

/* hold_lock_open - before privileges are dropped. The lock is not taken yet. */
void hold_lock_open(struct hold_lock *lock);

/* hold_lock_renew - the client lives: hold the lock from @now for AGENT_LOCK_MS. */
void hold_lock_renew(struct hold_lock *lock, uint64_t now);

/* hold_lock_check - take what could not be had at once, release what is over. */
void hold_lock_check(struct hold_lock *lock, uint64_t now);

#endif
