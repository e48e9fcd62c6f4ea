/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Privileges, lost in stages, once everything that needs them is open:
 *   1. no_new_privs: nothing can be gained again;
 *   2. every capability, in all sets (but `follow` may go on reading files of other users, where it
 *      may: a key log that is made anew must be opened again);
 *   3. being looked into: no core files, no ptrace by the same user (a capture and its secrets; in
 *      `hold` there is nothing to see, and it must stay open to the container runtime, whatever its
 *      user);
 *   4. every system call but those that are still needed (seccomp).
 */
#ifndef KSNIFF_AGENT_LOCKDOWN_H
#define KSNIFF_AGENT_LOCKDOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOCKDOWN_CALLS_MAX 120

struct lockdown_rules {
    const int *calls; /* SYS_*: those that may be made */
    size_t count;     /* at most LOCKDOWN_CALLS_MAX */
    uint32_t kept;    /* capabilities of the first 32, as far as they are there: 1 << CAP_* */
    bool secret;      /* no core files, no ptrace */
};

/* lockdown_to - all stages, by the caller's rules. */
void lockdown_to(const struct lockdown_rules *rules);

enum lockdown { LOCKDOWN_CAPTURE, LOCKDOWN_HOLD, LOCKDOWN_FOLLOW, LOCKDOWN_FETCH };

/* lockdown - all stages. What the kernel does not have is said on standard error and done without.
 */
void lockdown(enum lockdown kind);

#endif
