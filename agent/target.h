/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network namespace of a container or a pod (-C, -P), by the control groups of its processes.
 *
 * Runtimes name a container's group after its 64 hex digits, and kubelets a pod's after its uid:
 *   .../kubepods/burstable/pod<uid>/<id>                                    cgroupfs
 *   .../kubepods-burstable-pod<uid, _ for ->.slice/cri-containerd-<id>.scope systemd
 *   .../kubepods-besteffort-pod<...>.slice:cri-containerd:<id>              containerd, at odds
 * anywhere in the path: a kubelet, and what runs in a container, may have groups below or above.
 */
#ifndef KSNIFF_AGENT_TARGET_H
#define KSNIFF_AGENT_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct options;

#define TARGET_NONE SIZE_MAX

/*
 * target_match_line - what a line of /proc/PID/cgroup belongs to
 * @line: @length bytes without the newline
 * @monitor: set when the line is that of a runtime's monitor (conmon), else left alone
 *
 * Return: the number of a container of -C, options->container_count for the pod of -P; the least
 * where there are several; TARGET_NONE.
 */
size_t target_match_line(const struct options *options, const char *line, size_t length,
                         bool *monitor);

/* target_match - the same of the whole text of /proc/PID/cgroup. */
size_t target_match(const struct options *options, const char *text, size_t length);

/*
 * target_parse_stat - when a process has started; @stat: the text of /proc/PID/stat
 *
 * Return: false when it has ended (a zombie), or when this is no such text.
 */
bool target_parse_stat(const char *stat, size_t length, uint64_t *ret_start);

/* target_is_bare - does /proc/PID/net/dev tell of nothing but lo, and the devices that the kernel
 * puts into new namespaces by itself? @text: "" where it cannot be read, which is no. */
bool target_is_bare(const char *text, size_t length);

struct target_found {
    size_t target; /* as of target_match(); TARGET_NONE: none */
    pid_t pid;
    uint64_t start;
    bool bare;   /* its network namespace has no interface that leads anywhere */
    int refused; /* errno: its network namespace may not be looked at; 0: */
    int hidden;  /* errno of the processes whose group may not be read; 0: there are none */
    dev_t device;
    ino_t inode;      /* of the namespace */
    size_t looked_at; /* processes */
    size_t of_node;   /* a target of which there are processes only in the node's namespace */
};

/*
 * target_find - the process of the first target that has any: the one that has started first
 * @proc: a descriptor of /proc
 *
 * Processes in the node's own network namespace do not count, and those in bare ones only if there
 * is no other of any target.
 */
void target_find(int proc, const struct options *options, struct target_found *ret_found);

/* target_enter - enter the namespace, if -C or -P is there. Return: AGENT_EXIT_*, after a message.
 */
int target_enter(const struct options *options);

/* target_open_root - open the root directory of the container of -C, if there is one.
 * @ret_root: a descriptor for openat2(2); -1: none is asked for. Return: as target_enter(). */
int target_open_root(const struct options *options, int *ret_root);

#endif
