/* SPDX-License-Identifier: Apache-2.0 */
/* The commands `ksniff-recorder fetch` and `status`: what is in a ring (common/recording.h). */
#ifndef KSNIFF_AGENT_FETCH_H
#define KSNIFF_AGENT_FETCH_H

/* @argv: the words behind the command's name. Return: the exit code (common/agent.h). */
int fetch_command(int argc, char *const argv[]);
int status_command(int argc, char *const argv[]);

#endif
