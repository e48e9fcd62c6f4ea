/* SPDX-License-Identifier: Apache-2.0 */
/* What main() is in each of the programs: its commands. */
#ifndef KSNIFF_AGENT_COMMANDS_H
#define KSNIFF_AGENT_COMMANDS_H

struct command {
    const char *name;
    /* @argv: the words behind the name. Return: the exit code (common/agent.h). */
    int (*run)(int argc, char *const argv[]);
};

/* commands_run - the command that the first word names, of those in @commands, or "version".
 * @commands: end with a row without a name. Return: the exit code. */
int commands_run(const struct command *commands, int argc, char *const argv[]);

#endif
