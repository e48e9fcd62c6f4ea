/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finished segments on their way into a pipe: each block is looked at where it is, in the kernel's
 * cache, and none is copied on this side. That takes a tenth of the processor time of read(2) and
 * write(2) where packets are large.
 *
 * What is looked at stands in a pipe of our own before it is promised to the reader: pages of the
 * cache, which stay what they are if the file is cut meanwhile, or its disk fails. So no block is
 * ever begun that cannot be ended.
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
 * @at, @size: of the file, bytes; all before @at was taken by copy_look(), and has been written
 * @ret_taken: bytes of whole blocks from @at on, which copy_write() writes; 0: @at is @size
 *
 * Return: false: no more of it can be had in this way: it is to be read, which says why.
 */
bool copy_look(struct segment *segment, int file, uint64_t at, uint64_t size, size_t *ret_taken);

/* copy_drop - there will be another file: forget what is at hand of this one. */
void copy_drop(void);

/*
 * copy_write - write what was taken as far as the reader takes it, as output_flush() does
 * @output: has nothing pending
 *
 * Return: bytes of @left that are not written.
 */
uint64_t copy_write(struct output *output, uint64_t left);

#endif
