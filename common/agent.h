/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the client and the capture agent agree on: the agent's command line, its exit codes, and the
 * bytes on its standard input. The packets themselves are pcapng (common/pcapng.h) on its standard
 * output; standard error carries messages for a person, and one line that the client reads.
 *
 * Command line:
 *   ksniff-agent version     prints the version, exits 0
 *   ksniff-agent hold [-S SECONDS] [-u PATH]
 *                            keeps a container alive for captures beside it: ends, with 0, when no
 *                            capture of the same executable has heard its client for SECONDS
 *                            (default AGENT_HOLD_SECONDS), or at SIGTERM; -u: unlinks PATH then
 *   ksniff-agent capture [OPTION]...
 *     -i IFACE       capture only on this interface; may be repeated; default: every interface
 *     -s SNAPLEN     bytes kept of a packet, 1..AGENT_SNAPLEN_MAX; default AGENT_SNAPLEN_MAX
 *     -H             cut each packet behind its headers: agent/headers.h
 *     -b RING_BYTES  size of the packet ring; halved down to 1 MiB while the kernel has no memory
 *     -F PROGRAM     classic BPF program, base64url without padding of struct agent_bpf_insn[],
 *                    little-endian; it may load SKF_AD_HATYPE to dispatch on the link type
 *     -E             the program is for Ethernet frames only: packets of other devices are judged
 * as if they had an Ethernet header without addresses. Without -E it is also for devices that give
 * IP packets without a header; others are judged so as well -V             the program looks at
 * VLAN tags: packets whose tag the kernel has stripped pass the kernel, and are looked at again
 * with the tag put back -u PATH        unlink PATH as the first act (the agent's own file) -S
 * SECONDS     end after this long without a byte on standard input; default AGENT_SILENCE_SECONDS
 *     -O             leave the capture's own stream out, where it passes in clear: the section and
 *                    the first statistics have a comment that begins with AGENT_MARK_PREFIX, and a
 *                    TCP connection in which that is seen again is not captured. Where another
 *                    conversation proves to carry the stream, a line on standard error says
 *                    AGENT_CARRIED, its protocol (tcp, udp, sctp or a number), and address and port
 *                    (0: none) of both its ends, all with a space between
 *     -R             do not use PACKET_RX_RING (as on kernels that have none)
 *     -N             not beside a shell, or what does as one: ends at once with AGENT_EXIT_SHELL
 *                    where the container has it
 *     -C ID          enter the network namespace of this container (64 hex digits) first: that of
 *                    the oldest process that /proc/PID/cgroup shows in it; may be repeated, the
 *                    first that is found is taken
 *     -P UID         the same of any process of this pod, where no -C is found: its containers may
 *                    not have started, or crash; its sandbox holds the namespace
 *
 *   ksniff-agent follow -k PATH [OPTION]...
 *                            writes what is added to a TLS key log, as Decryption Secrets Blocks of
 *                            a section without packets: lines that are secrets (common/keylog.h),
 *                            and no others. Of what is there at the start it takes the last
 *                            AGENT_KEYLOG_TAIL bytes. PATH need not be there yet, may be cut to
 *                            nothing, and may become another file
 *     -C ID          PATH is that of the container's root directory, and of no other: the agent is
 *                    in a helper
 *     -u, -S, -N     as for capture; standard input is the same, too, but for 'f'
 *
 * hold and capture agree by a lock: a capture holds flock(LOCK_SH) on /proc/self/exe for
 * AGENT_LOCK_MS after its start and after each byte that it reads from standard input; hold looks
 * at it every AGENT_LOCK_MS / 2.
 *
 * A helper serves only who has made it. Its container's environment holds AGENT_SECRET_VARIABLE,
 * the SHA-256 of its secret in 64 lower-case hex digits. Where that is set, the first line on
 * standard input of a capture is the secret, of at most AGENT_SECRET_MAX bytes, and is there within
 * AGENT_SECRET_MS; nothing is done before it, and nothing at all without it (AGENT_EXIT_NO_SECRET).
 * hold takes no -u then, since who may exec would have it remove files of the node.
 *
 * Standard input (the dead man's switch; read while capturing; every byte is a heartbeat):
 *   '\n'  heartbeat        'q'  stop: write what is buffered and the last statistics, exit 0
 *   'c' ID '\n'            what time is it? ID: 1 to AGENT_CLOCK_DIGITS decimal digits
 *   'f' FLAGS ':' PROGRAM '\n'
 *                          capture by this program from now on: FLAGS are V and E, as the options,
 *                          or nothing; PROGRAM is as that of -F, nothing: no filter. What the
 *                          kernel had let pass by then stays
 *   end of file            the same as 'q', but output of which nothing is taken for AGENT_GRACE_MS
 *                          is given up
 * The answer to 'c' is given at once, also after 'q', by a line on standard error:
 *   ksniff-agent: clock ID NANOSECONDS
 * with the ID that was asked with, and CLOCK_REALTIME. There is none where standard error takes
 * nothing at that moment: an answer that waits would be a wrong one.
 * The answer to 'f' is a line there, too: AGENT_FILTER_SET, or AGENT_FILTER_REFUSED where it is no
 * program, or the kernel does not take it: then the present one stays.
 * After 'q' no packet is captured any more. What was captured is written for as long as heartbeats
 * come, however slow the reader is; how much that is stands in a line on standard error:
 *   ksniff-agent: stopped: N packets, D dropped
 * with N counting those that have been written already, too, and "at most" before it where some
 * that have not may turn out not to be wanted.
 *
 * The statistics in the output hold at the place where they stand: what an interface received less
 * what was dropped is how many of its packets stand before them. The last block of an output that
 * is whole is statistics, and they alone have isb_endtime. There are some at the start, and while
 * nothing changes every AGENT_IDLE_SECONDS: so that it can be seen until when nothing is missing.
 */
#ifndef KSNIFF_COMMON_AGENT_H
#define KSNIFF_COMMON_AGENT_H

#include <stdint.h>

#define AGENT_SNAPLEN_MAX     262144u
#define AGENT_RING_DEFAULT    (32u << 20)
#define AGENT_RING_MIN        (1u << 20)
#define AGENT_INTERFACES_MAX  64   /* -i options */
#define AGENT_BPF_INSNS_MAX   4096 /* BPF_MAXINSNS of linux/bpf_common.h */
#define AGENT_BPF_OWN_MAX     512  /* instructions that the agent puts in front of a program */
#define AGENT_HEARTBEAT       '\n'
#define AGENT_STOP            'q'
#define AGENT_CLOCK           'c'
#define AGENT_FILTER          'f'
#define AGENT_FILTER_SET      "filter set"
#define AGENT_FILTER_REFUSED  "filter refused"
#define AGENT_CLOCK_DIGITS    10
#define AGENT_CLOCK_ANSWER    "clock " /* begins the answer, ID and time follow */
#define AGENT_MARK_PREFIX     "mark: "
#define AGENT_MARK_LENGTH     32       /* hex digits */
#define AGENT_NOTE            "note: " /* begins what is no complaint on standard error */
#define AGENT_CARRIED         "own stream carried by" /* begins a line, see -O */
#define AGENT_SILENCE_SECONDS 60 /* the agent ends after this long without any byte on stdin */
#define AGENT_HOLD_SECONDS    60
#define AGENT_LOCK_MS         2000
#define AGENT_TARGETS_MAX     64 /* -C options */
#define AGENT_SECRET_VARIABLE "KSNIFF_SECRET_SHA256"
#define AGENT_SECRET_MAX      128
#define AGENT_SECRET_MS       15000
#define AGENT_GRACE_MS        1000
#define AGENT_IDLE_SECONDS    10
#define AGENT_KEYLOG_TAIL     (4u << 20)

/* One instruction as it travels in -F: the layout of struct sock_filter (linux/filter.h). */
struct agent_bpf_insn {
    uint16_t code;
    uint8_t jt;
    uint8_t jf;
    uint32_t k;
};

/* Exit codes. Apart from what shells (126, 127), signals (128+n) and the upload script (80..89)
 * use. */
enum agent_exit {
    AGENT_EXIT_OK = 0,
    AGENT_EXIT_BAD_OPTIONS = 64,      /* the command line is not understood */
    AGENT_EXIT_NO_PERMISSION = 65,    /* no CAP_NET_RAW */
    AGENT_EXIT_NO_INTERFACE = 66,     /* an interface named with -i does not exist */
    AGENT_EXIT_NO_NAMESPACE = 67,     /* the target's network namespace was not found */
    AGENT_EXIT_NO_PACKET_SOCKET = 68, /* the kernel has no AF_PACKET */
    AGENT_EXIT_NO_MEMORY = 69,        /* not even the smallest ring */
    AGENT_EXIT_BAD_FILTER = 70,       /* the kernel refuses the program of -F */
    AGENT_EXIT_SILENCE = 71,          /* no heartbeat for AGENT_SILENCE_SECONDS */
    AGENT_EXIT_OUTPUT_CLOSED = 72,    /* nobody reads standard output any more */
    AGENT_EXIT_NO_ENTRY = 73,         /* the target's namespace was found, but may not be entered */
    AGENT_EXIT_NO_SECRET = 74,        /* a helper's secret is not what standard input begins with */
    AGENT_EXIT_SHELL = 75,            /* with -N: the container has a shell */
    AGENT_EXIT_NO_FILE = 76,          /* the key log, or the ring, may not be read, or is none */
    AGENT_EXIT_INTERNAL = 79,         /* anything else; standard error says what */
};

#endif
