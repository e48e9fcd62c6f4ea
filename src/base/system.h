/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Linux and macOS do differently, or one of them does not do at all. It stands here alone:
 * the rest of the client is POSIX.
 */
#ifndef KSNIFF_BASE_SYSTEM_H
#define KSNIFF_BASE_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* system_random - at most 256 bytes that nobody can guess. Return: 0, or -1 with errno. */
int system_random(void *bytes, size_t length);

/* system_clock - nanoseconds of a clock that is never set, and goes on while the machine sleeps. */
uint64_t system_clock(void);

/*
 * system_allow_files - as many descriptors as a hundred targets need, where that is allowed
 *
 * A terminal of macOS allows 256, and one target takes up to two.
 */
void system_allow_files(void);

/*
 * system_trim - give back what the program's start has read of its libraries
 *
 * The dynamic linker looks through the symbols of forty libraries, and some of them set themselves
 * up, of which most is never looked at again: pages of files, which come back when they are. Where
 * that cannot be done it is not.
 */
void system_trim(void);

/* system_program - the path of this program, links followed. Return: owned by the caller, NULL
 * where it cannot be known. */
char *system_program(void);

/* system_open_again - a pipe anew, for writing without waiting, so that O_NONBLOCK is ours alone.
 * Return: a descriptor, -1: it cannot be had. */
int system_open_again(int fd);

/* system_widen_pipe - have a pipe hold so many bytes, where that can be chosen. */
void system_widen_pipe(int fd, int bytes);

/* system_unread - bytes in a pipe that its reader has not read. @fd: the end for writing. Return:
 * 0, too, where the system does not tell. */
size_t system_unread(int fd);

/* system_can_poll - does poll(2) tell of it? @mode: st_mode of stat(2) */
bool system_can_poll(mode_t mode);

/* system_tells_end - does poll(2) tell who asks for POLLERR alone that nobody reads a pipe any
 * more? */
bool system_tells_end(void);

/* system_needs_display - does a program with a window need $DISPLAY or $WAYLAND_DISPLAY? */
bool system_needs_display(void);

#endif
