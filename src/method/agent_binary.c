/* SPDX-License-Identifier: Apache-2.0 */
#include "method/agent_binary.h"

#include <string.h>

const struct agent_binary *agent_binary_find(const char *machine)
{
    static const char *const names[][2] = {{"x86_64", "amd64"}, {"aarch64", "arm64"}};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(machine, names[i][0]) == 0)
            machine = names[i][1];
    for (const struct agent_binary *agent = agent_binaries; agent->architecture; agent++)
        if (strcmp(machine, agent->architecture) == 0)
            return agent;
    return NULL;
}
