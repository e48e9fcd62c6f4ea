/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the source to the output: packets are told apart by their interface, which is described
 * before its first one, judged where the kernel could not, cut, and written; and what the output's
 * statistics say of them.
 */
#ifndef KSNIFF_AGENT_TAP_H
#define KSNIFF_AGENT_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/interfaces.h"
#include "agent/output.h"
#include "agent/source.h"
#include "common/agent.h"

struct options;

/* All zero but for the options: nothing is open. Too large for a stack. */
struct tap {
    const struct options *options;
    struct source source;
    uint32_t chosen[AGENT_INTERFACES_MAX]; /* the indexes of -i */
    uint64_t started; /* nanoseconds since 1970: what the statistics begin at */
    uint64_t packets; /* written into the output */
    uint64_t reported_dropped;
    uint64_t idle_due; /* clock_ms(): statistics also if they say nothing new */
    uint64_t sweep_due;
    uint32_t described;        /* interfaces of the section */
    uint32_t drops_id;         /* of the interface that they are said of, once there are some */
    struct interface departed; /* that one, when it has been forgotten */
    struct interface latest;   /* of those that have been forgotten */
    bool has_departed;
    struct interfaces interfaces; /* and what is large at the end: that is less code to reach it */
    struct output output;
};

/*
 * tap_open - open the source and choose the interfaces of -i, or all that are up; nothing is
 * captured yet
 *
 * Return: AGENT_EXIT_*, after a message.
 */
int tap_open(struct tap *tap);

/* tap_start - capture from now on. @loopback_tcp: see kernel_filter.h. Return: as tap_open(). */
int tap_start(struct tap *tap, bool loopback_tcp);

/* tap_follow_names - an interface of -i may go and come back, as the device of a tunnel does: it
 * has another index then. */
void tap_follow_names(struct tap *tap);

/* tap_make_room - forget interfaces, where no other would find room: to be called before
 * source_next(). */
void tap_make_room(struct tap *tap);

/*
 * tap_wants - is a packet to be written?
 *
 * Call output_has_room() first, here as below. Return: its interface, until tap_make_room(); NULL:
 * it is not.
 */
struct interface *tap_wants(struct tap *tap, const struct packet *packet);

/* tap_interface - a packet's interface, as tap_wants() gives it. */
struct interface *tap_interface(struct tap *tap, const struct packet *packet);

/* tap_put - write it, and its interface before it where that is not described yet. */
void tap_put(struct tap *tap, struct interface *interface, const struct packet *packet);

/*
 * tap_judge - does a program take a packet?
 * @ethernet_only: it is for Ethernet frames alone
 *
 * It is shown the packet as it is written, the tag put back, but not cut; that of a device it was
 * not made for, as an Ethernet frame.
 */
bool tap_judge(struct tap *tap, const struct agent_bpf_insn *program, bool ethernet_only,
               const struct interface *interface, const struct packet *packet);

/* tap_begin_section - another one, in which no interface is described yet, and nothing is counted
 * but source.dropped. @comment: NULL: none */
void tap_begin_section(struct tap *tap, const char *comment);

/* tap_end_section - the statistics of all interfaces that are described, each once, and the end's.
 * There is room for them, at most 256 bytes each. */
void tap_end_section(struct tap *tap);

/* tap_describe - all interfaces that are known by now, whether or not they have packets. */
void tap_describe(struct tap *tap);

/*
 * tap_write_statistics - those that say something new
 * @mark: a comment that is to be written with the first interface's, if nothing else is; NULL: none
 * @last: and the end of it all
 */
void tap_write_statistics(struct tap *tap, const char *mark, bool last);

#endif
