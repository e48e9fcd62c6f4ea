/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program that the kernel runs on every packet: the agent's part, then the user's.
 *
 * What the kernel cannot judge rightly it lets pass whole; the agent judges that itself (bpf.h).
 */
#ifndef KSNIFF_AGENT_KERNEL_FILTER_H
#define KSNIFF_AGENT_KERNEL_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/flow.h"
#include "common/agent.h"

struct options;

#define KERNEL_FILTER_LEFT_OUT 4 /* conversations that it leaves out at most */

struct kernel_filter_rules {
    const struct options *options;
    const uint32_t *ifindexes; /* only these interfaces; none: all */
    size_t count;
    bool loopback_tcp; /* of the loopback device TCP passes whole, whatever the user's program says
                        */
    struct flow left_out[KERNEL_FILTER_LEFT_OUT]; /* of TCP, on Ethernet and the loopback device */
    size_t left_out_count;
};

struct kernel_filter {
    struct sock_filter insns[AGENT_BPF_INSNS_MAX];
    unsigned short length;
};

/* kernel_filter_build - @users: with the user's program; otherwise what passes the agent's part
 * passes whole. */
void kernel_filter_build(struct kernel_filter *filter, const struct kernel_filter_rules *rules,
                         bool users);

#endif
