/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file after the other: when the next begins, and which is removed then. No I/O, no clock.
 *
 * A file begins with a packet: while none comes there is no other one, and none is empty.
 */
#ifndef KSNIFF_CAPTURE_ROTATION_H
#define KSNIFF_CAPTURE_ROTATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rotation {
    uint64_t size;  /* bytes that a file may have; 0: no limit */
    uint64_t time;  /* milliseconds that it may last; 0: no limit */
    uint64_t files; /* that are kept; 0: all */

    uint64_t begun;   /* loop_now() when this one began */
    uint64_t packets; /* in it */
    char **kept;      /* paths, the oldest first; owned; only where some are removed */
    size_t count;
};

/* rotation_is_wanted - do files follow each other at all? */
bool rotation_is_wanted(const struct rotation *rotation);

/*
 * rotation_is_late, rotation_is_full - is the next packet another file's?
 * @now: loop_now()
 * @size: bytes that the file has with this packet, at most
 *
 * Never the first packet of a file, which has it however large it is.
 */
bool rotation_is_late(const struct rotation *rotation, uint64_t now);
bool rotation_is_full(const struct rotation *rotation, uint64_t size);

/*
 * rotation_begun - a file has begun, and its head has been written
 * @path: is copied
 * @ret_oldest: the file that is to be removed; owned by the caller; NULL: none
 *
 * Return: 0; -1 when out of memory.
 */
int rotation_begun(struct rotation *rotation, uint64_t now, const char *path, char **ret_oldest);

void rotation_free(struct rotation *rotation);

#endif
