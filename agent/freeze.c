/* SPDX-License-Identifier: Apache-2.0 */
/* `ksniff-recorder freeze`: a file in the ring is the wish, the state is the answer. A recorder
 * that is being started again finds the wish, too. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/message.h"
#include "agent/record.h"
#include "agent/record_lockdown.h"
#include "agent/ring.h"
#include "agent/state.h"
#include "common/agent.h"

#define LOOK_MS     50
#define PATIENCE_MS 60000

bool freeze_is_done(int base)
{
    static char text[STATE_TEXT];
    static struct ring_state state; /* too large for a stack */
    int fd = ring_file(base, RECORDING_STATE);
    ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof(text));

    if (fd >= 0)
        close(fd);
    if (got > 0)
        state_read(text, (size_t)got, &state);
    return state.state == STATE_FROZEN;
}

static int wait_for_it(int base)
{
    static const struct timespec between = {.tv_nsec = LOOK_MS * 1000000};
    uint64_t end = clock_ms() + PATIENCE_MS;

    while (!freeze_is_done(base)) {
        if (clock_ms() >= end) {
            message("the ring is not frozen yet: does the recorder run?", NULL, NULL);
            return AGENT_EXIT_INTERNAL;
        }
        nanosleep(&between, NULL);
    }
    return AGENT_EXIT_OK;
}

int freeze_command(int argc, char *const argv[])
{
    if (argc != 2 || strcmp(argv[0], "-d") != 0) {
        message("freeze what? -d DIR", NULL, NULL);
        return AGENT_EXIT_BAD_OPTIONS;
    }
    record_lockdown_reader();
    int base = ring_base(argv[1]);
    if (base < 0)
        return AGENT_EXIT_INTERNAL;
    int fd = openat(base, RECORDING_FREEZE, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        message_errno("cannot ask for it in", argv[1]);
        return AGENT_EXIT_INTERNAL;
    }
    close(fd);
    return wait_for_it(base);
}
