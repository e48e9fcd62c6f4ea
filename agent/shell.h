/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is there a program beside the agent by which who may exec can do more than run the agent as it
 * is: a shell, or one that gives it another environment, enters namespaces, or runs scripts?
 */
#ifndef KSNIFF_AGENT_SHELL_H
#define KSNIFF_AGENT_SHELL_H

/* shell_find - Return: the path of one, where they usually are; NULL when there is none. */
const char *shell_find(void);

#endif
