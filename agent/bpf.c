/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/bpf.h"

#include <linux/filter.h>

#define AD(offset) ((uint32_t)(SKF_AD_OFF + (offset)))

/* Loads that need no check, and those whose operand must not be 0. */
static bool valid_instruction(const struct agent_bpf_insn *insn)
{
    switch (insn->code) {
    case BPF_LD | BPF_W | BPF_ABS:
    case BPF_LD | BPF_H | BPF_ABS:
    case BPF_LD | BPF_B | BPF_ABS:
    case BPF_LD | BPF_W | BPF_IND:
    case BPF_LD | BPF_H | BPF_IND:
    case BPF_LD | BPF_B | BPF_IND:
    case BPF_LD | BPF_IMM:
    case BPF_LD | BPF_W | BPF_LEN:
    case BPF_LDX | BPF_IMM:
    case BPF_LDX | BPF_W | BPF_LEN:
    case BPF_LDX | BPF_B | BPF_MSH:
    case BPF_ALU | BPF_ADD | BPF_K:
    case BPF_ALU | BPF_ADD | BPF_X:
    case BPF_ALU | BPF_SUB | BPF_K:
    case BPF_ALU | BPF_SUB | BPF_X:
    case BPF_ALU | BPF_MUL | BPF_K:
    case BPF_ALU | BPF_MUL | BPF_X:
    case BPF_ALU | BPF_AND | BPF_K:
    case BPF_ALU | BPF_AND | BPF_X:
    case BPF_ALU | BPF_OR | BPF_K:
    case BPF_ALU | BPF_OR | BPF_X:
    case BPF_ALU | BPF_XOR | BPF_K:
    case BPF_ALU | BPF_XOR | BPF_X:
    case BPF_ALU | BPF_DIV | BPF_X:
    case BPF_ALU | BPF_MOD | BPF_X:
    case BPF_ALU | BPF_LSH | BPF_X:
    case BPF_ALU | BPF_RSH | BPF_X:
    case BPF_ALU | BPF_NEG:
    case BPF_MISC | BPF_TAX:
    case BPF_MISC | BPF_TXA:
    case BPF_RET | BPF_K:
    case BPF_RET | BPF_A:
        return true;
    case BPF_LD | BPF_MEM:
    case BPF_LDX | BPF_MEM:
    case BPF_ST:
    case BPF_STX:
        return insn->k < BPF_MEMWORDS;
    case BPF_ALU | BPF_DIV | BPF_K:
    case BPF_ALU | BPF_MOD | BPF_K:
        return insn->k != 0;
    case BPF_ALU | BPF_LSH | BPF_K:
    case BPF_ALU | BPF_RSH | BPF_K:
        return insn->k < 32;
    default:
        return BPF_CLASS(insn->code) == BPF_JMP;
    }
}

static bool valid_jump(const struct agent_bpf_insn *insn, size_t left)
{
    switch (insn->code) {
    case BPF_JMP | BPF_JA:
        return insn->k < left;
    case BPF_JMP | BPF_JEQ | BPF_K:
    case BPF_JMP | BPF_JEQ | BPF_X:
    case BPF_JMP | BPF_JGT | BPF_K:
    case BPF_JMP | BPF_JGT | BPF_X:
    case BPF_JMP | BPF_JGE | BPF_K:
    case BPF_JMP | BPF_JGE | BPF_X:
    case BPF_JMP | BPF_JSET | BPF_K:
    case BPF_JMP | BPF_JSET | BPF_X:
        return insn->jt < left && insn->jf < left;
    default:
        return false;
    }
}

bool bpf_valid(const struct agent_bpf_insn *program, size_t length)
{
    if (length == 0 || length > AGENT_BPF_INSNS_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!valid_instruction(&program[i]))
            return false;
        if (BPF_CLASS(program[i].code) == BPF_JMP && !valid_jump(&program[i], length - i - 1))
            return false;
    }
    /* Jumps only go forward and stay inside: whatever the path, it comes to the last instruction.
     */
    return BPF_CLASS(program[length - 1].code) == BPF_RET;
}

struct machine {
    uint32_t a, x;
    uint32_t memory[BPF_MEMWORDS];
    const uint8_t *packet;
    uint32_t captured, original;
    const struct bpf_metadata *metadata;
};

/* Loads @size bytes at @offset, big-endian. Return: false when they are not there. */
static bool load(const struct machine *machine, uint32_t offset, uint32_t size, uint32_t *ret)
{
    uint32_t value = 0;

    if (size > machine->captured || offset > machine->captured - size)
        return false;
    for (uint32_t i = 0; i < size; i++)
        value = value << 8 | machine->packet[offset + i];
    *ret = value;
    return true;
}

/* Return: false when it is no ancillary load, or one that is not known here. */
static bool load_ancillary(const struct machine *machine, uint32_t offset, uint32_t *ret)
{
    switch (offset) {
    case AD(SKF_AD_PROTOCOL):
        *ret = machine->metadata->protocol;
        return true;
    case AD(SKF_AD_PKTTYPE):
        *ret = machine->metadata->pkttype;
        return true;
    case AD(SKF_AD_IFINDEX):
        *ret = machine->metadata->ifindex;
        return true;
    case AD(SKF_AD_HATYPE):
        *ret = machine->metadata->hatype;
        return true;
    case AD(SKF_AD_VLAN_TAG_PRESENT): /* put back into the bytes */
    case AD(SKF_AD_VLAN_TAG):
        *ret = 0;
        return true;
    default:
        return false;
    }
}

/* BPF_LD and BPF_LDX. Return: false when the packet ends before: it is not taken. */
static bool run_load(struct machine *machine, const struct agent_bpf_insn *insn)
{
    uint32_t *to = BPF_CLASS(insn->code) == BPF_LD ? &machine->a : &machine->x;
    uint32_t size = BPF_SIZE(insn->code) == BPF_W ? 4 : BPF_SIZE(insn->code) == BPF_H ? 2 : 1;
    uint32_t byte;

    switch (BPF_MODE(insn->code)) {
    case BPF_IMM:
        *to = insn->k;
        return true;
    case BPF_MEM:
        *to = machine->memory[insn->k];
        return true;
    case BPF_LEN:
        *to = machine->original;
        return true;
    case BPF_ABS:
        return load_ancillary(machine, insn->k, to) || load(machine, insn->k, size, to);
    case BPF_IND:
        return load(machine, machine->x + insn->k, size, to);
    default: /* BPF_MSH: the length of an IPv4 header */
        if (!load(machine, insn->k, 1, &byte))
            return false;
        *to = 4 * (byte & 15);
        return true;
    }
}

/* Return: false on a division by zero: the packet is not taken. */
static bool run_alu(struct machine *machine, const struct agent_bpf_insn *insn)
{
    uint32_t value = BPF_SRC(insn->code) == BPF_X ? machine->x : insn->k;

    switch (BPF_OP(insn->code)) {
    case BPF_ADD:
        machine->a += value;
        return true;
    case BPF_SUB:
        machine->a -= value;
        return true;
    case BPF_MUL:
        machine->a *= value;
        return true;
    case BPF_AND:
        machine->a &= value;
        return true;
    case BPF_OR:
        machine->a |= value;
        return true;
    case BPF_XOR:
        machine->a ^= value;
        return true;
    case BPF_LSH:
        machine->a = value < 32 ? machine->a << value : 0;
        return true;
    case BPF_RSH:
        machine->a = value < 32 ? machine->a >> value : 0;
        return true;
    case BPF_NEG:
        machine->a = -machine->a;
        return true;
    default: /* BPF_DIV, BPF_MOD */
        if (value == 0)
            return false;
        machine->a = BPF_OP(insn->code) == BPF_DIV ? machine->a / value : machine->a % value;
        return true;
    }
}

/* Return: how many instructions to skip. */
static size_t run_jump(const struct machine *machine, const struct agent_bpf_insn *insn)
{
    uint32_t value = BPF_SRC(insn->code) == BPF_X ? machine->x : insn->k;
    bool yes;

    switch (BPF_OP(insn->code)) {
    case BPF_JA:
        return insn->k;
    case BPF_JEQ:
        yes = machine->a == value;
        break;
    case BPF_JGT:
        yes = machine->a > value;
        break;
    case BPF_JGE:
        yes = machine->a >= value;
        break;
    default: /* BPF_JSET */
        yes = (machine->a & value) != 0;
        break;
    }
    return yes ? insn->jt : insn->jf;
}

uint32_t bpf_run(const struct agent_bpf_insn *program, const uint8_t *packet, uint32_t captured,
                 uint32_t original, const struct bpf_metadata *metadata)
{
    struct machine machine = {
        .packet = packet, .captured = captured, .original = original, .metadata = metadata};

    for (const struct agent_bpf_insn *insn = program;; insn++) {
        switch (BPF_CLASS(insn->code)) {
        case BPF_LD:
        case BPF_LDX:
            if (!run_load(&machine, insn))
                return 0;
            break;
        case BPF_ST:
            machine.memory[insn->k] = machine.a;
            break;
        case BPF_STX:
            machine.memory[insn->k] = machine.x;
            break;
        case BPF_ALU:
            if (!run_alu(&machine, insn))
                return 0;
            break;
        case BPF_JMP:
            insn += run_jump(&machine, insn);
            break;
        case BPF_RET:
            return BPF_RVAL(insn->code) == BPF_A ? machine.a : insn->k;
        default: /* BPF_MISC */
            if (BPF_MISCOP(insn->code) == BPF_TAX)
                machine.x = machine.a;
            else
                machine.a = machine.x;
            break;
        }
    }
}
