/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/lockdown.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/message.h"

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#elif defined(__arm__)
#define OUR_ARCH AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define OUR_ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define OUR_ARCH AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define OUR_ARCH AUDIT_ARCH_S390X
#else
#error "which AUDIT_ARCH_* is this machine?"
#endif

#define READS_ALL (1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH)

/* @kept: of the first 32, as far as they are there */
static void drop_capabilities(uint32_t kept)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {{0}};

    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    /* Needs CAP_SETPCAP, which a container may lack: no_new_privs has the same effect then. */
    for (unsigned long cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++) {
    }
    if (syscall(SYS_capget, &header, sets) < 0)
        kept = 0;
    sets[0].effective = sets[0].permitted &= kept;
    sets[0].inheritable = 0;
    sets[1] = (struct __user_cap_data_struct){0};
    if (syscall(SYS_capset, &header, sets) < 0)
        message_errno("cannot drop the capabilities", NULL);
}

#ifndef AGENT_NO_SECCOMP

#ifndef SYS_clock_gettime
#define SYS_clock_gettime SYS_clock_gettime32 /* musl's name, where there is one with 64 bits */
#endif

static const int capture_calls[] = {
    SYS_ppoll,           /* wait */
    SYS_write,           /* packets, messages */
    SYS_read,            /* heartbeats */
    SYS_clock_gettime,   /* where the kernel has no quicker way */
    SYS_recvmmsg,        /* packets, where there is no ring */
    SYS_getsockopt,      /* statistics */
    SYS_setsockopt,      /* the reject-all filter at the end */
    SYS_ioctl,           /* an interface that came up */
    SYS_flock,           /* the client lives */
    SYS_fcntl,           /* the flags of standard output, at the end */
    SYS_rt_sigreturn,    /* the end of a signal's handler */
    SYS_restart_syscall, /* after a stop */
    SYS_exit,            /* the end */
    SYS_exit_group,      /* the same */
#ifdef SYS_sigreturn
    SYS_sigreturn, /* the end of a signal's handler that is told nothing but its number */
#endif
#ifdef SYS_clock_gettime64 /* a machine of 32 bits: musl tries either of two */
    SYS_ppoll_time64,
    SYS_clock_gettime64,
    SYS_recvmmsg_time64,
    SYS_fcntl64,
#endif
};

static const int hold_calls[] = {
    SYS_rt_sigtimedwait, /* wait */
    SYS_clock_gettime,   /* where the kernel has no quicker way */
    SYS_flock,           /* do captures run? */
    SYS_wait4,           /* orphans */
    SYS_write,           /* messages */
#ifdef SYS_unlink
    SYS_unlink, /* -u */
#endif
    SYS_unlinkat,          /* the same, on newer machines */
    SYS_restart_syscall,   /* after a stop */
    SYS_exit,              /* the end */
    SYS_exit_group,        /* the same */
#ifdef SYS_clock_gettime64 /* as above */
    SYS_rt_sigtimedwait_time64,
    SYS_clock_gettime64,
#endif
};

static const int follow_calls[] = {
    SYS_ppoll,             /* wait */
    SYS_read,              /* heartbeats, the file, what inotify says */
    SYS_write,             /* secrets, messages */
    SYS_openat,            /* the file, which may become another */
    SYS_openat2,           /* the same, inside of a container's root */
    SYS_close,             /* the one before */
    SYS_lseek,             /* to its end, and to its beginning */
    SYS_fstat,             /* which is it? */
    SYS_inotify_add_watch, /* tell of what is added to it */
    SYS_clock_gettime,     /* where the kernel has no quicker way */
    SYS_flock,             /* the client lives */
    SYS_fcntl,             /* the flags of standard output, at the end */
    SYS_restart_syscall,   /* after a stop */
    SYS_exit,              /* the end */
    SYS_exit_group,        /* the same */
#ifdef SYS_clock_gettime64 /* as above */
    SYS_ppoll_time64,
    SYS_clock_gettime64,
    SYS_fcntl64,
    SYS_statx,
    SYS_fstat64,
    SYS__llseek,
#endif
};

static const int fetch_calls[] = {
    SYS_ppoll,   /* wait */
    SYS_read,    /* heartbeats, the state */
    SYS_pread64, /* segments */
#ifdef SYS_mmap
    SYS_mmap, /* those that are finished */
#else
    SYS_mmap2, /* the same, on machines of 32 bits */
#endif
    SYS_munmap,            /* and looked at */
    SYS_splice,            /* into a pipe */
    SYS_write,             /* blocks, messages */
    SYS_openat,            /* the ring, its segments */
    SYS_getdents64,        /* which there are */
    SYS_lseek,             /* to look again */
    SYS_fstat,             /* is it a file, and how large? */
    SYS_close,             /* a segment that has been read */
    SYS_clock_gettime,     /* where the kernel has no quicker way */
    SYS_fcntl,             /* the flags of standard output, at the end */
    SYS_restart_syscall,   /* after a stop */
    SYS_exit,              /* the end */
    SYS_exit_group,        /* the same */
#ifdef SYS_clock_gettime64 /* as above */
    SYS_ppoll_time64,
    SYS_clock_gettime64,
    SYS_fcntl64,
    SYS_statx,
    SYS_fstat64,
    SYS__llseek,
#endif
};

#define RULES(list) .calls = (list), .count = sizeof(list) / sizeof((list)[0])

static void filter_calls(const struct lockdown_rules *rules)
{
    struct sock_filter filter[2 * LOCKDOWN_CALLS_MAX + 5] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    struct sock_fprog program = {.len = 4, .filter = filter};

    for (size_t i = 0; i < rules->count; i++) {
        filter[program.len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                             (unsigned)rules->calls[i], 0, 1);
        filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
        message_errno("goes on without seccomp", NULL);
}

#else

/* The sanitizers' runtime makes calls of its own. */
#define RULES(list) .calls = NULL

static void filter_calls(const struct lockdown_rules *rules)
{
    (void)rules;
}

#endif

void lockdown_to(const struct lockdown_rules *rules)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        message_errno("cannot set no_new_privs", NULL);
    drop_capabilities(rules->kept);
    if (rules->secret)
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    filter_calls(rules);
}

void lockdown(enum lockdown kind)
{
    /* The buffers of a capture hold what other people's programs say to each other. */
    static const struct lockdown_rules all[] = {
        [LOCKDOWN_CAPTURE] = {RULES(capture_calls), .secret = true},
        [LOCKDOWN_HOLD] = {RULES(hold_calls)},
        [LOCKDOWN_FOLLOW] = {RULES(follow_calls), .kept = READS_ALL, .secret = true},
        [LOCKDOWN_FETCH] = {RULES(fetch_calls), .secret = true},
    };

    lockdown_to(&all[kind]);
}
