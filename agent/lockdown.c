/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/lockdown.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/message.h"

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#error "which AUDIT_ARCH_* is this machine?"
#endif

static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    /* Needs CAP_SETPCAP, which a container may lack: no_new_privs has the same effect then. */
    for (unsigned long cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++) {
    }
    if (syscall(SYS_capset, &header, none) < 0)
        message_errno("cannot drop the capabilities", NULL);
}

#ifndef AGENT_NO_SECCOMP

#define ALLOW(name)                                                                                \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1),                                         \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void filter_calls(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(ppoll), /* wait */
        ALLOW(write), /* packets, messages */
        ALLOW(read),  /* heartbeats */
        ALLOW(clock_gettime),
        ALLOW(recvmmsg),   /* packets, where there is no ring */
        ALLOW(getsockopt), /* statistics */
        ALLOW(setsockopt), /* the reject-all filter at the end */
        ALLOW(ioctl),      /* an interface that came up */
        ALLOW(fcntl),      /* the flags of standard output, at the end */
        ALLOW(rt_sigreturn),
        ALLOW(restart_syscall),
        ALLOW(exit),
        ALLOW(exit_group),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    const struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};

    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
        message_errno("goes on without seccomp", NULL);
}

#else

/* The sanitizers' runtime makes calls of its own. */
static void filter_calls(void)
{
}

#endif

void lockdown(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        message_errno("cannot set no_new_privs", NULL);
    drop_capabilities();
    /* The buffers hold what other people's programs say to each other: no core file, no ptrace. */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    filter_calls();
}
