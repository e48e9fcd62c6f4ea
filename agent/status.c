/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a ring, as its recorder has written it: another is put in its place as a whole, so
 * one that is open does not change. */
#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "agent/fetch.h"
#include "agent/fetch_options.h"
#include "agent/lockdown.h"
#include "agent/message.h"
#include "agent/ring.h"
#include "common/agent.h"
#include "common/recording.h"

static bool write_all(const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(STDOUT_FILENO, text, length);

        if (written < 0 && errno != EINTR)
            return false;
        text += written > 0 ? written : 0;
        length -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

static int print(int state)
{
    char text[4096];
    ssize_t got;

    while ((got = read(state, text, sizeof(text))) > 0)
        if (!write_all(text, (size_t)got))
            return AGENT_EXIT_OUTPUT_CLOSED;
    return got < 0 ? AGENT_EXIT_INTERNAL : AGENT_EXIT_OK;
}

int status_command(int argc, char *const argv[])
{
    static struct fetch_options options; /* too large for a stack */

    if (fetch_options_parse_status(argc, argv, &options) < 0)
        return AGENT_EXIT_BAD_OPTIONS;
    lockdown(LOCKDOWN_FETCH);
    int base = ring_base(options.directory);
    if (base < 0)
        return AGENT_EXIT_NO_FILE;
    int state = ring_file(base, RECORDING_STATE);
    if (state >= 0)
        return print(state);
    message_errno("there is no state of a recording in", options.directory);
    return AGENT_EXIT_NO_FILE;
}
