/* SPDX-License-Identifier: Apache-2.0 */
/* ksniff-agent: its commands (common/agent.h). */
#include <stddef.h>

#include "agent/capture.h"
#include "agent/commands.h"
#include "agent/follow.h"
#include "agent/hold.h"
#include "agent/relay.h"

static const struct command commands[] = {
    {"capture", capture_command},
    {"follow", follow_command},
    {"hold", hold_command},
#ifndef AGENT_NO_RELAY
    {"relay", relay_command},
#endif
    {NULL, NULL},
};

int main(int argc, char *argv[])
{
    return commands_run(commands, argc, argv);
}
