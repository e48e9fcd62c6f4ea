/* SPDX-License-Identifier: Apache-2.0 */
/* The privileges that are left to a recorder (lockdown.h). */
#ifndef KSNIFF_AGENT_RECORD_LOCKDOWN_H
#define KSNIFF_AGENT_RECORD_LOCKDOWN_H

/*
 * record_lockdown_supervisor - what it takes to start a writer again stays
 *
 * A target's namespace may be lost, and come back under another process long after the start. To
 * look for it and to enter it takes SYS_PTRACE and SYS_ADMIN, and to open a packet socket there
 * takes NET_RAW: a writer has them until it has done so, and gets them from the supervisor. That
 * one sees no packet and reads of the ring's files what is at their ends only; what it may not do
 * any more is to become another program.
 */
void record_lockdown_supervisor(void);

/* record_lockdown_writer - no capability, and no system call but for writing new files; in @dir
 * only, where the kernel has Landlock. */
void record_lockdown_writer(int dir);

/* record_lockdown_reader - no capability, and no system call but for looking at files. */
void record_lockdown_reader(void);

#endif
