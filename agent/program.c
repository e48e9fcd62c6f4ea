/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/program.h"

#include "agent/bpf.h"

#define LENGTH_MAX (AGENT_BPF_INSNS_MAX - AGENT_BPF_OWN_MAX)

static int base64url_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

void program_begin(struct program *program)
{
    program->length = program->filled = 0;
    program->bits = 0;
    program->have = 0;
}

int program_byte(struct program *program, char c)
{
    const uint8_t *insn = program->insn;
    int value = base64url_value(c);

    if (value < 0)
        return -1;
    program->bits = program->bits << 6 | (uint32_t)value;
    program->have += 6;
    if (program->have < 8)
        return 0;
    program->have -= 8;
    program->insn[program->filled++] = (uint8_t)(program->bits >> program->have);
    if (program->filled < sizeof(program->insn))
        return 0;
    if (program->length == LENGTH_MAX)
        return -1;
    program->insns[program->length++] =
        (struct agent_bpf_insn){.code = (uint16_t)(insn[0] | insn[1] << 8),
                                .jt = insn[2],
                                .jf = insn[3],
                                .k = (uint32_t)insn[4] | (uint32_t)insn[5] << 8 |
                                     (uint32_t)insn[6] << 16 | (uint32_t)insn[7] << 24};
    program->filled = 0;
    return 0;
}

int program_end(const struct program *program)
{
    return program->filled == 0 && bpf_valid(program->insns, program->length) ? 0 : -1;
}

/* ---- a line on standard input ---- */

static void begin(struct refilter *refilter)
{
    refilter->state = REFILTER_FLAGS;
    refilter->vlan = refilter->ethernet_only = false;
    program_begin(&refilter->program);
}

static enum refilter_answer end(struct refilter *refilter)
{
    const struct program *program = &refilter->program;
    bool none = program->length == 0 && program->filled == 0 && program->have == 0;
    bool whole = refilter->state == REFILTER_PROGRAM && (none || program_end(program) == 0);

    refilter->state = REFILTER_IDLE;
    return whole ? REFILTER_WHOLE : REFILTER_WRONG;
}

static void take_flag(struct refilter *refilter, char byte)
{
    if (byte == 'V')
        refilter->vlan = true;
    else if (byte == 'E')
        refilter->ethernet_only = true;
    else
        refilter->state = byte == ':' ? REFILTER_PROGRAM : REFILTER_BAD;
}

enum refilter_answer refilter_byte(struct refilter *refilter, char byte)
{
    if (refilter->state == REFILTER_IDLE && byte != AGENT_FILTER)
        return REFILTER_NOT_OURS;
    if (refilter->state == REFILTER_IDLE)
        begin(refilter);
    else if (byte == '\n')
        return end(refilter);
    else if (refilter->state == REFILTER_FLAGS)
        take_flag(refilter, byte);
    else if (refilter->state == REFILTER_PROGRAM && program_byte(&refilter->program, byte) < 0)
        refilter->state = REFILTER_BAD;
    return REFILTER_TAKEN;
}
