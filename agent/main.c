/* SPDX-License-Identifier: Apache-2.0 */
/* ksniff-agent: its commands. */
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "agent/capture.h"
#include "agent/follow.h"
#include "agent/hold.h"
#include "agent/message.h"
#include "common/agent.h"

static int version_command(int argc, char *const argv[])
{
    static const char text[] = "ksniff-agent " KSNIFF_VERSION "\n";

    (void)argc;
    (void)argv;
    return write(STDOUT_FILENO, text, sizeof(text) - 1) < 0 ? AGENT_EXIT_OUTPUT_CLOSED
                                                            : AGENT_EXIT_OK;
}

static const struct {
    const char *name;
    /* @argv: the words behind the name. Return: the exit code. */
    int (*run)(int argc, char *const argv[]);
} commands[] = {
    {"capture", capture_command},
    {"follow", follow_command},
    {"hold", hold_command},
    {"version", version_command},
};

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

int main(int argc, char *argv[])
{
    fill_standard_streams();
    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    message("unknown command", argc > 1 ? argv[1] : "", NULL);
    return AGENT_EXIT_BAD_OPTIONS;
}
