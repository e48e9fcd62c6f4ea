/* SPDX-License-Identifier: Apache-2.0 */
/* What --help, --version, the man page and completion say; all flags come from the table in
 * flags.c.
 */
#ifndef KSNIFF_CLI_HELP_H
#define KSNIFF_CLI_HELP_H

struct options;

/* help_print - print what options->action asks for. Return: the program's exit code. */
int help_print(const struct options *options);

#endif
