/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/message.h"
#include "agent/segment.h"
#include "common/agent.h"
#include "common/pcapng.h"

#define NEXT_STATE RECORDING_STATE ".new"
#define EXCHANGE   2 /* RENAME_EXCHANGE of linux/fs.h */

int shelf_open(struct shelf *shelf, const char *path, size_t count)
{
    char number[21];

    shelf->count = count;
    shelf->removed = -1;
    shelf->base = ring_base(path);
    for (size_t i = 0; i < count && shelf->base >= 0; i++) {
        struct ring *ring = &shelf->rings[i];

        if (mkdirat(shelf->base, decimal(number, i), 0700) < 0 && errno != EEXIST) {
            message_errno("cannot make a directory in the ring", path);
            return AGENT_EXIT_INTERNAL;
        }
        *ring = (struct ring){.base = shelf->base};
        decimal(ring->target, i);
        ring->dir = openat(shelf->base, number, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (ring->dir < 0) {
            message_errno("cannot read the ring's directory", number);
            return AGENT_EXIT_INTERNAL;
        }
    }
    return shelf->base < 0 ? AGENT_EXIT_INTERNAL : AGENT_EXIT_OK;
}

/* ---- segments ---- */

static uint64_t number_at(const uint8_t *at)
{
    uint64_t number = 0;

    if (at)
        memcpy(&number, at, sizeof(number));
    return number;
}

static uint64_t time_at(const uint8_t *at)
{
    uint32_t halves[2] = {0, 0};

    if (at)
        memcpy(halves, at, sizeof(halves));
    return (uint64_t)halves[0] << 32 | halves[1];
}

/* A block of statistics that ends at @end. Return: its bytes; 0: there is none. */
static uint32_t read_statistics(int fd, uint64_t end, uint8_t *block, size_t size)
{
    uint32_t total, again;

    if (end < sizeof(struct pcapng_isb) + 4 || pread(fd, &total, 4, (off_t)end - 4) != 4 ||
        total < sizeof(struct pcapng_isb) + 4 || total > size || total > end ||
        pread(fd, block, total, (off_t)(end - total)) != (ssize_t)total)
        return 0;
    memcpy(&again, block, sizeof(again));
    if (again != PCAPNG_ISB)
        return 0;
    memcpy(&again, block + 4, sizeof(again));
    return again == total ? total : 0;
}

/* A whole segment ends with statistics of each interface, and the last of them says so. */
static void read_end(int fd, struct keeper_segment *segment)
{
    uint64_t end = segment->bytes, ended = 0;
    uint8_t block[512];
    uint32_t total;

    while ((total = read_statistics(fd, end, block, sizeof(block))) > 0) {
        if (end == segment->bytes) {
            ended = segment_finished(block, total);
            if (ended == 0)
                return;
            segment->ended = ended;
            segment->begun = time_at(segment_option(block, total, PCAPNG_ISB_STARTTIME, 8));
        }
        segment->packets += number_at(segment_option(block, total, PCAPNG_ISB_IFRECV, 8)) -
                            number_at(segment_option(block, total, PCAPNG_ISB_IFDROP, 8));
        end -= total;
    }
}

bool shelf_look(const struct shelf *shelf, size_t target, uint64_t number,
                struct keeper_segment *ret_segment)
{
    int fd = ring_segment(&shelf->rings[target], number);
    struct stat status;

    if (fd < 0)
        return false;
    bool there = fstat(fd, &status) == 0;
    if (there) {
        *ret_segment = (struct keeper_segment){
            .number = number,
            .bytes = (uint64_t)status.st_size,
            .ended =
                (uint64_t)status.st_mtim.tv_sec * 1000000000u + (uint64_t)status.st_mtim.tv_nsec,
        };
        read_end(fd, ret_segment);
    }
    close(fd);
    return there;
}

void shelf_count(struct shelf *shelf, struct keeper *keeper, size_t target, uint64_t *ret_next)
{
    struct keeper_segment segment;
    uint64_t first, last;

    *ret_next = 0;
    ring_look(&shelf->rings[target], 0, &first, &last);
    if (first == RING_NONE)
        return;
    for (uint64_t number = first; number <= last; number++)
        if (shelf_look(shelf, target, number, &segment))
            keeper_add(keeper, target, &segment);
    *ret_next = last + 1;
}

/* The one that was removed last takes no room any more, whoever has it open; @fd is it now. */
static void cut_removed(struct shelf *shelf, int fd)
{
    if (shelf->removed >= 0) {
        if (ftruncate(shelf->removed, 0) < 0)
            message_errno("cannot cut a segment that was removed", NULL);
        close(shelf->removed);
    }
    shelf->removed = fd;
}

void shelf_remove(struct shelf *shelf, struct keeper *keeper, size_t target, uint64_t next)
{
    struct keeper_segment segment = {0};
    uint64_t number = keeper->targets[target].oldest.number;
    ring_segment_name name;

    cut_removed(shelf, openat(shelf->rings[target].dir, ring_name(name, number),
                              O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (unlinkat(shelf->rings[target].dir, ring_name(name, number), 0) < 0 && errno != ENOENT)
        message_errno("cannot remove a segment of the ring", name);
    for (number++; number < next; number++)
        if (shelf_look(shelf, target, number, &segment))
            break;
    keeper_remove(keeper, target, &segment);
}

/* ---- the state ---- */

void shelf_read_state(const struct shelf *shelf, struct ring_state *state)
{
    static char text[STATE_TEXT];
    int fd = ring_file(shelf->base, RECORDING_STATE);
    ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof(text));

    if (got > 0)
        state_read(text, (size_t)got, state);
    if (fd >= 0)
        close(fd);
}

/*
 * The one file is written over and takes the other's place, whose blocks are kept for the next
 * time: so the state can be said on a file system that is full, too.
 */
bool shelf_write_state(const struct shelf *shelf, const char *text, size_t length)
{
    int fd = openat(shelf->base, NEXT_STATE, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return false;
    bool written =
        pwrite(fd, text, length, 0) == (ssize_t)length && ftruncate(fd, (off_t)length) == 0;
    int reason = errno;
    close(fd);
    errno = reason;
    if (!written)
        return false;
    return syscall(SYS_renameat2, shelf->base, NEXT_STATE, shelf->base, RECORDING_STATE,
                   EXCHANGE) == 0 ||
           renameat(shelf->base, NEXT_STATE, shelf->base, RECORDING_STATE) == 0;
}

bool shelf_is_to_freeze(const struct shelf *shelf)
{
    struct stat status;

    return fstatat(shelf->base, RECORDING_FREEZE, &status, AT_SYMLINK_NOFOLLOW) == 0;
}
