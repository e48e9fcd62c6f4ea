/* SPDX-License-Identifier: Apache-2.0 */
/* The commands `ksniff-recorder record` and `freeze`. */
#ifndef KSNIFF_AGENT_RECORD_H
#define KSNIFF_AGENT_RECORD_H

#include <stdbool.h>

/* record_command - @argv: the words behind "record". Return: the exit code (common/agent.h). */
int record_command(int argc, char *const argv[]);

/* freeze_command - the same of "freeze". */
int freeze_command(int argc, char *const argv[]);

/* freeze_is_done - does the ring's recorder say that nothing more is recorded? @base: the ring's
 * directory */
bool freeze_is_done(int base);

#endif
