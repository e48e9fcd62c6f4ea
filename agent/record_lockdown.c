/* SPDX-License-Identifier: Apache-2.0 */
/* Source: landlock(7), linux/landlock.h. */
#include "agent/record_lockdown.h"

#include <linux/capability.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/lockdown.h"

#ifndef SYS_clock_gettime
#define SYS_clock_gettime SYS_clock_gettime32 /* musl's name, where there is one with 64 bits */
#endif

static const int writer_calls[] = {
    SYS_ppoll,           /* wait */
    SYS_openat,          /* the next segment */
    SYS_write,           /* packets, messages */
    SYS_close,           /* the segment before */
    SYS_uname,           /* for the section header */
    SYS_clock_gettime,   /* where the kernel has no quicker way */
    SYS_recvmmsg,        /* packets, where there is no ring */
    SYS_getsockopt,      /* statistics */
    SYS_setsockopt,      /* another filter, where an interface has come back; the end */
    SYS_ioctl,           /* interfaces */
    SYS_rt_sigreturn,    /* the end of a signal's handler */
    SYS_restart_syscall, /* after a stop */
    SYS_exit,            /* the end */
    SYS_exit_group,      /* the same */
#ifdef SYS_sigreturn
    SYS_sigreturn,
#endif
#ifdef SYS_clock_gettime64 /* a machine of 32 bits: musl tries either of two */
    SYS_ppoll_time64,
    SYS_clock_gettime64,
    SYS_recvmmsg_time64,
#endif
};

static const int reader_calls[] = {
    SYS_openat,            /* the state */
    SYS_read,              /* the same */
    SYS_close,             /* the same */
    SYS_fstat,             /* is it a file? */
    SYS_nanosleep,         /* wait */
    SYS_clock_gettime,     /* where the kernel has no quicker way */
    SYS_write,             /* messages */
    SYS_restart_syscall,   /* after a stop */
    SYS_exit,              /* the end */
    SYS_exit_group,        /* the same */
#ifdef SYS_clock_gettime64 /* as above */
    SYS_clock_gettime64,
    SYS_clock_nanosleep_time64,
    SYS_statx,
    SYS_fstat64,
#else
    SYS_clock_nanosleep,
#endif
};

/* What itself does, and a writer until its own list holds. */
static const int supervisor_calls[] = {
    SYS_ppoll,
    SYS_read,
    SYS_write,
    SYS_openat,
    SYS_close,
    SYS_fcntl,
    SYS_fstat,
    SYS_lseek,
    SYS_pread64,
    SYS_pwrite64,
    SYS_ftruncate,
    SYS_renameat2,
    SYS_unlinkat,
    SYS_getdents64,
    SYS_clock_gettime,
    SYS_clone, /* writers */
    SYS_wait4,
    SYS_kill,
    SYS_getpid,
    SYS_getppid,
    SYS_gettid,
    SYS_set_tid_address,
    SYS_dup3,
    SYS_prctl,
    SYS_setns,
    SYS_socket,
    SYS_bind,
    SYS_sendto,
    SYS_recvfrom,
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_ioctl,
    SYS_recvmmsg,
    SYS_munmap,
    SYS_uname,
    SYS_capget,
    SYS_capset,
    SYS_landlock_create_ruleset,
    SYS_landlock_add_rule,
    SYS_landlock_restrict_self,
    SYS_rt_sigprocmask,
    SYS_rt_sigaction,
    SYS_rt_sigreturn,
    SYS_restart_syscall,
    SYS_exit,
    SYS_exit_group,
#ifdef SYS_open /* machines that have had them for long */
    SYS_open,
    SYS_stat,
    SYS_fork,
    SYS_dup2,
    SYS_poll,
#endif
#ifdef SYS_renameat
    SYS_renameat,
#endif
#ifdef SYS_sigreturn
    SYS_sigreturn,
#endif
#ifdef SYS_newfstatat
    SYS_newfstatat,
#endif
#ifdef SYS_fstatat64
    SYS_fstatat64,
#endif
#ifdef SYS_clock_gettime64 /* as above */
    SYS_ppoll_time64,
    SYS_clock_gettime64,
    SYS_recvmmsg_time64,
    SYS_fcntl64,
    SYS_fstat64,
    SYS_statx,
    SYS__llseek,
    SYS_ftruncate64,
    SYS_mmap2,
#else
    SYS_mmap,
#endif
};

#ifndef AGENT_NO_SECCOMP
#define RULES(list) .calls = (list), .count = sizeof(list) / sizeof((list)[0])
#else
#define RULES(list) .calls = (list)
#endif

/* Where the kernel has no Landlock, the list of system calls has to do. */
static void stay_in(int dir)
{
    const struct landlock_ruleset_attr all = {.handled_access_fs =
                                                  2 * LANDLOCK_ACCESS_FS_MAKE_SYM - 1};
    const struct landlock_path_beneath_attr here = {
        .allowed_access = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG,
        .parent_fd = dir};
    int rules = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);

    if (rules < 0)
        return;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &here, 0) == 0)
        syscall(SYS_landlock_restrict_self, rules, 0);
    close(rules);
}

void record_lockdown_supervisor(void)
{
    static const struct lockdown_rules rules = {RULES(supervisor_calls),
                                                .kept = 1u << CAP_SYS_ADMIN | 1u << CAP_SYS_PTRACE |
                                                        1u << CAP_NET_RAW};

    lockdown_to(&rules);
}

void record_lockdown_writer(int dir)
{
    static const struct lockdown_rules rules = {RULES(writer_calls), .secret = true};

    stay_in(dir);
    lockdown_to(&rules);
}

void record_lockdown_reader(void)
{
    static const struct lockdown_rules rules = {RULES(reader_calls)};

    lockdown_to(&rules);
}
