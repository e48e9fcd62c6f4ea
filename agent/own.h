/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The capture's own stream, as far as it is to be seen in clear on the node's interfaces: between
 * the container runtime and the kubelet it passes the loopback device without TLS, at a port that
 * nobody knows beforehand. The agent writes a random mark and looks for it in what it captures; the
 * connection that carries it is left out from then on, in the kernel's filter as well.
 */
#ifndef KSNIFF_AGENT_OWN_H
#define KSNIFF_AGENT_OWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/flow.h"
#include "agent/kernel_filter.h"
#include "common/agent.h"

struct packet;

struct own {
    bool searching;
    bool changed;   /* found has more than the kernel's filter knows of: for the caller to clear */
    uint64_t until; /* milliseconds of the monotonic clock: searching ends */
    char mark[AGENT_MARK_LENGTH + 1];
    char comment[sizeof(AGENT_MARK_PREFIX) + 2 * (AGENT_MARK_LENGTH + 1)]; /* has it twice */
    struct flow found[KERNEL_FILTER_LEFT_OUT];
    size_t count;
};

/* own_open - choose a mark. Before lockdown(). */
void own_open(struct own *own);

/* own_start - it is written now: search. */
void own_start(struct own *own, uint64_t now);

/* own_is - is the packet one of the own stream's? Says so on standard error when it is the first of
 * its connection. @flow, @payload: as flow_of() gave them. */
bool own_is(struct own *own, const struct packet *packet, const struct flow *flow,
            uint32_t payload);

/* own_wants_mark - is it to be written again? It may not have been seen. */
bool own_wants_mark(const struct own *own);

/* own_check - end the search when its time has come. Return: true when it has ended now. */
bool own_check(struct own *own, uint64_t now);

#endif
