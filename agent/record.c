/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ksniff-recorder record`: the supervisor of the writers (lane.h). It starts one for each target,
 * and again when the target's namespace was lost, or is not there yet; it removes what the ring has
 * no room for any more, says how things are, and ends recording when it is told to, or when a
 * packet has triggered that.
 *
 * It waits for no writer: what a writer tells is in memory that both have, and on a pipe, the
 * writer's standard error, which is never full for long.
 */
#include "agent/record.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/keeper.h"
#include "agent/lane.h"
#include "agent/message.h"
#include "agent/record_lockdown.h"
#include "agent/record_options.h"
#include "agent/shelf.h"
#include "agent/shell.h"
#include "agent/signals.h"
#include "agent/state.h"
#include "agent/target.h"
#include "common/agent.h"

#define STATE_MS     1000
#define WATCH_MS     5000  /* between two looks at a target's namespace */
#define AGAIN_MS     1000  /* a writer is started again, at first, after this */
#define AGAIN_MAX_MS 30000 /* at last */
#define END_MS       8000  /* writers that have not ended by then are killed */

struct writer {
    pid_t pid; /* 0: it does not run */
    bool told_to_end;
    bool has_started;   /* it has recorded, or there was nothing to record yet */
    uint64_t start_due; /* clock_ms(); while it does not run */
    uint64_t again;     /* milliseconds until then, the next time */
    uint64_t watch_due;
    pid_t inmate;     /* a process in its namespace; 0: unknown */
    uint64_t counted; /* the number of its first segment that has not been looked at */
};

static struct {
    struct shelf shelf;
    struct shared *shared;
    int wake[2];
    int lock; /* of our executable */
    bool freezing;
    uint64_t freeze_due; /* clock_ms(); 0: it is not to come */
    uint64_t state_due;
    size_t written; /* bytes of the state that stands in the ring */
    char line[512]; /* that a writer says */
    size_t line_used;
    bool unwritable; /* it has been said */
    struct writer writers[RECORDING_TARGETS_MAX];
    struct keeper keeper;
    struct record_options options;
    struct ring_state state;
    char text[STATE_TEXT], last_text[STATE_TEXT];
    struct options scratch;
} recorder;

static volatile int signalled;

static void on_signal(int number)
{
    if (number != SIGCHLD)
        signalled = number;
}

/* ---- complaints ---- */

static void keep_complaint(const char *text, size_t length)
{
    size_t most = sizeof(recorder.state.complaint) - 1;

    length = length < most ? length : most;
    memcpy(recorder.state.complaint, text, length);
    recorder.state.complaint[length] = '\0';
}

/* "target N: WHAT NUMBER" */
static void complain(size_t target, const char *what, uint64_t number)
{
    char text[128], digits[21];

    char *at = stpcpy(stpcpy(stpcpy(text, "target "), decimal(digits, target)), ": ");
    stpcpy(stpcpy(at, what), decimal(digits, number));
    message(text, NULL, NULL);
    keep_complaint(text, strlen(text));
}

/* A line of a writer's, without its newline: it goes on to our own standard error. */
static void take_line(const char *line, size_t length)
{
    static const char program[] = AGENT_PROGRAM ": ", note[] = AGENT_NOTE;
    size_t skipped = sizeof(program) - 1;

    if (length <= skipped || memcmp(line, program, skipped) != 0)
        return;
    if (write(STDERR_FILENO, line, length) < 0 || write(STDERR_FILENO, "\n", 1) < 0) {
        /* nobody listens */
    }
    if (memcmp(line + skipped, note,
               length - skipped < sizeof(note) - 1 ? length - skipped : sizeof(note) - 1) != 0)
        keep_complaint(line + skipped, length - skipped);
}

static void read_lines(void)
{
    char bytes[4096];
    ssize_t got;

    while ((got = read(recorder.wake[0], bytes, sizeof(bytes))) > 0)
        for (ssize_t i = 0; i < got; i++) {
            if (bytes[i] != '\n' && recorder.line_used < sizeof(recorder.line)) {
                recorder.line[recorder.line_used++] = bytes[i];
            } else if (bytes[i] == '\n') {
                take_line(recorder.line, recorder.line_used);
                recorder.line_used = 0;
            }
        }
}

/* ---- room ---- */

/* Looks at the segments that have been closed since, makes room, and lets the writers have it. */
static void make_room(void)
{
    struct keeper *keeper = &recorder.keeper;
    struct keeper_segment segment;
    size_t chosen;

    /* What was asked to be kept does not become too old. */
    if (recorder.state.state != STATE_RECORDING)
        keeper->age = 0;
    for (size_t i = 0; i < keeper->count; i++) {
        struct writer *writer = &recorder.writers[i];
        struct lane *lane = &recorder.shared->lanes[i];
        uint64_t next = shared_get(&lane->next);

        /* Looked at in this order, what is open now is not among those below next, or left out. */
        if (shared_get(&lane->open) && next > 0)
            next--;
        for (; writer->counted < next; writer->counted++)
            if (shelf_look(&recorder.shelf, i, writer->counted, &segment))
                keeper_add(keeper, i, &segment);
    }
    while ((chosen = keeper_choose(keeper, clock_real())) != KEEPER_NONE)
        shelf_remove(&recorder.shelf, keeper, chosen, recorder.writers[chosen].counted);
    for (size_t i = 0; i < keeper->count; i++)
        shared_set(&recorder.shared->lanes[i].granted, recorder.writers[i].counted + KEEPER_AHEAD);
}

/* ---- the state ---- */

static enum state state_of(size_t target)
{
    if (recorder.state.state == STATE_FROZEN)
        return STATE_FROZEN;
    return recorder.writers[target].pid && shared_get(&recorder.shared->lanes[target].recording)
               ? STATE_RECORDING
               : STATE_WAITING;
}

static void describe(size_t i)
{
    const struct keeper_target *kept = &recorder.keeper.targets[i];
    const struct lane *lane = &recorder.shared->lanes[i];
    struct state_target *target = &recorder.state.targets[i];
    bool open = shared_get(&lane->open);

    *target = (struct state_target){.state = state_of(i),
                                    .newest = shared_get(&lane->newest),
                                    .segments = kept->segments,
                                    .packets = kept->packets,
                                    .bytes = kept->bytes,
                                    .dropped = shared_get(&lane->dropped)};
    if (kept->segments > 0)
        target->oldest = kept->oldest.begun ? kept->oldest.begun : kept->oldest.ended;
    else if (open)
        target->oldest = shared_get(&lane->begun);
    if (open) {
        target->segments++;
        target->packets += shared_get(&lane->packets);
        target->bytes += shared_get(&lane->bytes);
    }
    if (target->segments == 0)
        target->newest = 0;
}

static void write_state(void)
{
    for (size_t i = 0; i < recorder.state.count; i++)
        describe(i);
    size_t length = state_write(&recorder.state, recorder.text);
    if (length == recorder.written && memcmp(recorder.text, recorder.last_text, length) == 0)
        return;
    if (shelf_write_state(&recorder.shelf, recorder.text, length)) {
        memcpy(recorder.last_text, recorder.text, length);
        recorder.written = length;
        recorder.unwritable = false;
    } else if (!recorder.unwritable) {
        message_errno("cannot write the state into", recorder.options.directory);
        recorder.unwritable = true;
    }
}

/* ---- writers ---- */

static void restore_signals(pid_t parent)
{
    /* Whoever kills the supervisor has killed the recorder. */
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent)
        _exit(AGENT_EXIT_INTERNAL);
}

static void start_writer(size_t i)
{
    struct writer *writer = &recorder.writers[i];
    struct lane *lane = &recorder.shared->lanes[i];
    pid_t parent = getpid();

    shared_set(&lane->recording, 0);
    shared_set(&lane->open, 0);
    writer->pid = _Fork(); /* there are no threads, and nothing else that fork() looks after */
    if (writer->pid == 0) {
        restore_signals(parent);
        close(recorder.lock);
        dup2(recorder.wake[1], STDERR_FILENO);
        _exit(lane_write(&recorder.options, i, recorder.shelf.rings[i].dir, recorder.shared,
                         &signalled));
    }
    if (writer->pid < 0) {
        complain(i, "cannot start its writer: error ", (uint64_t)errno);
        writer->pid = 0;
        writer->start_due = clock_ms() + AGAIN_MS;
        return;
    }
    writer->told_to_end = false;
    writer->inmate = 0;
    writer->watch_due = clock_ms() + WATCH_MS;
}

static void end_writer(struct writer *writer, int number)
{
    if (writer->pid && (!writer->told_to_end || number == SIGKILL))
        kill(writer->pid, number);
    writer->told_to_end = true;
}

/* Return: AGENT_EXIT_OK, or what ends the recorder: what it cannot do at the start it says. */
static int bury(size_t i, int status)
{
    struct writer *writer = &recorder.writers[i];
    struct lane *lane = &recorder.shared->lanes[i];
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : AGENT_EXIT_INTERNAL;
    bool recorded = shared_get(&lane->recording);

    writer->pid = 0;
    shared_set(&lane->open, 0); /* a torn one is closed, too */
    shared_set(&lane->recording, 0);
    if (WIFSIGNALED(status))
        complain(i, "its writer was ended by signal ", (uint64_t)WTERMSIG(status));
    if (!writer->has_started && !recorded && WIFEXITED(status) && code != AGENT_EXIT_OK &&
        code != AGENT_EXIT_NO_NAMESPACE)
        return code;
    writer->has_started = true;
    writer->again = recorded || !writer->again ? AGAIN_MS : 2 * writer->again;
    if (writer->again > AGAIN_MAX_MS)
        writer->again = AGAIN_MAX_MS;
    writer->start_due = clock_ms() + writer->again;
    return AGENT_EXIT_OK;
}

static int bury_writers(void)
{
    int status, code = AGENT_EXIT_OK;
    pid_t pid;

    /* Orphans of execs are ours to reap, too: we are process 1. */
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (size_t i = 0; i < recorder.state.count; i++)
            if (recorder.writers[i].pid == pid) {
                int one = bury(i, status);

                code = one != AGENT_EXIT_OK ? one : code;
            }
    return code;
}

static bool has_writers(void)
{
    for (size_t i = 0; i < recorder.state.count; i++)
        if (recorder.writers[i].pid)
            return true;
    return false;
}

/* ---- namespaces that are lost ---- */

/* Is the process still in the writer's namespace? */
static bool is_inside(int proc, pid_t pid, uint64_t namespace)
{
    char path[40];
    struct stat status;

    strcat(decimal(path, (unsigned long long)pid), "/ns/net");
    return fstatat(proc, path, &status, 0) == 0 && status.st_ino == namespace;
}

/*
 * A writer keeps its namespace alive. When no process of the target is in it any more, the target
 * is elsewhere, or nowhere: then the writer ends, and is started again until it finds one.
 */
static void watch(size_t i)
{
    struct writer *writer = &recorder.writers[i];
    uint64_t namespace = shared_get(&recorder.shared->lanes[i].namespace);
    struct target_found found;

    record_options_of(&recorder.options, i, &recorder.scratch);
    if (recorder.scratch.container_count == 0 && !recorder.scratch.pod)
        return;
    int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0)
        return;
    if (!writer->inmate || !is_inside(proc, writer->inmate, namespace)) {
        target_find(proc, &recorder.scratch, &found);
        if (found.target != TARGET_NONE && found.inode == namespace)
            writer->inmate = found.pid;
        else if (!found.refused && !found.hidden)
            end_writer(writer, SIGTERM);
    }
    close(proc);
}

static void look_after_writers(uint64_t now)
{
    for (size_t i = 0; i < recorder.state.count; i++) {
        struct writer *writer = &recorder.writers[i];

        if (!writer->pid && now >= writer->start_due)
            start_writer(i);
        if (shared_get(&recorder.shared->lanes[i].recording))
            writer->has_started = true;
        if (writer->pid && now >= writer->watch_due && !writer->told_to_end &&
            shared_get(&recorder.shared->lanes[i].recording)) {
            watch(i);
            writer->watch_due = now + WATCH_MS;
        }
    }
}

/* ---- the end of recording ---- */

static void see_trigger(uint64_t now)
{
    uint64_t target, triggered = shared_triggered(recorder.shared, &target);

    if (triggered == 0 || recorder.state.state != STATE_RECORDING)
        return;
    recorder.state.state = STATE_TRIGGERED;
    recorder.state.trigger = triggered;
    recorder.state.trigger_target = target;
    recorder.freeze_due = now + recorder.options.after_ms;
    recorder.state_due = now;
}

static void see_wishes(uint64_t now)
{
    see_trigger(now);
    if (recorder.freezing)
        return;
    recorder.freezing = (recorder.state.state == STATE_TRIGGERED && now >= recorder.freeze_due) ||
                        shelf_is_to_freeze(&recorder.shelf);
}

static void freeze(void)
{
    for (size_t i = 0; i < recorder.state.count; i++)
        end_writer(&recorder.writers[i], SIGTERM);
    if (has_writers() || recorder.state.state == STATE_FROZEN)
        return;
    recorder.state.state = STATE_FROZEN;
    recorder.state_due = 0;
}

/* ---- the loop ---- */

static uint64_t next_due(uint64_t now)
{
    uint64_t due = now + STATE_MS;

    if (recorder.state.state == STATE_TRIGGERED && !recorder.freezing)
        due = earlier(due, recorder.freeze_due);
    for (size_t i = 0; i < recorder.state.count && !recorder.freezing; i++)
        if (!recorder.writers[i].pid)
            due = earlier(due, recorder.writers[i].start_due);
    return due;
}

/* Waits for writers, signals, or until @due. Signals come in here only. */
static void wait_until(uint64_t due)
{
    struct pollfd in = {.fd = recorder.wake[0], .events = POLLIN};
    uint64_t now = clock_ms(), wait = due > now ? due - now : 0;
    const struct timespec timeout = {.tv_sec = (time_t)(wait / 1000),
                                     .tv_nsec = (long)(wait % 1000) * 1000000};
    sigset_t none;

    sigemptyset(&none);
    if (ppoll(&in, 1, &timeout, &none) > 0)
        read_lines();
}

static void write_state_when_due(void)
{
    uint64_t now = clock_ms();

    if (now < recorder.state_due)
        return;
    write_state();
    recorder.state_due = now + STATE_MS;
}

static int run(void)
{
    int code = AGENT_EXIT_OK;

    while (!signalled && code == AGENT_EXIT_OK) {
        uint64_t now = clock_ms();

        see_wishes(now);
        if (recorder.freezing)
            freeze();
        else
            look_after_writers(now);
        make_room();
        write_state_when_due();
        wait_until(next_due(clock_ms()));
        code = bury_writers();
    }
    return code;
}

/* All writers close their segments; one that hangs, as on a disk that does, is left to the kernel.
 */
static void end_all(void)
{
    uint64_t end = clock_ms() + END_MS;

    while (has_writers()) {
        for (size_t i = 0; i < recorder.state.count; i++)
            end_writer(&recorder.writers[i], clock_ms() < end ? SIGTERM : SIGKILL);
        if (clock_ms() >= end + STATE_MS)
            break;
        make_room();
        wait_until(clock_ms() + STATE_MS);
        bury_writers();
    }
    make_room();
    write_state();
}

/* ---- start ---- */

/* Return: whether nobody else records by this executable; the descriptor stays open. */
static bool is_alone(void)
{
    recorder.lock = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (recorder.lock >= 0 && flock(recorder.lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    message_errno("this pod serves nobody else: cannot lock", "/proc/self/exe");
    return false;
}

/* Goes on where an earlier recorder has ended, or was killed. */
static void take_up(void)
{
    struct ring_state *state = &recorder.state;

    for (size_t i = 0; i < recorder.keeper.count; i++) {
        uint64_t next;

        shelf_count(&recorder.shelf, &recorder.keeper, i, &next);
        recorder.writers[i].counted = next;
        shared_set(&recorder.shared->lanes[i].next, next);
    }
    shelf_read_state(&recorder.shelf, state);
    state->count = recorder.keeper.count;
    if (!state->since)
        state->since = clock_real();
    for (size_t i = 0; i < state->count; i++) {
        shared_set(&recorder.shared->lanes[i].newest, state->targets[i].newest);
        shared_set(&recorder.shared->lanes[i].dropped, state->targets[i].dropped);
    }
    if (state->trigger && state->trigger_target < state->count)
        shared_trigger(recorder.shared, state->trigger_target, state->trigger);
    recorder.freezing = state->state == STATE_FROZEN;
    if (state->state != STATE_TRIGGERED)
        return;
    uint64_t last = state->trigger + recorder.options.after_ms * 1000000u, now = clock_real();
    recorder.freeze_due = clock_ms() + (last > now ? (last - now) / 1000000u : 0);
}

static int set_up(void)
{
    size_t count = recorder.options.target_count;
    size_t size = sizeof(struct shared) + count * sizeof(struct lane);

    recorder.keeper.keep = recorder.options.keep;
    recorder.keeper.age = recorder.options.keep_seconds * 1000000000u;
    recorder.keeper.segment = record_options_segment(&recorder.options);
    recorder.keeper.count = count;
    int code = shelf_open(&recorder.shelf, recorder.options.directory, count);
    if (code != AGENT_EXIT_OK)
        return code;
    recorder.shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (recorder.shared == MAP_FAILED || pipe2(recorder.wake, O_NONBLOCK | O_CLOEXEC) < 0) {
        message_errno("cannot record", NULL);
        return AGENT_EXIT_INTERNAL;
    }
    take_up();
    write_state(); /* twice: so that both files of it are there */
    recorder.written = 0;
    write_state();
    return AGENT_EXIT_OK;
}

int record_command(int argc, char *const argv[])
{
    if (!is_alone())
        return AGENT_EXIT_NO_SECRET;
    if (record_options_parse(argc, argv, &recorder.options) < 0)
        return AGENT_EXIT_BAD_OPTIONS;
    const char *shell = recorder.options.no_shell ? shell_find() : NULL;
    if (shell) {
        message("the image has", shell, NULL);
        return AGENT_EXIT_SHELL;
    }
    signals_catch(on_signal, true);
    int code = set_up();
    if (code != AGENT_EXIT_OK)
        return code;
    record_lockdown_supervisor();
    code = run();
    end_all();
    return code;
}
