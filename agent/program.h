/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user's program as it travels (common/agent.h): in -F, and in a line on standard input that
 * puts another in its place.
 */
#ifndef KSNIFF_AGENT_PROGRAM_H
#define KSNIFF_AGENT_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/agent.h"

/* All zero: nothing has been read. */
struct program {
    struct agent_bpf_insn insns[AGENT_BPF_INSNS_MAX];
    size_t length; /* 0: no filter */
    uint32_t bits; /* of base64url, `have` of them not used yet */
    int have;
    uint8_t insn[8]; /* `filled` bytes of the next instruction */
    size_t filled;
};

/* program_begin - nothing of it has been read. */
void program_begin(struct program *program);

/* program_byte - a character of base64url. Return: 0, or -1 when it is none, or one too many. */
int program_byte(struct program *program, char c);

/* program_end - Return: 0, or -1 when it is not whole, or may not be run. */
int program_end(const struct program *program);

/* A line that begins with AGENT_FILTER. All zero: none has begun. */
struct refilter {
    enum { REFILTER_IDLE, REFILTER_FLAGS, REFILTER_PROGRAM, REFILTER_BAD } state;
    bool vlan, ethernet_only;
    struct program program;
};

enum refilter_answer {
    REFILTER_NOT_OURS, /* the byte is of something else */
    REFILTER_TAKEN,
    REFILTER_WHOLE, /* the line has ended: program and flags hold until the next byte */
    REFILTER_WRONG, /* it has ended, and is none */
};

/* refilter_byte - take a byte of standard input, whatever it is. */
enum refilter_answer refilter_byte(struct refilter *refilter, char byte);

#endif
