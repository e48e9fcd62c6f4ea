/* SPDX-License-Identifier: Apache-2.0 */
/* The command `relay`: many captures over one exec (common/relay.h). */
#ifndef KSNIFF_AGENT_RELAY_H
#define KSNIFF_AGENT_RELAY_H

/* relay_command - run it, without the program's and the command's names. Return: an exit code. */
int relay_command(int argc, char *const argv[]);

#endif
