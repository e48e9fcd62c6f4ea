/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oldest process of a container is its init, and the oldest of a pod its pause process: they
 * are in the namespace that is meant, whatever others in their groups have made for themselves.
 *
 * Where a container is no container to the node, another process stands for it: that of gVisor's
 * sandbox has its sockets in the pod's network namespace, and Kata's hypervisor its end of the
 * pod's interface. They are in the pod's group (Kata: with sandbox_cgroup_only). In the container's
 * own group there is, at most, what serves it files (gVisor's gofer), older than the sandbox and in
 * an empty network namespace: such ones are taken last.
 *
 * Numbers of processes are used again. A descriptor of /proc/PID stands for the process, not for
 * its number: what is opened through it is that process's, or fails once that has ended. So the
 * namespace is opened through one, and through the same one start time and group are seen to be
 * those that were found. The namespace itself lives as long as its descriptor.
 */
#include "agent/target.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/directory.h"
#include "agent/message.h"
#include "agent/options.h"
#include "common/agent.h"

#define TRIES     5
#define ID_LENGTH OPTIONS_CONTAINER_LENGTH
#define TEXT_SIZE 65536 /* of a file in /proc; what is beyond is not looked at */

/* ---- whose is a control group? ---- */

static bool strip(const char *piece, size_t *length, const char *ending)
{
    size_t shorter = strlen(ending);

    if (*length < shorter || memcmp(piece + *length - shorter, ending, shorter) != 0)
        return false;
    *length -= shorter;
    return true;
}

/* Is it ID, PREFIX-ID, or one of them with .scope? Return: the first container that it is. */
static size_t match_container(const struct options *options, const char *piece, size_t length)
{
    strip(piece, &length, ".scope");
    if (length < ID_LENGTH)
        return TARGET_NONE;
    const char *id = piece + length - ID_LENGTH;
    if (length > ID_LENGTH && id[-1] != '-')
        return TARGET_NONE;
    for (size_t i = 0; i < options->container_count; i++)
        if (memcmp(id, options->containers[i], ID_LENGTH) == 0)
            return i;
    return TARGET_NONE;
}

/* Is it podUID or PREFIX-podUID, with or without .slice? In slices, _ stands for -. */
static bool match_pod(const char *uid, const char *piece, size_t length)
{
    static const char pod[] = {'p', 'o', 'd'};
    size_t uid_length = strlen(uid);

    strip(piece, &length, ".slice");
    if (length < sizeof(pod) + uid_length)
        return false;
    const char *tail = piece + length - uid_length;
    const char *head = tail - sizeof(pod);
    if (memcmp(head, pod, sizeof(pod)) != 0 || (head > piece && head[-1] != '-'))
        return false;
    for (size_t i = 0; i < uid_length; i++)
        if (tail[i] != uid[i] && !(tail[i] == '_' && uid[i] == '-'))
            return false;
    return true;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Return: the bytes up to the next @separator, or to @end. */
static size_t up_to(char separator, const char *text, const char *end)
{
    const char *found = memchr(text, separator, (size_t)(end - text));

    return (size_t)((found ? found : end) - text);
}

static bool is_monitor(const char *component, size_t length)
{
    static const char conmon[] = {'c', 'o', 'n', 'm', 'o', 'n'};

    for (size_t i = 0; i + sizeof(conmon) <= length; i++)
        if (memcmp(component + i, conmon, sizeof(conmon)) == 0)
            return true;
    return false;
}

/* What stands between two slashes; between colons, too, there may be names. */
static size_t match_component(const struct options *options, const char *component, size_t length,
                              bool *monitor)
{
    const char *end = component + length;
    bool ours = !is_monitor(component, length);
    size_t best = TARGET_NONE;

    if (!ours)
        *monitor = true;
    for (const char *at = component; at < end;) {
        size_t piece = up_to(':', at, end);

        if (ours)
            best = least(best, match_container(options, at, piece));
        if (options->pod && match_pod(options->pod, at, piece))
            best = least(best, options->container_count);
        at += piece + 1;
    }
    return best;
}

size_t target_match_line(const struct options *options, const char *line, size_t length,
                         bool *monitor)
{
    const char *end = line + length, *at = line;
    size_t best = TARGET_NONE;

    /* NUMBER:CONTROLLERS:PATH */
    for (int i = 0; i < 2 && at < end; i++)
        at += up_to(':', at, end) + 1;
    while (at < end) {
        size_t component = up_to('/', at, end);

        best = least(best, match_component(options, at, component, monitor));
        at += component + 1;
    }
    return best;
}

size_t target_match(const struct options *options, const char *text, size_t length)
{
    const char *end = text + length;
    size_t best = TARGET_NONE;
    bool monitor = false;

    for (const char *at = text; at < end;) {
        size_t line = up_to('\n', at, end);

        best = least(best, target_match_line(options, at, line, &monitor));
        at += line + 1;
    }
    /* A monitor is in its pod's group, and older than the pod's processes. */
    return monitor && best == options->container_count ? TARGET_NONE : best;
}

/* A number in /proc/PID/stat; @field: from 4. Return: false when it is not there. */
static bool stat_field(const char *stat, size_t length, int field, uint64_t *ret)
{
    /* The name, which is whatever the process wants, ends at the last parenthesis. */
    const char *at = memrchr(stat, ')', length), *end = stat + length;
    uint64_t value = 0;

    if (!at || end - at < 3 || at[1] != ' ')
        return false;
    at += 2;
    for (int i = 3; i < field && at < end; i++)
        at += up_to(' ', at, end) + 1;
    if (at >= end || *at < '0' || *at > '9')
        return false;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    *ret = value;
    return true;
}

bool target_parse_stat(const char *stat, size_t length, uint64_t *ret_start)
{
    const char *name_end = memrchr(stat, ')', length);

    if (!name_end || stat + length - name_end < 3 || memchr("ZXx", name_end[2], 3))
        return false;
    return stat_field(stat, length, 22, ret_start);
}

/* ---- looking through /proc ---- */

struct search {
    int proc;
    const struct options *options;
    struct stat node; /* of the node's namespace; st_ino 0: it may not be looked at */
    struct target_found found;
};

static char text[TEXT_SIZE];

/* Reads a file of /proc into text. Return: its length, cut at a line; 0: cannot be read, errno says
 * why. */
static size_t read_text(int directory, const char *path)
{
    int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t got;

    if (fd < 0)
        return 0;
    while ((got = read(fd, text + used, sizeof(text) - used)) > 0)
        used += (size_t)got;
    close(fd);
    while (used == sizeof(text) && used > 0 && text[used - 1] != '\n')
        used--;
    return used;
}

/* NUMBER/FILE */
static const char *path_of(char path[static 40], pid_t pid, const char *file)
{
    decimal(path, (unsigned long long)pid);
    strcat(strcat(path, "/"), file);
    return path;
}

static bool same_namespace(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool is_refusal(int number)
{
    return number == EACCES || number == EPERM;
}

/* A device that each namespace has. */
static bool is_of_every_namespace(const char *name, size_t length)
{
    /* Source: Documentation/admin-guide/sysctl/net.rst, fb_tunnels_only_for_init_net. */
    static const char known[] = "lo\0tunl0\0gre0\0gretap0\0erspan0\0"
                                "ip_vti0\0ip6_vti0\0sit0\0ip6tnl0\0ip6gre0\0";

    for (const char *at = known; *at; at += strlen(at) + 1)
        if (strlen(at) == length && memcmp(at, name, length) == 0)
            return true;
    return false;
}

bool target_is_bare(const char *dev, size_t length)
{
    const char *end = dev + length;

    for (const char *at = dev; at < end; at += up_to('\n', at, end) + 1) {
        size_t line = up_to('\n', at, end), name = up_to(':', at, at + line);

        while (name > 0 && *at == ' ')
            at++, name--, line--;
        if (name == line)
            continue; /* a heading */
        if (!is_of_every_namespace(at, name))
            return false;
    }
    return length > 0;
}

/* Is the process to be preferred to what has been found? */
static bool is_better(const struct target_found *found, size_t target, bool bare, uint64_t start,
                      pid_t pid)
{
    if (found->target != TARGET_NONE && bare != found->bare)
        return !bare;
    if (target != found->target)
        return target < found->target;
    return start != found->start ? start < found->start : pid < found->pid;
}

static void look_at(struct search *search, pid_t pid)
{
    struct target_found *found = &search->found;
    struct stat namespace = {0};
    int refused = 0;
    char path[40];
    uint64_t start;

    found->looked_at++;
    errno = 0;
    size_t length = read_text(search->proc, path_of(path, pid, "cgroup"));
    if (length == 0 && is_refusal(errno))
        found->hidden = errno;
    size_t target = target_match(search->options, text, length);
    if (target == TARGET_NONE)
        return;
    if (!target_parse_stat(text, read_text(search->proc, path_of(path, pid, "stat")), &start))
        return;
    if (search->options->keylog) {
        /* Its files are what counts, whatever its network. */
    } else if (fstatat(search->proc, path_of(path, pid, "ns/net"), &namespace, 0) < 0) {
        if (!is_refusal(errno))
            return; /* it has ended */
        refused = errno;
    } else if (same_namespace(&namespace, &search->node)) {
        found->of_node = least(found->of_node, target);
        return;
    }
    bool bare = !refused && !search->options->keylog &&
                target_is_bare(text, read_text(search->proc, path_of(path, pid, "net/dev")));
    if (!is_better(found, target, bare, start, pid))
        return;
    found->bare = bare;
    found->target = target;
    found->start = start;
    found->pid = pid;
    found->refused = refused;
    found->device = namespace.st_dev;
    found->inode = namespace.st_ino;
}

/* Return: the number that a name in /proc is, 0: it is none. */
static pid_t number_of(const char *name)
{
    pid_t pid = 0;

    for (; *name; name++) {
        if (*name < '0' || *name > '9' || pid > 100000000)
            return 0;
        pid = pid * 10 + (*name - '0');
    }
    return pid;
}

/*
 * The network namespace of the node: that of process 1, or of the kernel's threads where process 1
 * lets nobody look. (In a node that is a container itself, process 2 is any process.) Where neither
 * may be looked at, as under AppArmor's profile for containers, the node's processes that are
 * matches may not be looked at either, and are not taken.
 */
static void find_node(struct search *search)
{
    enum { FLAGS = 9, PF_KTHREAD = 0x200000 };
    uint64_t flags;

    if (fstatat(search->proc, "1/ns/net", &search->node, 0) == 0)
        return;
    if (stat_field(text, read_text(search->proc, "2/stat"), FLAGS, &flags) &&
        (flags & PF_KTHREAD) && fstatat(search->proc, "2/ns/net", &search->node, 0) == 0)
        return;
    search->node = (struct stat){0};
}

void target_find(int proc, const struct options *options, struct target_found *ret_found)
{
    _Alignas(struct directory_entry) static char entries[32768];
    struct search search = {
        .proc = proc, .options = options, .found = {.target = TARGET_NONE, .of_node = TARGET_NONE}};
    long got;

    find_node(&search);
    lseek(proc, 0, SEEK_SET);
    while ((got = syscall(SYS_getdents64, proc, entries, sizeof(entries))) > 0) {
        for (long at = 0; at < got;) {
            const struct directory_entry *entry = (const void *)(entries + at);
            pid_t pid = number_of(entry->name);

            if (pid > 0)
                look_at(&search, pid);
            at += entry->length;
        }
    }
    *ret_found = search.found;
}

/* ---- messages ---- */

/* The longest: 64 digits, a uid, two numbers, and the words around them. */
typedef char phrase[256];

/* "container ID", "pod UID" */
static const char *name_target(phrase out, const struct options *options, size_t target)
{
    if (target < options->container_count)
        stpcpy(stpcpy(out, "container "), options->containers[target]);
    else
        stpcpy(stpcpy(out, "pod "), options->pod);
    return out;
}

/* "container ID (and 2 more) or pod UID" */
static const char *name_targets(phrase out, const struct options *options)
{
    char number[21];
    char *at = out;

    *at = '\0';
    if (options->container_count > 0)
        at = stpcpy(stpcpy(at, "container "), options->containers[0]);
    if (options->container_count > 1)
        at = stpcpy(stpcpy(stpcpy(at, " (and "), decimal(number, options->container_count - 1)),
                    " more)");
    if (options->pod)
        stpcpy(stpcpy(at, options->container_count > 0 ? " or pod " : "pod "), options->pod);
    return out;
}

static int none_found(const struct options *options, const struct target_found *found)
{
    phrase name, among;
    char number[21];

    if (found->of_node != TARGET_NONE) {
        message(name_target(name, options, found->of_node), "shares the node's network", NULL);
        return AGENT_EXIT_NO_NAMESPACE;
    }
    /* It may be among those that SELinux lets nobody look at. */
    if (found->hidden) {
        errno = found->hidden;
        message_errno("may not look at every process for", name_targets(name, options));
        return AGENT_EXIT_NO_ENTRY;
    }
    stpcpy(stpcpy(stpcpy(among, "among "), decimal(number, found->looked_at)), " processes");
    message("no process of", name_targets(name, options), among);
    return AGENT_EXIT_NO_NAMESPACE;
}

static int refused_entry(const struct options *options, size_t target, int number)
{
    phrase name;

    errno = number;
    message_errno("cannot enter the network namespace of", name_target(name, options, target));
    return AGENT_EXIT_NO_ENTRY;
}

/* ---- entering ---- */

static int open_proc(void)
{
    int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (proc < 0)
        message_errno("cannot look at processes", "/proc");
    return proc;
}

/* Is the process in @directory the one that was found? */
static bool is_same(int directory, const struct options *options, const struct target_found *found)
{
    uint64_t start;

    return target_match(options, text, read_text(directory, "cgroup")) == found->target &&
           target_parse_stat(text, read_text(directory, "stat"), &start) && start == found->start;
}

/*
 * Opens the namespace of the process that was found.
 *
 * Return: its descriptor; -1, errno says why: ESRCH when it is not that process any more.
 */
static int open_namespace(int proc, const struct options *options, const struct target_found *found)
{
    struct stat status;
    char number[21];

    int directory = openat(proc, decimal(number, (unsigned long long)found->pid),
                           O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return -1;
    int fd = openat(directory, "ns/net", O_RDONLY | O_CLOEXEC);
    int why = errno;
    bool same = is_same(directory, options, found);
    close(directory);
    if (fd >= 0 && same && fstat(fd, &status) == 0 && status.st_dev == found->device &&
        status.st_ino == found->inode)
        return fd;
    if (fd >= 0)
        close(fd);
    errno = fd < 0 && same ? why : ESRCH;
    return -1;
}

static int enter(int proc, const struct options *options)
{
    struct target_found found;

    for (int i = 0; i < TRIES; i++) {
        target_find(proc, options, &found);
        if (found.target == TARGET_NONE)
            return none_found(options, &found);
        if (found.refused)
            return refused_entry(options, found.target, found.refused);
        int fd = open_namespace(proc, options, &found);
        if (fd >= 0) {
            int result = setns(fd, CLONE_NEWNET);
            int why = errno;

            close(fd);
            return result < 0 ? refused_entry(options, found.target, why) : AGENT_EXIT_OK;
        }
        if (is_refusal(errno))
            return refused_entry(options, found.target, errno);
    }
    message("its processes come and go too fast:", name_targets((phrase){0}, options), NULL);
    return AGENT_EXIT_NO_NAMESPACE;
}

int target_enter(const struct options *options)
{
    if (options->container_count == 0 && !options->pod)
        return AGENT_EXIT_OK;
    int proc = open_proc();
    if (proc < 0)
        return AGENT_EXIT_INTERNAL;
    int code = enter(proc, options);
    close(proc);
    return code;
}

/* ---- its files ---- */

static int refused_look(const struct options *options, size_t target)
{
    phrase name;

    message_errno("may not look at the files of", name_target(name, options, target));
    return AGENT_EXIT_NO_ENTRY;
}

static int open_root(int proc, const struct options *options, int *ret_root)
{
    struct target_found found;

    for (int i = 0; i < TRIES; i++) {
        char number[21];

        target_find(proc, options, &found);
        if (found.target == TARGET_NONE)
            break;
        int directory = openat(proc, decimal(number, (unsigned long long)found.pid),
                               O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int root = openat(directory, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
        int why = errno;
        bool same = is_same(directory, options, &found);
        close(directory);
        *ret_root = root;
        if (root >= 0 && same)
            return AGENT_EXIT_OK;
        close(root);
        errno = why;
        if (root < 0 && is_refusal(why))
            return refused_look(options, found.target);
    }
    return none_found(options, &found);
}

int target_open_root(const struct options *options, int *ret_root)
{
    *ret_root = -1;
    if (options->container_count == 0)
        return AGENT_EXIT_OK;
    int proc = open_proc();
    if (proc < 0)
        return AGENT_EXIT_INTERNAL;
    int code = open_root(proc, options, ret_root);
    close(proc);
    return code;
}
