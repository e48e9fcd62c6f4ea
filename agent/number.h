/* SPDX-License-Identifier: Apache-2.0 */
/* Decimal numbers of the command line. */
#ifndef KSNIFF_AGENT_NUMBER_H
#define KSNIFF_AGENT_NUMBER_H

#include <stdint.h>

/* number_parse - digits and nothing else. Return: 0, or -1 when it is no number from @least to
 * @most; then *@ret stays as it is. */
int number_parse(const char *text, uint64_t least, uint64_t most, uint64_t *ret);

#endif
