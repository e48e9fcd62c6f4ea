/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment of a recorder's ring, in pieces as it grows, as it is and through a filter: nothing is
 * taken twice, nothing is made longer, and without a filter nothing is changed. The first byte says
 * where the pieces end.
 */
#include "tests/fuzz/fuzz.h"

#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>

#include "agent/bpf.h"
#include "agent/segment.h"
#include "agent/sieve.h"

static struct segment segment; /* too large for a stack */

/* Return: bytes of it that were taken. */
static size_t take(const struct sieve *sieve, const uint8_t *data, size_t size, size_t *ret_kept)
{
    size_t begin = 1, end = 1;

    *ret_kept = 0;
    segment_begin(&segment);
    while (end < size) {
        end += fuzz_cut(data, size, end);
        uint8_t *piece = malloc(end - begin); /* its end is where it ends */
        size_t kept;

        memcpy(piece, data + begin, end - begin);
        size_t taken = segment_take(&segment, sieve, piece, end - begin, &kept);
        if (taken > end - begin || kept > taken)
            abort();
        if (!sieve && (kept != taken || memcmp(piece, data + begin, end - begin) != 0))
            abort();
        free(piece);
        begin += taken;
        *ret_kept += kept;
    }
    return begin - 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* IP over Ethernet, of UDP that to port 53: it loads from everywhere. */
    static struct sieve sieve = {.program = {.insns = {{BPF_LD | BPF_H | BPF_ABS, 0, 0, 12},
                                                       {BPF_JMP | BPF_JEQ | BPF_K, 0, 5, 0x0800},
                                                       {BPF_LDX | BPF_B | BPF_MSH, 0, 0, 14},
                                                       {BPF_LD | BPF_H | BPF_IND, 0, 0, 16},
                                                       {BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 53},
                                                       {BPF_LD | BPF_W | BPF_LEN, 0, 0, 0},
                                                       {BPF_RET | BPF_A, 0, 0, 0},
                                                       {BPF_RET | BPF_K, 0, 0, 0}},
                                             .length = 8}};
    size_t kept, sieved;

    if (size < 2)
        return 0;
    sieve.ethernet_only = data[0] % 2;
    if (!bpf_valid(sieve.program.insns, sieve.program.length))
        abort();
    size_t plain = take(NULL, data, size, &kept);
    bool damaged = segment.damaged;
    if (take(&sieve, data, size, &sieved) != plain || segment.damaged != damaged || sieved > kept)
        abort();
    segment_started(data + 1, size - 1);
    segment_finished(data + 1, size - 1);
    return 0;
}
