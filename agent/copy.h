/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finished segments on their way into a pipe: each block is looked at where it is, in the kernel's
 * cache, and none is copied on this side. That takes a tenth of the processor time of read(2) and
 * write(2) where packets are large.
 */
#ifndef KSNIFF_AGENT_COPY_H
#define KSNIFF_AGENT_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct output;
struct segment;

/* copy_open - Return: can it be done? Standard output is a pipe then. */
bool copy_open(void);

/*
 * copy_look - take blocks of a file in which nobody writes any more
 * @at, @size: of the file, bytes
 * @ret_taken: bytes of whole blocks from @at on: 0 at the end of the file, or of what is good in it
 *
 * Return: false: it cannot be looked at in this way.
 */
bool copy_look(struct segment *segment, int file, uint64_t at, uint64_t size, size_t *ret_taken);

/*
 * copy_write - write as much of a file as the reader takes, as output_flush() does
 * @output: has nothing pending
 *
 * Return: bytes of @left that are not written, nor in the output's buffer.
 */
uint64_t copy_write(struct output *output, int file, uint64_t at, uint64_t left);

#endif
