/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capture filters: from pcap-filter(7) text to one classic BPF program for every link type that an
 * agent meets. Compiled here, so that a wrong filter is refused before anything touches the
 * cluster.
 */
#ifndef KSNIFF_SETTINGS_FILTER_H
#define KSNIFF_SETTINGS_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/agent.h"

struct error;

struct filter {
    struct agent_bpf_insn *program; /* owned; NULL: no filter */
    size_t length;                  /* instructions */
    bool vlan;                      /* it looks at VLAN tags: the agent's -V */
    bool ethernet_only;             /* it cannot be asked of raw IP: the agent's -E */
};

/*
 * filter_compile - compile and optimise
 * @text: NULL or blank: no filter
 * @snaplen: bytes that the program returns for a packet it takes
 * @ret_filter: release with filter_free()
 *
 * The program loads the device's hardware type (SKF_AD_HATYPE, linux/filter.h) and goes on with the
 * part for Ethernet, which the loopback device has as well, or the part for raw IP. Where something
 * cannot be asked of raw IP ("ether host", "not vlan") there is no such part; the agent judges what
 * is not Ethernet as Ethernet without addresses and tags, whatever the device. Names of hosts are
 * looked up here, which may take as long as DNS does.
 *
 * Errors: ERROR_USAGE with libpcap's message and the place.
 */
int filter_compile(const char *text, uint32_t snaplen, struct filter *ret_filter,
                   struct error *err);
void filter_free(struct filter *filter);

/*
 * filter_check - would it compile?
 * @text: with addresses for the names that cannot be looked up yet (filter_names.h)
 * @shown: with the names: as long as @text, for the message
 */
int filter_check(const char *text, const char *shown, uint32_t snaplen, struct error *err);

/* filter_encode - the value of the agent's -F. Return: owned by the caller, NULL: out of memory. */
char *filter_encode(const struct filter *filter);

#endif
