/* SPDX-License-Identifier: Apache-2.0 */
/* How long a helper container lives: the command `ksniff-agent hold`, its main process. */
#ifndef KSNIFF_AGENT_HOLD_H
#define KSNIFF_AGENT_HOLD_H

/* hold_command - @argv: the words behind "hold". Return: the exit code (common/agent.h). */
int hold_command(int argc, char *const argv[]);

#endif
