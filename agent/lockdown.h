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

enum lockdown { LOCKDOWN_CAPTURE, LOCKDOWN_HOLD, LOCKDOWN_FOLLOW, LOCKDOWN_FETCH };

/* lockdown - all stages. What the kernel does not have is said on standard error and done without.
 */
void lockdown(enum lockdown kind);

#endif
