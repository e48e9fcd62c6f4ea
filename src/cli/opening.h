/* SPDX-License-Identifier: Apache-2.0 */
/* The line with which a capture begins. */
#ifndef KSNIFF_CLI_OPENING_H
#define KSNIFF_CLI_OPENING_H

struct settings;

/* opening_tell - "sniffing on ...": what is captured, where, and by which filter. */
void opening_tell(const struct settings *settings);

#endif
