/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KSNIFF_CLI_CONFLICTS_H
#define KSNIFF_CLI_CONFLICTS_H

#include <stdbool.h>

struct error;
struct options;

/*
 * conflicts_check - refuse flags that do nothing beside the action or the method that is asked for
 * @given: by index of the table of flags: does it stand on the command line? (A variable may always
 *         be set.)
 *
 * Return: 0; -1 with ERROR_USAGE.
 */
int conflicts_check(const struct options *options, const bool given[], struct error *err);

#endif
