/* SPDX-License-Identifier: Apache-2.0 */
#ifdef __linux__
#define _GNU_SOURCE /* dl_iterate_phdr(), F_SETPIPE_SZ */
#endif
#include "base/system.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifdef __APPLE__
#include <mach-o/dyld.h>
#include <sys/random.h> /* getentropy() */
#else
#include <link.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#endif

#define FILES 4096 /* more than any run needs, and less than macOS's OPEN_MAX */

int system_random(void *bytes, size_t length)
{
    return getentropy(bytes, length);
}

void system_allow_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= FILES)
        return;
    limit.rlim_cur = limit.rlim_max < FILES ? limit.rlim_max : FILES;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static uint64_t nanoseconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#ifdef __APPLE__

/* CLOCK_MONOTONIC is the time of day without the machine's start there, and no finer. */
uint64_t system_clock(void)
{
    return nanoseconds(CLOCK_MONOTONIC_RAW);
}

/* Its libraries are those of the whole system, in memory once. */
void system_trim(void)
{
}

char *system_program(void)
{
    char path[PATH_MAX];
    uint32_t size = sizeof(path);

    return _NSGetExecutablePath(path, &size) == 0 ? realpath(path, NULL) : NULL;
}

/* /dev/fd/N is the same open file there, as dup(2) gives it. */
int system_open_again(int fd)
{
    (void)fd;
    return -1;
}

void system_widen_pipe(int fd, int bytes)
{
    (void)fd;
    (void)bytes;
}

/* FIONREAD tells there what the other end has written. */
size_t system_unread(int fd)
{
    (void)fd;
    return 0;
}

/* poll(2): "does not support devices"; it calls them POLLNVAL. */
bool system_can_poll(mode_t mode)
{
    return !S_ISREG(mode) && !S_ISBLK(mode) && !S_ISCHR(mode);
}

/* It waits for what can be read or written; a hang-up shows only then. */
bool system_tells_end(void)
{
    return false;
}

bool system_needs_display(void)
{
    return false;
}

#else

uint64_t system_clock(void)
{
    return nanoseconds(CLOCK_BOOTTIME);
}

/* Only what cannot be written to is as the file has it. The kernel's own (vdso) has no path. */
static int trim_library(struct dl_phdr_info *library, size_t size, void *data)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    (void)size;
    (void)data;
    if (library->dlpi_name[0] != '/')
        return 0;
    for (size_t i = 0; i < library->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &library->dlpi_phdr[i];
        uintptr_t start = library->dlpi_addr + segment->p_vaddr;
        uintptr_t end = start + segment->p_memsz;

        start &= ~(page - 1);
        if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W))
            madvise((void *)start, end - start, MADV_DONTNEED);
    }
    return 0;
}

void system_trim(void)
{
    dl_iterate_phdr(trim_library, NULL);
}

char *system_program(void)
{
    return realpath("/proc/self/exe", NULL);
}

int system_open_again(int fd)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

void system_widen_pipe(int fd, int bytes)
{
    fcntl(fd, F_SETPIPE_SZ, bytes);
}

size_t system_unread(int fd)
{
    int unread;

    return ioctl(fd, FIONREAD, &unread) == 0 && unread > 0 ? (size_t)unread : 0;
}

bool system_can_poll(mode_t mode)
{
    return !S_ISREG(mode) && !S_ISBLK(mode);
}

bool system_tells_end(void)
{
    return true;
}

bool system_needs_display(void)
{
    return true;
}

#endif
