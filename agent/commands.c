/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/commands.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/message.h"
#include "common/agent.h"

static int print_version(void)
{
    static const char text[] = AGENT_PROGRAM " " KSNIFF_VERSION "\n";

    return write(STDOUT_FILENO, text, sizeof(text) - 1) < 0 ? AGENT_EXIT_OUTPUT_CLOSED
                                                            : AGENT_EXIT_OK;
}

/* A packet socket must not take the place of a standard stream that is missing. */
static void fill_standard_streams(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

int commands_run(const struct command *commands, int argc, char *const argv[])
{
    fill_standard_streams();
    for (; argc > 1 && commands->name; commands++)
        if (strcmp(argv[1], commands->name) == 0)
            return commands->run(argc - 2, argv + 2);
    if (argc > 1 && strcmp(argv[1], "version") == 0)
        return print_version();
    message("unknown command", argc > 1 ? argv[1] : "", NULL);
    return AGENT_EXIT_BAD_OPTIONS;
}
