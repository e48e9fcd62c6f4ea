/* SPDX-License-Identifier: Apache-2.0 */
/* The command `ksniff-agent follow`: a TLS key log, as it grows. */
#ifndef KSNIFF_AGENT_FOLLOW_H
#define KSNIFF_AGENT_FOLLOW_H

/* follow_command - @argv: the words behind "follow". Return: the exit code (common/agent.h). */
int follow_command(int argc, char *const argv[]);

#endif
