/* SPDX-License-Identifier: Apache-2.0 */
/* The command lines of `ksniff-agent capture` and `hold` (common/agent.h). */
#ifndef KSNIFF_AGENT_OPTIONS_H
#define KSNIFF_AGENT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/agent.h"

#define OPTIONS_CONTAINER_LENGTH 64 /* hex digits of -C */

struct options {
    const char *interfaces[AGENT_INTERFACES_MAX];
    size_t interface_count;
    uint32_t snaplen;
    uint32_t ring;         /* bytes */
    size_t program_length; /* of program; 0: no filter */
    bool vlan;
    bool ethernet_only; /* the program is for Ethernet only */
    bool headers_only;
    bool own; /* leave the own stream out */
    bool no_ring;
    bool no_shell;
    bool whole;   /* the kernel brings packets whole, whatever the snaplen */
    bool patient; /* nobody waits for a packet as it comes: SOURCE_PATIENT_MS */
    const char *unlink_path;
    unsigned silence;                          /* seconds */
    const char *containers[AGENT_TARGETS_MAX]; /* OPTIONS_CONTAINER_LENGTH hex digits each */
    size_t container_count;
    const char *pod;    /* uid; NULL: none */
    const char *keylog; /* of follow; NULL: it is another command */
    struct agent_bpf_insn program[AGENT_BPF_INSNS_MAX];
};

/* options_parse - read the words behind "capture". Return: 0, or -1 after a message. */
int options_parse(int argc, char *const argv[], struct options *ret_options);

/* options_parse_hold - the same of the words behind "hold": -S and -u. */
int options_parse_hold(int argc, char *const argv[], struct options *ret_options);

/* options_parse_follow - the same of the words behind "follow". */
int options_parse_follow(int argc, char *const argv[], struct options *ret_options);

/* options_unlink - the value of -u, wherever it stands: it is wanted even when the rest is wrong.
 */
const char *options_unlink(int argc, char *const argv[]);

#endif
