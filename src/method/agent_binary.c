/* SPDX-License-Identifier: Apache-2.0 */
#include "method/agent_binary.h"

#include <string.h>

#include "base/buf.h"
#include "base/error.h"

#define LIST_MAX 256

/*
 * What the kernel calls it, and what Kubernetes does; other names are the same. armv8l is a 64-bit
 * machine that a 32-bit system has been told to be one of its own. The agent for arm needs an ARMv7
 * with its floating point unit: there is none for armv6l.
 */
static const char *const names[][2] = {
    {"x86_64", "amd64"},
    {"aarch64", "arm64"},
    {"armv7l", "arm"},
    {"armv8l", "arm"},
};

static const struct agent_binary *find(const struct agent_binary *binaries, const char *machine)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(machine, names[i][0]) == 0)
            machine = names[i][1];
    for (; binaries->architecture; binaries++)
        if (strcmp(machine, binaries->architecture) == 0)
            return binaries;
    return NULL;
}

const struct agent_binary *agent_binary_find(const char *machine)
{
    return find(agent_binaries, machine);
}

const struct agent_binary *recorder_binary_find(const char *machine)
{
    return find(recorder_binaries, machine);
}

const struct agent_binary *agent_binary_choose(const char *machine, struct error *err)
{
    const struct agent_binary *found = agent_binary_find(machine);
    struct buf list;

    if (found)
        return found;
    buf_init(&list, LIST_MAX);
    for (const struct agent_binary *agent = agent_binaries; agent->architecture; agent++) {
        if (list.length > 0)
            buf_append(&list, ", ", 2);
        buf_append(&list, agent->architecture, strlen(agent->architecture));
    }
    error_set(err, ERROR_TARGET, "there is no agent for \"%s\" machines", machine);
    error_remedy(err,
                 "upload a static tcpdump for it with -l PATH; this program carries agents for %s",
                 buf_string(&list));
    buf_free(&list);
    return NULL;
}
