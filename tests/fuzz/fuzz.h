/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every fuzz target includes. Each file gives one function that eats any bytes; libFuzzer
 * (`make fuzz`) makes them up, replay.c (`make check`) takes those of the corpus.
 *
 * Source: https://llvm.org/docs/LibFuzzer.html
 */
#ifndef KSNIFF_TESTS_FUZZ_H
#define KSNIFF_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Return: always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * fuzz_cut - where the next piece of the input ends, for what takes bytes as they come: one piece,
 * or many small ones, as the input itself says by its first byte
 * @at: bytes eaten so far, the first byte among them
 *
 * Return: bytes of the piece, at least 1 while there are any left.
 */
static inline size_t fuzz_cut(const uint8_t *data, size_t size, size_t at)
{
    size_t left = size - at, piece = data[0] == 0 ? left : data[0];

    return piece < left ? piece : left;
}

#endif
