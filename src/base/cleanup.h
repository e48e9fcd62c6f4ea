/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scope-bound ownership. A variable marked with one of these is released when it goes out of scope;
 * the only way to hand its value on is steal_pointer() or steal_fd().
 */
#ifndef KSNIFF_BASE_CLEANUP_H
#define KSNIFF_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(function) __attribute__((cleanup(function)))
#define cleanup_free      CLEANUP(cleanup_free_)
#define cleanup_fd        CLEANUP(cleanup_fd_)
#define cleanup_file      CLEANUP(cleanup_file_)

static inline void cleanup_free_(void *pointer)
{
    free(*(void **)pointer);
}

static inline void cleanup_fd_(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void cleanup_file_(FILE **file)
{
    if (*file)
        fclose(*file);
}

/* Takes the pointer out of VARIABLE and leaves NULL there. Return: the pointer, owned by the
 * caller. */
#define steal_pointer(variable)                                                                    \
    (__extension__({                                                                               \
        __typeof__(variable) stolen_ = (variable);                                                 \
        (variable) = NULL;                                                                         \
        stolen_;                                                                                   \
    }))

/* Takes the descriptor out of *fd and leaves -1 there. Return: the descriptor. */
static inline int steal_fd(int *fd)
{
    int stolen = *fd;
    *fd = -1;
    return stolen;
}

#endif
