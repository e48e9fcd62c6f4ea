/* SPDX-License-Identifier: Apache-2.0 */
/* What kubectl knows better, for completion: asked with a limit of time, as somebody waits for it
 * behind a Tab. */
#ifndef KSNIFF_CLI_KUBECTL_H
#define KSNIFF_CLI_KUBECTL_H

#include <stdbool.h>

struct buf;

#define KUBECTL_ANSWER_MAX (1u << 20)
#define KUBECTL_WITH_HOOK  26 /* 1.26 is the first that completes plugins */

/*
 * kubectl_run - run it without anything to read, for at most 2 s, after which it and what it has
 * started are ended
 * @argv: NULL-terminated; argv[0] is looked for on PATH
 * @ret_output: what it writes to standard output, as far as it fits
 *
 * Return: its exit code; -1 when there is none, or when it took too long.
 */
int kubectl_run(const char *const *argv, struct buf *ret_output);

/* kubectl_minor_version - of the one on PATH: 32 of "v1.32.4". Return: false where it is unknown.
 */
bool kubectl_minor_version(unsigned *ret_minor);

#endif
