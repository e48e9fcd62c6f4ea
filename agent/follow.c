/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following a file that another program writes, maybe at this very moment: it need not be there
 * yet, may be cut to nothing, or be moved away and made anew. inotify tells of what is added to it
 * at once; where it does not (other file systems, other machines), the file is looked at all the
 * same. Packets are on their way, and want their secrets before them.
 *
 * Inside a container the file is the container's, read as its user. In a helper the path is the
 * container's word: openat2(RESOLVE_IN_ROOT) takes each link in it, and each "..", for what it is
 * inside of the container's root, so that none leads to a file of the node or of another pod.
 * Whatever the file is, only lines that are secrets of TLS leave the agent.
 */
#include "agent/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/lock.h"
#include "agent/lockdown.h"
#include "agent/message.h"
#include "agent/options.h"
#include "agent/output.h"
#include "agent/peer.h"
#include "agent/secret.h"
#include "agent/shell.h"
#include "agent/target.h"
#include "common/keylog.h"

#define SOON_MS    10   /* between two looks at what nobody tells of */
#define TOLD_MS    100  /* and where inotify does */
#define CHECK_MS   1000 /* is the path still that file's? */
#define OPEN_TRIES 16   /* of what is being renamed meanwhile */
#define LINES      16384

struct follow {
    struct options options;
    struct output output;
    struct lock lock;
    struct peer peer;
    int root; /* of the container; -1: the agent is in it */

    int file; /* -1: there is none yet */
    struct stat status;
    uint64_t at;  /* bytes of it that have been read */
    int notify;   /* inotify; -1: there is none */
    bool watched; /* it tells of the file */
    bool moved;   /* the path may be another file's */
    bool was_there;
    bool told_missing;
    uint64_t others; /* lines that are no secrets */

    char line[KEYLOG_LINE_MAX + 2]; /* the one that is not whole yet */
    size_t used;
    bool skipping; /* the rest of a line that is too long, or that began before the start */
    bool began_before;
    char lines[LINES];
    size_t filled;

    uint64_t check_due; /* milliseconds of the monotonic clock */
};

/* Too large for a stack. */
static struct follow follow;

/* ---- lines ---- */

static void write_lines(void)
{
    if (follow.filled > 0)
        output_secrets(&follow.output, follow.lines, follow.filled);
    follow.filled = 0;
}

static void leave_out(void)
{
    if (follow.others++ == 0)
        message("not every line is a secret of TLS, others are left out:", follow.options.keylog,
                NULL);
}

static void end_line(void)
{
    size_t length = follow.used;

    follow.used = 0;
    if (follow.skipping) {
        if (!follow.began_before)
            leave_out();
        follow.skipping = follow.began_before = false;
        return;
    }
    if (length > 0 && follow.line[length - 1] == '\r')
        length--;
    enum keylog_line kind = keylog_line(follow.line, length);
    if (kind == KEYLOG_OTHER)
        leave_out();
    if (kind != KEYLOG_SECRET)
        return;
    if (follow.filled + length + 1 > LINES)
        write_lines();
    memcpy(follow.lines + follow.filled, follow.line, length);
    follow.filled += length;
    follow.lines[follow.filled++] = '\n';
}

static void take(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '\n')
            end_line();
        else if (follow.used == sizeof(follow.line))
            follow.skipping = true;
        else
            follow.line[follow.used++] = bytes[i];
    }
}

/* What comes is from another place of a file, or of another file. */
static void begin_at(uint64_t at)
{
    follow.at = at;
    follow.used = 0;
    follow.skipping = follow.began_before = at > 0;
    lseek(follow.file, (off_t)at, SEEK_SET);
}

/* ---- the file ---- */

static int open_file(void)
{
    const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    const struct open_how how = {.flags = (uint64_t)flags,
                                 .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};

    if (follow.root < 0)
        return openat(AT_FDCWD, follow.options.keylog, flags);
    int file = -1;

    /* Something was renamed or mounted meanwhile, anywhere: then the kernel cannot vouch for "..".
     */
    for (int tries = 0; file < 0 && (tries == 0 || (errno == EAGAIN && tries < OPEN_TRIES));
         tries++)
        file = (int)syscall(SYS_openat2, follow.root, follow.options.keylog, &how, sizeof(how));
    return file;
}

static void watch(void)
{
    char path[40] = "/proc/self/fd/";
    const uint32_t events = IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF;

    decimal(path + strlen(path), (unsigned long long)follow.file);
    follow.watched = follow.notify >= 0 && inotify_add_watch(follow.notify, path, events) >= 0;
}

static void unusable(const char *why)
{
    if (why)
        message(why, follow.options.keylog, NULL);
    else
        message_errno("cannot read", follow.options.keylog);
    follow.peer.exit_code = AGENT_EXIT_NO_FILE;
    follow.peer.ending = PEER_ABANDONED;
}

static void not_there(void)
{
    if (errno != ENOENT && errno != ENOTDIR) {
        if (!follow.was_there)
            unusable(NULL);
    } else if (!follow.was_there && !follow.told_missing) {
        follow.told_missing = true;
        message_parts((const char *[]){AGENT_NOTE, "\"", follow.options.keylog,
                                       "\" is not there yet: it is waited for"},
                      4);
    }
}

static void use(int file, const struct stat *status)
{
    uint64_t size = (uint64_t)status->st_size;
    bool first = !follow.was_there;

    if (follow.file >= 0)
        close(follow.file);
    follow.file = file;
    follow.status = *status;
    follow.was_there = true;
    follow.moved = false;
    begin_at(first && size > AGENT_KEYLOG_TAIL ? size - AGENT_KEYLOG_TAIL : 0);
    watch();
}

static void read_file(void);

/* Is the path (still) that of the file? */
static void check_file(void)
{
    struct stat status;
    int file = open_file();

    follow.check_due = clock_ms() + CHECK_MS;
    if (file < 0) {
        not_there();
        return;
    }
    bool known = fstat(file, &status) == 0;
    if (known && follow.file >= 0 && status.st_dev == follow.status.st_dev &&
        status.st_ino == follow.status.st_ino) {
        follow.moved = false;
        close(file);
    } else if (known && S_ISREG(status.st_mode)) {
        if (follow.file >= 0)
            read_file(); /* the last of the one before */
        use(file, &status);
    } else {
        close(file);
        if (!follow.was_there)
            unusable("this is no regular file:");
    }
}

/* Has it become shorter than what was read of it? */
static bool is_cut(void)
{
    struct stat status;

    return fstat(follow.file, &status) == 0 && (uint64_t)status.st_size < follow.at;
}

/* Takes what there is, as far as the output has room. */
static void read_file(void)
{
    static char bytes[LINES];
    ssize_t got = 1;

    while (got > 0 && output_has_room(&follow.output)) {
        got = read(follow.file, bytes, sizeof(bytes));
        if (got > 0) {
            follow.at += (uint64_t)got;
            take(bytes, (size_t)got);
            write_lines();
        } else if (got == 0 && is_cut()) {
            begin_at(0);
            got = 1;
        }
    }
}

/* What inotify has to say: that there is something, and whether the file was moved or removed. */
static void read_events(void)
{
    _Alignas(struct inotify_event) char events[1024];
    ssize_t got = read(follow.notify, events, sizeof(events));

    for (ssize_t at = 0; at < got;) {
        const struct inotify_event *event = (const void *)(events + at);

        if (event->mask & ~(uint32_t)IN_MODIFY)
            follow.moved = true;
        at += (ssize_t)(sizeof(*event) + event->len);
    }
}

/* ---- the loop ---- */

static void wait_for_work(void)
{
    uint64_t wait = follow.watched && !follow.moved && follow.file >= 0 ? TOLD_MS : SOON_MS;

    if (peer_wait(&follow.peer, follow.output.blocked ? -1 : follow.notify, clock_ms() + wait))
        read_events();
}

static void check_time(void)
{
    peer_check(&follow.peer);
    if (follow.file < 0 || follow.moved || clock_ms() >= follow.check_due)
        check_file();
}

static void run(void)
{
    while (follow.peer.ending == PEER_RUNNING) {
        check_time();
        if (follow.file >= 0 && !follow.output.blocked)
            read_file();
        peer_flush(&follow.peer);
        if (follow.peer.ending == PEER_RUNNING)
            wait_for_work();
    }
}

/* What has been written by now, as long as somebody takes it. */
static void finish(void)
{
    char number[21];

    if (follow.peer.ending == PEER_ORDERLY && follow.file >= 0)
        read_file();
    peer_finish(&follow.peer);
    if (follow.others > 1)
        message_parts((const char *[]){AGENT_NOTE, decimal(number, follow.others), " lines of \"",
                                       follow.options.keylog, "\" were no secrets of TLS"},
                      5);
}

static int start(void)
{
    if (follow.options.no_shell) {
        const char *shell = shell_find();

        if (shell) {
            message("the image has", shell, NULL);
            return AGENT_EXIT_SHELL;
        }
    }
    signal(SIGPIPE, SIG_IGN);
    lock_open(&follow.lock);
    follow.peer.output = &follow.output;
    follow.peer.lock = &follow.lock;
    follow.peer.silence = follow.options.silence;
    peer_begin(&follow.peer);
    int code = target_open_root(&follow.options, &follow.root);
    if (code != AGENT_EXIT_OK)
        return code;
    follow.file = -1;
    follow.notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    output_open(&follow.output);
    output_section(&follow.output, NULL);
    lockdown(LOCKDOWN_FOLLOW);
    return AGENT_EXIT_OK;
}

int follow_command(int argc, char *const argv[])
{
    const char *own_file = options_unlink(argc, argv);

    int code = secret_check();
    if (code != AGENT_EXIT_OK)
        return code;
    if (own_file)
        unlink(own_file);
    if (options_parse_follow(argc, argv, &follow.options) < 0)
        return AGENT_EXIT_BAD_OPTIONS;
    code = start();
    if (code != AGENT_EXIT_OK)
        return code;
    run();
    finish();
    output_close(&follow.output);
    return follow.peer.exit_code;
}
