/* SPDX-License-Identifier: Apache-2.0 */
/* The signals that end a program of ours. */
#ifndef KSNIFF_AGENT_SIGNALS_H
#define KSNIFF_AGENT_SIGNALS_H

#include <stdbool.h>

/* signals_catch - @handler is told of SIGTERM, SIGINT and SIGHUP, with @children of SIGCHLD, too.
 * They are blocked: they come in where ppoll() waits with an empty mask, so that none is missed
 * between a look and the wait. SIGPIPE is ignored. */
void signals_catch(void (*handler)(int number), bool children);

#endif
