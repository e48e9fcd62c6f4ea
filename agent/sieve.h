/* SPDX-License-Identifier: Apache-2.0 */
/* The program of -F on packets that were recorded: as the agent's own judge of live ones. */
#ifndef KSNIFF_AGENT_SIEVE_H
#define KSNIFF_AGENT_SIEVE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/program.h"

struct sieve {
    struct program program; /* whole */
    bool ethernet_only;     /* it is for Ethernet frames only: -E */
};

/*
 * sieve_takes - does the program take a packet?
 * @linktype: LINKTYPE_* of its interface
 * @block: an Enhanced Packet Block of which captured_len is known to be right; it is the same
 *         afterwards
 *
 * A packet of a link type that the program is not made for is judged as an Ethernet frame without
 * addresses. What its protocol is can be seen of IP packets and of cooked ones; of others it is 0,
 * which no program for a protocol takes. VLAN tags stand in the packets.
 */
bool sieve_takes(const struct sieve *sieve, uint16_t linktype, uint8_t *block);

#endif
