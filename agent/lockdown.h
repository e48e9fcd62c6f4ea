/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Privileges, lost in stages, once everything that needs them is open:
 *   1. no_new_privs: nothing can be gained again;
 *   2. every capability, in all sets;
 *   3. being looked into: no core files, no ptrace by the same user;
 *   4. every system call but those that capturing still needs (seccomp).
 */
#ifndef KSNIFF_AGENT_LOCKDOWN_H
#define KSNIFF_AGENT_LOCKDOWN_H

/* lockdown - all stages. What the kernel does not have is said on standard error and done without.
 */
void lockdown(void);

#endif
