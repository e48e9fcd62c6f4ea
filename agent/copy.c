/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/message.h"
#include "agent/output.h"
#include "agent/segment.h"
#include "common/agent.h"

#define MAP_ALIGN 65536u     /* of every size of a page that there is */
#define MAP_SIZE  (1u << 20) /* more than a block; not so much that the pipe runs empty */

/* A file on a disk that fails, or that somebody has cut. */
static void on_bus_error(int number)
{
    (void)number;
    message("a segment cannot be read: input/output error", NULL, NULL);
    _exit(AGENT_EXIT_INTERNAL);
}

bool copy_open(void)
{
    struct stat status;

    signal(SIGBUS, on_bus_error);
    return fstat(STDOUT_FILENO, &status) == 0 && S_ISFIFO(status.st_mode);
}

bool copy_look(struct segment *segment, int file, uint64_t at, uint64_t size, size_t *ret_taken)
{
    uint64_t begin = at - at % MAP_ALIGN;
    size_t length = size - begin < MAP_SIZE ? (size_t)(size - begin) : MAP_SIZE;

    *ret_taken = 0;
    if (at >= size)
        return true;
    uint8_t *map = mmap(NULL, length, PROT_READ, MAP_SHARED, file, (off_t)begin);
    if (map == MAP_FAILED)
        return false;
    size_t before = (size_t)(at - begin), kept;
    *ret_taken = segment_take(segment, NULL, map + before, length - before, &kept);
    munmap(map, length);
    return true;
}

/* Return: what splice(2) would: bytes, or -1 with errno. */
static ssize_t copy_by_hand(struct output *output, int file, uint64_t at, uint64_t left)
{
    size_t most = left < OUTPUT_WRITE ? (size_t)left : OUTPUT_WRITE;
    ssize_t got = pread(file, output->buffer + output->used, most, (off_t)at);

    output->used += got > 0 ? (size_t)got : 0;
    output_flush(output);
    return got;
}

uint64_t copy_write(struct output *output, int file, uint64_t at, uint64_t left)
{
    static bool refused; /* not every file system has splice(2) */

    while (left > 0 && !output->blocked && !output->closed) {
        off_t from = (off_t)at;
        ssize_t got = refused ? copy_by_hand(output, file, at, left)
                              : splice(file, &from, STDOUT_FILENO, NULL, left, SPLICE_F_NONBLOCK);

        if (got < 0 && errno == EINVAL && !refused)
            refused = true;
        else if (got < 0 && errno == EAGAIN)
            output->blocked = true;
        else if (got <= 0 && errno != EINTR)
            output->closed = true;
        at += got > 0 ? (uint64_t)got : 0;
        left -= got > 0 ? (uint64_t)got : 0;
    }
    return left;
}
