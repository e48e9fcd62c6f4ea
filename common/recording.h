/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the client and the recorder agree on: the recorder's command line, the files of a ring, and
 * what is said on standard output and standard error. The recorder is a program of its own, made of
 * the agent's sources, in a pod of its own on the node. What the agent's options, exit codes and
 * standard input have in common with it stands in common/agent.h and holds here, too.
 *
 * Command line:
 *   ksniff-recorder version  prints the version, exits 0
 *   ksniff-recorder record -d DIR -k BYTES [-K SECONDS] [OPTION]... {-t [-C ID]... [-P UID]}...
 *                            the main process of the pod: records until SIGTERM, reads nothing
 *                            from standard input and writes nothing to standard output
 *     -d DIR         the ring: a directory that is there, and its own
 *     -k BYTES       the files in it are never more than so large together, all targets' counted,
 *                    each as whole blocks of RECORDING_BLOCK, as the disk and the kubelet count
 *                    them, and with what has been removed and is still open; at least
 *                    RECORDING_KEEP_MIN, and RECORDING_KEEP_EACH for each target
 *     -K SECONDS     segments that ended longer ago are removed; 0, the default: none for its age
 *     -i -s -H -b -F -E -V -N
 *                    as for `capture`, the same for each target
 *     -T PROGRAM     freezes the ring after the first packet that this program, as that of -F,
 *                    takes; it is shown those packets only that are recorded, and each as it is
 *                    written, but not cut
 *     -X FLAGS       V and E, as the options -V and -E, of the program of -T
 *     -A MILLISECONDS
 *                    how long recording goes on after that packet; default 0
 *     -t             begins a target, numbered from 0. -C and -P behind it choose its network
 *                    namespace, as for `capture`; without any it is the recorder's own
 *   ksniff-recorder fetch -d DIR -t NUMBER [OPTION]...
 *                            writes the segments of a target to standard output, the oldest first,
 *                            each a section of its own, and ends with the last that is there when
 *                            it begins; of one that is not finished it writes the blocks that are
 *                            whole; standard input is as for `capture`, but for 'f'. A segment
 *                            that is removed while it is read is cut as soon as the next one is
 *                            removed: a line on standard error says so, as of one that cannot be
 *                            read, and the next comes
 *     -a SEGMENT     begins with this one, or the next that there is
 *     -B NANOSECONDS leaves out segments that ended before this time (since 1970)
 *     -U NANOSECONDS leaves out segments that began after it
 *     -F -E -V       writes those packets only that the program takes, and statistics that count no
 *                    others; what was dropped stays
 *     -L             does not end with the last, but goes on as more is recorded
 *     -S SECONDS     as for `capture`
 *   ksniff-recorder status -d DIR
 *                            prints the state of the ring (see below), exits 0; there is none:
 *                            AGENT_EXIT_NO_FILE, as `fetch` where there is no ring
 *   ksniff-recorder freeze -d DIR
 *                            ends recording for good, and keeps what is in the ring; returns when
 *                            nothing more is written
 *
 * What keeps the recorder from recording a target that is there when it starts ends it with the
 * exit code that `capture` would have, and a line on standard error: the client, which sees both in
 * the pod's status, makes another pod with more privilege (AGENT_EXIT_NO_ENTRY,
 * AGENT_EXIT_NO_PERMISSION) or of another image (AGENT_EXIT_SHELL, with -N) then.
 *
 * Who may exec in the pod must not record what he likes with its privileges. So `record` holds
 * flock(LOCK_EX) on /proc/self/exe as long as it lives, from its first act on: who finds it taken
 * ends with AGENT_EXIT_NO_SECRET. The other commands need no secret, and drop every privilege.
 *
 * The ring: DIR/NUMBER/SEGMENT for each target, SEGMENT being RECORDING_SEGMENT_DIGITS decimal
 * digits, counted up from 0 and never used twice, also not by a recorder that is started again
 * after one that was killed. Each is a pcapng section that is whole by itself, in the byte order of
 * the node: its section header block has the comment RECORDING_SEGMENT_PREFIX and the segment's
 * number without leading zeros; interfaces are described before their packets; the last block is
 * statistics with isb_endtime, whose isb_ifrecv and isb_ifdrop count from the beginning of this
 * segment. A segment that is still being written, or whose recorder was killed, lacks those, and
 * may end amid a block: what stands before is good. There is a segment only where there are
 * packets, or packets that were lost; it is closed RECORDING_SEGMENT_MS after it was begun at the
 * latest.
 *
 * What could not be written, because the ring's file system is full, counts as dropped, like what
 * the kernel has dropped: in the statistics of the segment, or of the next one that can be written.
 *
 * DIR/RECORDING_STATE is the state: text that is put in the place of the one before as a whole,
 * once a second where anything has changed. Lines of words with a space between; numbers are
 * decimal, times nanoseconds since 1970, 0: there is none. A reader skips lines that it does not
 * know, and words behind those that it knows.
 *   recording 1              the format
 *   state STATE              recording, triggered (freezes soon) or frozen
 *   since TIME               when this ring was begun
 *   trigger TIME NUMBER      of the packet that has triggered, and of its target
 *   target NUMBER STATE OLDEST NEWEST SEGMENTS PACKETS BYTES DROPPED
 *       STATE: waiting (its network namespace is not found yet, or was lost), recording or frozen;
 *       OLDEST, NEWEST: the first and the last packet in the ring; SEGMENTS, PACKETS and BYTES (of
 *       files) in the ring; DROPPED since the ring was begun
 *   complaint TEXT           the last that has gone wrong, for a person
 *
 * DIR/RECORDING_FREEZE, where there is one, is a wish: who records is to freeze the ring. `freeze`
 * makes it.
 *
 * Standard error of `fetch`, a line each, besides messages for a person:
 *   ksniff-recorder: stopped: N packets, D dropped
 *                            at the end, as the agent says it: N packets were written, D is as the
 *                            segments that were written have it
 *   ksniff-recorder: clock ID NANOSECONDS
 *                            as the agent
 *   ksniff-recorder: live    with -L: all that was there has been written
 *   ksniff-recorder: frozen  with -L: so is the ring by now, and the fetch ends with what is there
 */
#ifndef KSNIFF_COMMON_RECORDING_H
#define KSNIFF_COMMON_RECORDING_H

#define RECORDING_DIRECTORY      "/ring"
#define RECORDING_STATE          "state"
#define RECORDING_FREEZE         "freeze"
#define RECORDING_KEEP_MIN       (8ull << 20)
#define RECORDING_KEEP_EACH      (1ull << 20)
#define RECORDING_BLOCK          4096
#define RECORDING_SEGMENT_MS     5000
#define RECORDING_SEGMENT_DIGITS 10
#define RECORDING_SEGMENT_PREFIX "segment: "
#define RECORDING_TARGETS_MAX    64 /* of one recorder */
#define RECORDING_LIVE           "live"
#define RECORDING_ENDS_FROZEN    "frozen"

#endif
