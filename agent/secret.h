/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom the agent in a helper serves (common/agent.h): whoever may exec into the helper could
 * otherwise enter every pod of its node.
 */
#ifndef KSNIFF_AGENT_SECRET_H
#define KSNIFF_AGENT_SECRET_H

#include <stdbool.h>

/* secret_is_wanted - is this a helper, which serves only who knows its secret? */
bool secret_is_wanted(void);

/*
 * secret_check - read the first line of standard input, and nothing behind it
 *
 * Return: AGENT_EXIT_OK, also where no secret is wanted; AGENT_EXIT_NO_SECRET after a message.
 */
int secret_check(void);

#endif
