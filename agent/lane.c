/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer of one target's segments.
 *
 * It may wait as long as it must, for the disk or for the supervisor to make room: the kernel goes
 * on filling its ring meanwhile, and counts what finds no room there. A file system that is full,
 * or a write that fails, is nothing else: the same bytes are tried again every second.
 */
#include "agent/lane.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/message.h"
#include "agent/record_lockdown.h"
#include "agent/record_options.h"
#include "agent/ring.h"
#include "agent/tap.h"
#include "agent/target.h"
#include "common/pcapng.h"

#define FLUSH_MS      100 /* how long a packet may wait in the buffer */
#define TICK_MS       1000
#define GRANT_MS      5    /* between two looks at whether there is room by now */
#define RETRY_MS      1000 /* between two tries of what has failed */
#define SETTLE_MS     (3 * SOURCE_PATIENT_MS) /* the kernel has handed over its last block by then */
#define LATE_MS       1000                    /* then it has none that it has counted */
#define GIVE_UP_MS    3000                    /* after the stop, what cannot be written is lost */
#define STATISTICS    256u                    /* bytes of a block of them at most */
#define DESCRIPTION   256u                    /* of an interface's */
#define AROUND_PACKET 96u                     /* of a packet's, without its bytes */

/* A segment is written in pieces that begin at a multiple of their size: then the kernel fills
 * whole pages of its cache, and takes several of them at once. Larger ones leave the processor's
 * cache. */
#define PIECE (128u << 10)

static struct {
    const struct record_options *record;
    struct lane *lane;
    struct shared *shared;
    const volatile int *stop;
    int dir;
    uint64_t target;
    uint64_t limit; /* bytes of a segment */
    bool open, ended;
    bool failing;            /* it has been said */
    uint64_t written_before; /* output.written at the segment's beginning */
    uint64_t dropped_before; /* in earlier segments */
    uint64_t unwritten;      /* packets in the buffer */
    uint64_t newest;         /* the time of the last packet */
    /* clock_ms() */
    uint64_t due;           /* the segment is to be closed */
    uint64_t pending_since; /* the oldest packet in the buffer; 0: none */
    uint64_t tick_due;
    uint64_t give_up; /* 0: not stopped yet */
    struct options options;
    struct tap tap;
} writer;

/* ---- waiting ---- */

/* An empty line: something is different. */
static void wake_supervisor(void)
{
    if (write(STDERR_FILENO, "\n", 1) < 0)
        return; /* then it has enough to read */
}

static void publish(void)
{
    struct lane *lane = writer.lane;

    shared_set(&lane->dropped, writer.dropped_before + writer.tap.source.dropped);
    shared_set(&lane->newest, writer.newest);
    if (!writer.open)
        return;
    shared_set(&lane->packets, writer.tap.packets - writer.unwritten);
    shared_set(&lane->bytes, writer.tap.output.written - writer.written_before);
}

/* Signals come in here only, so that none is missed between a look and the wait. */
static void wait_ms(int fd, uint64_t milliseconds)
{
    struct pollfd in = {.fd = fd, .events = POLLIN};
    const struct timespec timeout = {.tv_sec = (time_t)(milliseconds / 1000),
                                     .tv_nsec = (long)(milliseconds % 1000) * 1000000};
    sigset_t none;

    sigemptyset(&none);
    ppoll(&in, 1, &timeout, &none);
    if (*writer.stop && !writer.give_up)
        writer.give_up = clock_ms() + GIVE_UP_MS;
}

static bool is_given_up(void)
{
    return writer.give_up && clock_ms() >= writer.give_up;
}

/* Tries until it succeeds. Return: false when it is given up. */
static bool insist(bool (*step)(void), uint64_t wait)
{
    while (!step()) {
        if (is_given_up())
            return false;
        if (clock_ms() >= writer.tick_due) {
            source_update_statistics(&writer.tap.source);
            publish();
            writer.tick_due = clock_ms() + TICK_MS;
        }
        wait_ms(-1, wait);
    }
    return true;
}

/* Said once until something has succeeded. Return: false. */
static bool failed(void)
{
    if (!writer.failing)
        message_errno("cannot write into", writer.record->directory);
    writer.failing = true;
    return false;
}

/* ---- segments ---- */

/* Return: bytes of the segment that are written, or are to be. */
static uint64_t segment_size(void)
{
    const struct output *output = &writer.tap.output;

    return output->written - writer.written_before + output_pending(output);
}

/* Return: bytes of what is pending that are whole pieces. */
static size_t whole_pieces(void)
{
    uint64_t size = segment_size(), cut = size - size % PIECE;
    uint64_t written = size - output_pending(&writer.tap.output);

    return cut > written ? (size_t)(cut - written) : 0;
}

static bool write_some(size_t most)
{
    struct output *output = &writer.tap.output;
    size_t left = output_pending(output) - most;

    if (most > 0) {
        output_flush_some(output, most);
        if (output_pending(output) > left) {
            output->closed = false;
            return failed();
        }
        writer.failing = false;
    }
    return true;
}

static bool try_to_flush(void)
{
    if (!write_some(output_pending(&writer.tap.output)))
        return false;
    writer.unwritten = 0;
    writer.pending_since = 0;
    publish();
    return true;
}

/* No packet is taken behind the one that a piece ends in: what is left is the end of that one. */
static bool try_to_flush_pieces(void)
{
    if (!write_some(whole_pieces()))
        return false;
    writer.unwritten = output_pending(&writer.tap.output) > 0;
    writer.pending_since = 0; /* that one has come just now */
    publish();
    return true;
}

static bool flush(void)
{
    return insist(try_to_flush, RETRY_MS);
}

/* Return: false when what it has left cannot be written: then there is no end to it. */
static bool close_segment(void)
{
    struct tap *tap = &writer.tap;

    if (flush()) {
        tap_end_section(tap);
        flush();
    }
    writer.dropped_before += tap->source.dropped + writer.unwritten;
    tap->source.dropped = writer.unwritten = 0;
    bool whole = output_pending(&tap->output) == 0;
    tap->output.used = tap->output.sent = 0;
    writer.pending_since = 0;
    publish();
    close(tap->output.fd);
    writer.open = false;
    shared_set(&writer.lane->open, 0);
    wake_supervisor();
    return whole;
}

static bool is_granted(void)
{
    return shared_get(&writer.lane->next) < shared_get(&writer.lane->granted);
}

/* A file of this name that somebody else has put there stays, and is skipped: true, and nothing is
 * open. */
static bool try_to_create(void)
{
    ring_segment_name name;
    uint64_t number = shared_get(&writer.lane->next);

    int fd = openat(writer.dir, ring_name(name, number),
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST)
        return failed();
    if (fd >= 0) {
        writer.tap.output.fd = fd;
        writer.open = true;
        shared_set(&writer.lane->open, 1);
    }
    shared_set(&writer.lane->next, number + 1);
    return true;
}

/* @time: of its first packet. Return: false when it is given up. */
static bool begin_segment(uint64_t time)
{
    char comment[sizeof(RECORDING_SEGMENT_PREFIX) + 20], number[21];
    struct tap *tap = &writer.tap;

    while (!writer.open)
        if (!insist(is_granted, GRANT_MS) || !insist(try_to_create, RETRY_MS))
            return false;
    strcpy(stpcpy(comment, RECORDING_SEGMENT_PREFIX),
           decimal(number, shared_get(&writer.lane->next) - 1));
    writer.written_before = tap->output.written;
    shared_set(&writer.lane->begun, time);
    shared_set(&writer.lane->packets, 0);
    shared_set(&writer.lane->bytes, 0);
    tap_begin_section(tap, comment);
    tap->started = time;
    writer.due = clock_ms() + RECORDING_SEGMENT_MS;
    /* What a killed recorder leaves says which segment it is, however little is in it. */
    try_to_flush();
    return true;
}

/* Is there room for a packet in the segment, and for its end? */
static bool has_room(const struct packet *packet)
{
    return segment_size() + packet->captured + AROUND_PACKET + DESCRIPTION +
               (writer.tap.described + 2ull) * STATISTICS <=
           writer.limit;
}

/* ---- packets ---- */

static bool has_triggered(void)
{
    uint64_t target;

    return shared_triggered(writer.shared, &target) != 0;
}

/* Is a packet later than what is wanted behind the one that has triggered? */
static bool is_over(uint64_t time)
{
    uint64_t target, triggered = shared_triggered(writer.shared, &target);

    return triggered != 0 && time > triggered + writer.record->after_ms * 1000000u;
}

static void record(const struct packet *packet)
{
    const struct record_options *options = writer.record;
    struct tap *tap = &writer.tap;
    uint64_t time = packet->seconds * 1000000000ull + packet->nanoseconds;
    struct interface *interface = is_over(time) ? NULL : tap_wants(tap, packet);

    if (!interface)
        return;
    bool triggers =
        options->has_trigger && !has_triggered() &&
        tap_judge(tap, options->trigger.insns, options->trigger_ethernet_only, interface, packet);
    if (writer.open && !has_room(packet))
        close_segment();
    if (!writer.open && !begin_segment(time)) {
        writer.dropped_before++;
        return;
    }
    /* Another segment may have put it elsewhere in the table. */
    tap_put(tap, tap_interface(tap, packet), packet);
    writer.unwritten++;
    writer.newest = time;
    if (triggers && shared_trigger(writer.shared, writer.target, time))
        wake_supervisor();
}

/* Return: true when the source had no more. */
static bool take_packets(void)
{
    struct packet packet;

    while (whole_pieces() == 0 && output_has_room(&writer.tap.output)) {
        tap_make_room(&writer.tap);
        if (!source_next(&writer.tap.source, &packet))
            return true;
        record(&packet);
    }
    return false;
}

/* ---- the loop ---- */

static void tick(uint64_t now)
{
    if (now < writer.tick_due)
        return;
    writer.tick_due = now + TICK_MS;
    tap_follow_names(&writer.tap);
    source_update_statistics(&writer.tap.source);
    if (!writer.open && writer.tap.source.dropped > 0)
        begin_segment(clock_real());
    publish();
}

static void turn(void)
{
    bool drained = take_packets();
    uint64_t now = clock_ms();

    if (output_pending(&writer.tap.output) > 0 && !writer.pending_since)
        writer.pending_since = now;
    if (whole_pieces() > 0)
        insist(try_to_flush_pieces, RETRY_MS);
    if (writer.pending_since && now >= writer.pending_since + FLUSH_MS)
        flush();
    if (writer.open && now >= writer.due)
        close_segment();
    tick(now);

    uint64_t due = writer.tick_due;
    if (writer.open && writer.due < due)
        due = writer.due;
    if (writer.pending_since && writer.pending_since + FLUSH_MS < due)
        due = writer.pending_since + FLUSH_MS;
    wait_ms(writer.tap.source.fd, drained && due > now ? due - now : 0);
}

/* Takes what the ring still holds, with the block that the kernel has not handed over yet. */
static void finish(void)
{
    struct source *source = &writer.tap.source;
    uint64_t stopped = clock_ms(), settled = stopped + SETTLE_MS;

    source_stop(source);
    while (!is_given_up() && clock_ms() < stopped + LATE_MS) {
        if (!take_packets())
            settled = clock_ms() + SETTLE_MS;
        if (!flush())
            break;
        source_update_statistics(source);
        if (clock_ms() >= settled && source_left(source) == 0)
            break;
        wait_ms(-1, SOURCE_PATIENT_MS);
    }
    if (writer.open)
        close_segment();
    writer.dropped_before += source_left(source);
    publish();
}

/* ---- start ---- */

static void find_namespace(struct lane *lane)
{
    struct stat status;

    if (stat("/proc/self/ns/net", &status) == 0)
        shared_set(&lane->namespace, status.st_ino);
}

static int start(struct lane *lane)
{
    struct tap *tap = &writer.tap;

    record_options_of(writer.record, writer.target, &writer.options);
    tap->options = &writer.options;
    int code = target_enter(&writer.options);
    if (code != AGENT_EXIT_OK)
        return code;
    find_namespace(lane);
    code = tap_open(tap);
    return code == AGENT_EXIT_OK ? tap_start(tap, false) : code;
}

int lane_write(const struct record_options *options, uint64_t target, int dir,
               struct shared *shared, const volatile int *stop)
{
    struct lane *lane = &shared->lanes[target];

    writer.record = options;
    writer.target = target;
    writer.lane = lane;
    writer.shared = shared;
    writer.stop = stop;
    writer.dir = dir;
    writer.limit = record_options_segment(options);
    int code = start(lane);
    if (code != AGENT_EXIT_OK)
        return code;
    writer.dropped_before = shared_get(&lane->dropped);
    writer.newest = shared_get(&lane->newest);
    record_lockdown_writer(dir);
    shared_set(&lane->recording, 1);
    wake_supervisor();
    writer.tick_due = clock_ms() + TICK_MS;
    while (!*stop)
        turn();
    finish();
    return AGENT_EXIT_OK;
}
