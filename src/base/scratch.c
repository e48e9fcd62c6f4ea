/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper is a shell that reads from a pipe until nobody holds its other end any more: the
 * kernel closes that for whoever is killed.
 */
#include "base/scratch.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/process.h"
#include "base/text.h"

#define STEP_MS 10
#define LAST_MS 1000 /* what was started from there, a browser perhaps, may still hold it */

static const char keeper_script[] = "trap '' HUP INT TERM; cat >/dev/null; rm -rf -- \"$1\"";

static int make_directory(struct scratch *scratch, struct error *err)
{
    const char *place = getenv("TMPDIR");

    if (!place || *place != '/')
        place = "/tmp";
    size_t length = strlen(place);
    while (length > 1 && place[length - 1] == '/') /* macOS's ends with one */
        length--;
    scratch->path = text_format("%.*s/kubectl-sniff-XXXXXX", (int)length, place);
    if (!scratch->path)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (mkdtemp(scratch->path))
        return 0;
    error_set(err, ERROR_OUTPUT, "cannot make a directory in \"%s\": %s", place, strerror(errno));
    return error_remedy(err, "name another place in TMPDIR");
}

static int start_keeper(struct scratch *scratch, int read_end, struct error *err)
{
    const char *const argv[] = {"sh", "-c", keeper_script, "sh", scratch->path, NULL};
    const struct process_options options = {.path = "/bin/sh",
                                            .argv = argv,
                                            .stdin_fd = read_end,
                                            .stdout_fd = PROCESS_NULL,
                                            .stderr_fd = PROCESS_NULL,
                                            .new_group = 1};

    return process_start(&options, &scratch->keeper, err);
}

int scratch_make(struct scratch *ret_scratch, struct error *err)
{
    struct scratch scratch = {0};
    int fds[2];

    if (make_directory(&scratch, err) < 0) {
        free(scratch.path);
        return -1;
    }
    if (process_pipe(fds, 1, err) == 0) {
        int started = start_keeper(&scratch, fds[0], err);

        close(fds[0]);
        scratch.lifeline = fds[1];
        if (started == 0) {
            *ret_scratch = scratch;
            return 0;
        }
        close(fds[1]);
    }
    rmdir(scratch.path);
    free(scratch.path);
    return -1;
}

void scratch_leave(struct scratch *scratch, bool last)
{
    if (!scratch->path)
        return;
    close(scratch->lifeline);
    for (int waited = 0; last && waited < LAST_MS; waited += STEP_MS)
        if (waitpid(scratch->keeper, NULL, WNOHANG) != 0 || poll(NULL, 0, STEP_MS) < 0)
            break;
    free(scratch->path);
    *scratch = (struct scratch){0};
}
