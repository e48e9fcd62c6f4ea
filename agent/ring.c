/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/directory.h"
#include "agent/message.h"
#include "common/recording.h"

#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

int ring_base(const char *path)
{
    int base = openat(AT_FDCWD, path, DIRECTORY_FLAGS);

    if (base < 0)
        message_errno("cannot read the ring", path);
    return base;
}

int ring_open(struct ring *ring, const char *path, uint64_t target)
{
    ring->dir = -1;
    ring->base = ring_base(path);
    decimal(ring->target, target);
    return ring->base < 0 ? -1 : 0;
}

/* A target whose network namespace has not been found yet has no directory, perhaps. */
static bool is_there(struct ring *ring)
{
    if (ring->dir < 0)
        ring->dir = openat(ring->base, ring->target, DIRECTORY_FLAGS);
    return ring->dir >= 0;
}

/* ---- names ---- */

const char *ring_name(ring_segment_name out, uint64_t number)
{
    for (size_t i = RECORDING_SEGMENT_DIGITS; i-- > 0; number /= 10)
        out[i] = (char)('0' + number % 10);
    out[RECORDING_SEGMENT_DIGITS] = '\0';
    return out;
}

/* Return: RING_NONE: it is no segment's. */
static uint64_t number_of(const char *name)
{
    uint64_t number = 0;
    size_t digits = 0;

    for (; name[digits] >= '0' && name[digits] <= '9' && digits < RECORDING_SEGMENT_DIGITS;
         digits++)
        number = number * 10 + (uint64_t)(name[digits] - '0');
    return digits == RECORDING_SEGMENT_DIGITS && !name[digits] ? number : RING_NONE;
}

/* ---- which there are ---- */

void ring_look(struct ring *ring, uint64_t from, uint64_t *ret_first, uint64_t *ret_last)
{
    static _Alignas(struct directory_entry) char entries[16384];
    uint64_t first = RING_NONE, last = RING_NONE;
    long got;

    if (is_there(ring)) {
        lseek(ring->dir, 0, SEEK_SET);
        while ((got = syscall(SYS_getdents64, ring->dir, entries, sizeof(entries))) > 0) {
            for (long at = 0; at < got;) {
                const struct directory_entry *entry = (const void *)(entries + at);
                uint64_t number = number_of(entry->name);

                at += entry->length;
                if (number == RING_NONE || number < from)
                    continue;
                first = number < first ? number : first;
                last = last == RING_NONE || number > last ? number : last;
            }
        }
    }
    if (ret_first)
        *ret_first = first;
    if (ret_last)
        *ret_last = last;
}

/* ---- files ---- */

int ring_file(int dir, const char *name)
{
    /* Nobody else writes in the ring; a pipe there would be waited for all the same. */
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat status;

    if (fd < 0)
        return -1;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        return fd;
    close(fd);
    errno = EINVAL;
    return -1;
}

int ring_segment(const struct ring *ring, uint64_t number)
{
    ring_segment_name name;

    return ring_file(ring->dir, ring_name(name, number));
}
