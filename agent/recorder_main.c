/* SPDX-License-Identifier: Apache-2.0 */
/* ksniff-recorder: its commands (common/recording.h). */
#include <stddef.h>

#include "agent/commands.h"
#include "agent/fetch.h"
#include "agent/record.h"

static const struct command commands[] = {
    {"fetch", fetch_command},
    {"freeze", freeze_command},
    {"record", record_command},
    {"status", status_command},
    {NULL, NULL},
};

int main(int argc, char *argv[])
{
    return commands_run(commands, argc, argv);
}
