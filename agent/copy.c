/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/message.h"
#include "agent/output.h"
#include "agent/segment.h"
#include "common/agent.h"

#define MAP_ALIGN 65536u     /* of every size of a page that there is */
#define HELD_MAX  (1u << 20) /* more than a block; not so much that the reader's pipe runs empty */

static struct {
    int pipe[2];
    size_t held; /* bytes in it */
    bool looking;
    jmp_buf unreadable;
} copy;

/* A page of a file on a disk that fails, or that was cut meanwhile. */
static void on_bus_error(int number)
{
    (void)number;
    if (copy.looking)
        _longjmp(copy.unreadable, 1);
    _exit(AGENT_EXIT_INTERNAL);
}

bool copy_open(void)
{
    const struct sigaction action = {.sa_handler = on_bus_error, .sa_flags = SA_NODEFER};
    struct stat status;

    if (fstat(STDOUT_FILENO, &status) < 0 || !S_ISFIFO(status.st_mode) ||
        pipe2(copy.pipe, O_NONBLOCK | O_CLOEXEC) < 0)
        return false;
    /* Where that is refused, it is smaller. */
    fcntl(copy.pipe[0], F_SETPIPE_SZ, HELD_MAX);
    sigaction(SIGBUS, &action, NULL);
    return true;
}

void copy_drop(void)
{
    char bytes[4096];
    ssize_t got = 1;

    while (copy.held > 0 && got > 0) {
        got = read(copy.pipe[0], bytes, sizeof(bytes));
        copy.held -= got > 0 ? (size_t)got : 0;
    }
}

/* As much as the pipe takes, and as can be read. */
static void fill(int file, uint64_t at, uint64_t size)
{
    off_t from = (off_t)(at + copy.held);

    while ((uint64_t)from < size && copy.held < HELD_MAX) {
        uint64_t left = size - (uint64_t)from, most = HELD_MAX - copy.held;
        ssize_t got = splice(file, &from, copy.pipe[1], NULL, left < most ? (size_t)left : most,
                             SPLICE_F_NONBLOCK);

        if (got <= 0)
            return;
        copy.held += (size_t)got;
    }
}

/* Return: false: some page of it cannot be had; nothing has been taken then. */
static bool take(struct segment *segment, uint8_t *bytes, size_t *ret_taken)
{
    uint8_t before[offsetof(struct segment, interfaces)];
    size_t kept;

    memcpy(before, segment, sizeof(before));
    if (_setjmp(copy.unreadable) != 0) {
        copy.looking = false;
        memcpy(segment, before, sizeof(before));
        return false;
    }
    copy.looking = true;
    *ret_taken = segment_take(segment, NULL, bytes, copy.held, &kept);
    copy.looking = false;
    return true;
}

static void look(struct segment *segment, int file, uint64_t at, size_t *ret_taken)
{
    size_t before = (size_t)(at % MAP_ALIGN), length = before + copy.held;
    uint8_t *map = mmap(NULL, length, PROT_READ, MAP_SHARED, file, (off_t)(at - before));

    if (map == MAP_FAILED)
        return;
    take(segment, map + before, ret_taken);
    munmap(map, length);
}

bool copy_look(struct segment *segment, int file, uint64_t at, uint64_t size, size_t *ret_taken)
{
    *ret_taken = 0;
    if (at >= size)
        return true;
    fill(file, at, size);
    if (copy.held > 0)
        look(segment, file, at, ret_taken);
    if (*ret_taken > 0)
        return true;
    copy_drop();
    return false;
}

uint64_t copy_write(struct output *output, uint64_t left)
{
    while (left > 0 && !output->blocked && !output->closed) {
        ssize_t got = splice(copy.pipe[0], NULL, STDOUT_FILENO, NULL, left, SPLICE_F_NONBLOCK);

        if (got < 0 && errno == EAGAIN)
            output->blocked = true;
        else if (got <= 0 && errno != EINTR)
            output->closed = true;
        copy.held -= got > 0 ? (size_t)got : 0;
        left -= got > 0 ? (uint64_t)got : 0;
    }
    return left;
}
