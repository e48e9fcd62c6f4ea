/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kernel_filter.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <netinet/in.h>

#include "agent/link.h"
#include "agent/options.h"
#include "common/pcapng.h"

#define AD(offset) ((uint32_t)(SKF_AD_OFF + (offset)))

/* Offsets in an Ethernet frame. A load behind the end of a packet would reject it, so a program
 * looks at the length first. */
#define IPV4(offset)      (ETH_HLEN + (offset))
#define IPV4_SOURCE       IPV4(12)
#define IPV4_TARGET       IPV4(16)
#define IPV4_PORTS        IPV4(20)
#define IPV4_TCP_LENGTH   IPV4(40)
#define IPV6_NEXT         IPV4(6)
#define IPV6_SOURCE       IPV4(8)
#define IPV6_TARGET       IPV4(24)
#define IPV6_PORTS        IPV4(40)
#define IPV6_TCP_LENGTH   IPV4(60)
#define IPV4_NO_OPTIONS   0x45
#define IPV4_LATER_PIECES 0x1fff /* of the halfword at IPV4(6) */

static void add(struct kernel_filter *filter, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
    filter->insns[filter->length++] = (struct sock_filter){code, jt, jf, k};
}

static void add_load(struct kernel_filter *filter, int ancillary)
{
    add(filter, BPF_LD | BPF_W | BPF_ABS, 0, 0, AD(ancillary));
}

static void add_return(struct kernel_filter *filter, uint32_t kept)
{
    add(filter, BPF_RET | BPF_K, 0, 0, kept);
}

static void add_interfaces(struct kernel_filter *filter, const struct kernel_filter_rules *rules)
{
    if (rules->count == 0)
        return;
    add_load(filter, SKF_AD_IFINDEX);
    for (size_t i = 0; i < rules->count; i++)
        add(filter, BPF_JMP | BPF_JEQ | BPF_K, (uint8_t)(rules->count - i), 0, rules->ifindexes[i]);
    add_return(filter, 0);
}

/* Some devices show a packet on its way out and on its way in: keep the latter. */
static void add_repeated_once(struct kernel_filter *filter)
{
    add_load(filter, SKF_AD_HATYPE);
    add(filter, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ARPHRD_LOOPBACK);
    add(filter, BPF_JMP | BPF_JEQ | BPF_K, 0, 3, ARPHRD_CAN);
    add_load(filter, SKF_AD_PKTTYPE);
    add(filter, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, PACKET_OUTGOING);
    add_return(filter, 0);
}

/* ---- parts that are jumped over ---- */

/* Conditions that must all hold: each goes on with the next, or behind the part. */
struct part {
    struct kernel_filter *filter;
    unsigned short start;
};

#define ELSEWHERE 255 /* stands for a jump behind the part until it is finished */

static struct part begin(struct kernel_filter *filter)
{
    return (struct part){.filter = filter, .start = filter->length};
}

static void need(const struct part *part, uint16_t size, uint32_t offset, uint32_t value)
{
    add(part->filter, BPF_LD | BPF_ABS | size, 0, 0, offset);
    add(part->filter, BPF_JMP | BPF_JEQ | BPF_K, 0, ELSEWHERE, value);
}

static void need_length(const struct part *part, uint32_t length)
{
    add(part->filter, BPF_LD | BPF_W | BPF_LEN, 0, 0, 0);
    add(part->filter, BPF_JMP | BPF_JGE | BPF_K, 0, ELSEWHERE, length);
}

static void finish(const struct part *part, uint32_t kept)
{
    struct kernel_filter *filter = part->filter;

    add_return(filter, kept);
    for (unsigned short i = part->start; i < filter->length; i++) {
        struct sock_filter *insn = &filter->insns[i];
        uint8_t behind = (uint8_t)(filter->length - i - 1);

        if (BPF_CLASS(insn->code) == BPF_JMP && insn->jf == ELSEWHERE)
            insn->jf = behind;
        if (BPF_CLASS(insn->code) == BPF_JMP && insn->jt == ELSEWHERE)
            insn->jt = behind;
    }
}

/* On the loopback device or one with Ethernet's header. */
static void need_tcp(const struct part *part, uint8_t version)
{
    need_length(part, version == 4 ? IPV4_TCP_LENGTH : IPV6_TCP_LENGTH);
    need(part, BPF_W, AD(SKF_AD_PROTOCOL), version == 4 ? ETH_P_IP : ETH_P_IPV6);
    need(part, BPF_B, version == 4 ? IPV4(9) : IPV6_NEXT, IPPROTO_TCP);
}

static uint32_t word(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void need_address(const struct part *part, uint32_t offset, const struct flow *flow,
                         const struct flow_end *end)
{
    for (uint32_t i = 0; i < (flow->version == 4 ? 4 : 16); i += 4)
        need(part, BPF_W, offset + i, word(end->address + i));
}

static void leave_out(struct kernel_filter *filter, const struct flow *flow,
                      const struct flow_end *source, const struct flow_end *target)
{
    const struct part part = begin(filter);
    bool ipv4 = flow->version == 4;

    need_tcp(&part, flow->version);
    if (ipv4) {
        need(&part, BPF_B, IPV4(0), IPV4_NO_OPTIONS);
        add(filter, BPF_LD | BPF_H | BPF_ABS, 0, 0, IPV4(6));
        add(filter, BPF_JMP | BPF_JSET | BPF_K, ELSEWHERE, 0, IPV4_LATER_PIECES);
    }
    need(&part, BPF_W, ipv4 ? IPV4_PORTS : IPV6_PORTS, (uint32_t)source->port << 16 | target->port);
    need_address(&part, ipv4 ? IPV4_SOURCE : IPV6_SOURCE, flow, source);
    need_address(&part, ipv4 ? IPV4_TARGET : IPV6_TARGET, flow, target);
    finish(&part, 0);
}

/* Elsewhere the agent leaves it out: the offsets are Ethernet's. */
static void add_left_out(struct kernel_filter *filter, const struct kernel_filter_rules *rules)
{
    if (rules->left_out_count == 0)
        return;
    add_load(filter, SKF_AD_HATYPE);
    add(filter, BPF_JMP | BPF_JEQ | BPF_K, 2, 0, ARPHRD_ETHER);
    add(filter, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ARPHRD_LOOPBACK);
    unsigned short over = filter->length;
    add(filter, BPF_JMP | BPF_JA, 0, 0, 0);
    for (size_t i = 0; i < rules->left_out_count; i++) {
        const struct flow *flow = &rules->left_out[i];

        leave_out(filter, flow, &flow->source, &flow->target);
        leave_out(filter, flow, &flow->target, &flow->source);
    }
    filter->insns[over].k = filter->length - over - 1u;
}

static void add_loopback_tcp(struct kernel_filter *filter)
{
    for (uint8_t version = 4; version <= 6; version += 2) {
        const struct part part = begin(filter);

        need(&part, BPF_W, AD(SKF_AD_HATYPE), ARPHRD_LOOPBACK);
        need_tcp(&part, version);
        finish(&part, AGENT_SNAPLEN_MAX);
    }
}

/* ---- the user's program ---- */

/* It was made for Ethernet, and perhaps for IP packets. */
static void add_other_devices(struct kernel_filter *filter, const struct options *options)
{
    const struct part part = begin(filter);

    add_load(filter, SKF_AD_HATYPE);
    for (size_t i = 0; link_plain(i); i++)
        if (!options->ethernet_only || link_type(link_plain(i)) == LINKTYPE_ETHERNET)
            add(filter, BPF_JMP | BPF_JEQ | BPF_K, ELSEWHERE, 0, link_plain(i));
    finish(&part, AGENT_SNAPLEN_MAX);
}

static void add_users_program(struct kernel_filter *filter, const struct options *options)
{
    uint32_t most = options->whole ? AGENT_SNAPLEN_MAX : options->snaplen;

    if (options->program_length == 0) {
        add_return(filter, most);
        return;
    }
    if (options->vlan) {
        /* The tag is not in the bytes: the agent puts it back and looks itself, at all of them. */
        add_load(filter, SKF_AD_VLAN_TAG_PRESENT);
        add(filter, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0);
        add_return(filter, AGENT_SNAPLEN_MAX);
    }
    for (size_t i = 0; i < options->program_length; i++) {
        const struct agent_bpf_insn *insn = &options->program[i];
        bool keep_less = insn->code == (BPF_RET | BPF_K) && insn->k > most;

        add(filter, insn->code, insn->jt, insn->jf, keep_less ? most : insn->k);
    }
}

void kernel_filter_build(struct kernel_filter *filter, const struct kernel_filter_rules *rules,
                         bool users)
{
    filter->length = 0;
    add_interfaces(filter, rules);
    add_repeated_once(filter);
    add_left_out(filter, rules);
    if (rules->loopback_tcp)
        add_loopback_tcp(filter);
    add_other_devices(filter, rules->options);
    if (users)
        add_users_program(filter, rules->options);
    else
        add_return(filter, AGENT_SNAPLEN_MAX);
}
