/* SPDX-License-Identifier: Apache-2.0 */
/* The command `ksniff-agent capture`. */
#ifndef KSNIFF_AGENT_CAPTURE_H
#define KSNIFF_AGENT_CAPTURE_H

/* capture_command - @argv: the words behind "capture". Return: the exit code (common/agent.h). */
int capture_command(int argc, char *const argv[]);

#endif
