/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetching: the segments of a target, the oldest first, into the output's buffer, and from there to
 * standard output, while the recorder adds segments and removes them.
 *
 * Only whole blocks are taken. A segment that may still grow is looked at again; it does not grow
 * any more once there is one behind it. A segment that is open is read to its end, also if it is
 * removed meanwhile, unless the recorder has cut it by then (shelf.h), which is told; of those that
 * are removed before they are opened is told how many they are.
 *
 * What there is at the start is fetched, and no more: a recorder that is quicker than the reader
 * would never let it end. With -L there is no end.
 */
#include "agent/fetch.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/copy.h"
#include "agent/fetch_options.h"
#include "agent/lockdown.h"
#include "agent/message.h"
#include "agent/output.h"
#include "agent/peer.h"
#include "agent/record.h"
#include "agent/ring.h"
#include "agent/segment.h"
#include "common/agent.h"
#include "common/recording.h"

#define LOOK_MS   100  /* between two looks at what may have been added */
#define SEARCH_MS 1000 /* between two at all names there are: there may be 100000 */

struct fetch {
    struct fetch_options options;
    struct output output;
    struct peer peer;
    struct ring ring;
    struct segment segment;
    int file;        /* the segment that is open; -1: none is */
    uint64_t number; /* of that one, or of the one that comes next; RING_NONE: the first there is */
    uint64_t last;   /* the last that there was when it was looked for; RING_NONE: there was none */
    uint64_t at;     /* bytes of the segment that have been taken */
    uint64_t size;   /* of the segment, if it is finished and can be copied; 0: it is read */
    bool verbatim;   /* such ones can be */
    const char *fault;   /* why no more of the segment can be read; NULL: nothing keeps from it */
    uint64_t gaps, lost; /* segments that were removed before they were opened; how often */
    uint64_t faults;     /* segments that could not be read to their end */
    uint64_t search_due; /* clock_ms() */
    bool told_live;
};

/* Too large for a stack. */
static struct fetch fetch;

/* ---- messages ---- */

static void tell_lost(uint64_t first, uint64_t behind)
{
    bool one = behind - first == 1;
    char from[21], to[21];

    if (fetch.gaps++ == 0)
        message_parts((const char *[]){one ? "segment " : "segments ", decimal(from, first),
                                       one ? NULL : " to ", one ? NULL : decimal(to, behind - 1),
                                       one ? " is" : " are",
                                       " lost: removed before the fetch came to it"},
                      6);
    fetch.lost += behind - first;
}

/* @kind: AGENT_NOTE, or nothing: then something is missing */
static void tell_of_segment(const char *kind, const char *what)
{
    char number[21], at[21];

    fetch.faults += !*kind;
    message_parts((const char *[]){kind, "segment ", decimal(number, fetch.number), ", byte ",
                                   decimal(at, fetch.at), ": ", what},
                  7);
}

/* common/recording.h has the first line. */
static void tell_end(void)
{
    char packets[21], dropped[21], lost[21];

    message_parts((const char *[]){"stopped: ", decimal(packets, fetch.segment.packets),
                                   " packets, ", decimal(dropped, fetch.segment.dropped),
                                   " dropped"},
                  5);
    if (fetch.gaps > 1)
        message_parts((const char *[]){decimal(lost, fetch.lost), " segments in all are lost"}, 2);
    if (fetch.faults > 1)
        message_parts((const char *[]){decimal(lost, fetch.faults),
                                       " segments in all could not be read to their ends"},
                      2);
    if (fetch.peer.ending == PEER_ABANDONED && fetch.peer.exit_code == AGENT_EXIT_OK)
        message(AGENT_NOTE "standard input has ended, and all with it", NULL, NULL);
}

/* ---- which segment ---- */

/* Where the output has room for a block, there is room to look at one. */
static uint8_t *scratch(void)
{
    return fetch.output.buffer + fetch.output.used;
}

static bool peek(uint64_t at, size_t length)
{
    return pread(fetch.file, scratch(), length, (off_t)at) == (ssize_t)length;
}

/* Return: when the segment ended; 0: it has not, or that cannot be seen. */
static uint64_t finished_at(uint64_t *ret_size)
{
    struct stat status;
    uint32_t length;

    if (fstat(fetch.file, &status) < 0 || status.st_size < (off_t)sizeof(length))
        return 0;
    uint64_t size = *ret_size = (uint64_t)status.st_size;
    if (!peek(size - sizeof(length), sizeof(length)))
        return 0;
    memcpy(&length, scratch(), sizeof(length));
    if (length > size || length > SEGMENT_BLOCK_MAX || !peek(size - length, length))
        return 0;
    return segment_finished(scratch(), length);
}

static uint64_t started_at(void)
{
    ssize_t got = pread(fetch.file, scratch(), SEGMENT_BLOCK_MAX, 0);

    return got > 0 ? segment_started(scratch(), (size_t)got) : 0;
}

/* Is it of the time that was asked for? Where that cannot be seen, it is. */
static bool is_wanted(void)
{
    const struct fetch_options *options = &fetch.options;
    uint64_t size, finished = finished_at(&size);

    if (finished > 0 && finished < options->since)
        return false;
    fetch.size = finished > 0 && fetch.verbatim ? size : 0;
    return options->until == UINT64_MAX || started_at() <= options->until;
}

static void close_segment(void)
{
    copy_drop();
    close(fetch.file);
    fetch.file = -1;
    fetch.number++;
}

/* The next is not there: is one behind it? */
static void go_on_behind(void)
{
    uint64_t next;

    ring_look(&fetch.ring, fetch.number, &next, NULL);
    if (next == RING_NONE || next > fetch.last)
        next = fetch.last + 1;
    tell_lost(fetch.number, next);
    fetch.number = next;
}

/* Opens the next that is wanted of those that were there. Return: false: there is none. */
static bool open_segment(void)
{
    while (fetch.last != RING_NONE && fetch.number <= fetch.last) {
        fetch.at = 0;
        fetch.fault = NULL;
        fetch.file = ring_segment(&fetch.ring, fetch.number);
        if (fetch.file >= 0) {
            segment_begin(&fetch.segment);
            if (is_wanted())
                return true;
            close_segment();
        } else if (errno == ENOENT) {
            go_on_behind();
        } else {
            tell_of_segment("", strerror(errno));
            fetch.number++;
        }
    }
    return false;
}

/* What was written up to that moment is still to be taken. */
static bool has_frozen(void)
{
    if (!freeze_is_done(fetch.ring.base))
        return false;
    message(RECORDING_ENDS_FROZEN, NULL, NULL);
    fetch.options.live = false;
    return true;
}

/* Has one been added, or may there be more in the open one? */
static bool find_more(void)
{
    uint64_t now = clock_ms(), first, last;
    int fd = -1;

    if (!fetch.options.live)
        return false;
    if (fetch.number != RING_NONE)
        fd = ring_segment(&fetch.ring, fetch.file < 0 ? fetch.number : fetch.number + 1);
    if (fd >= 0) {
        close(fd);
        fetch.last = fetch.file < 0 ? fetch.number : fetch.number + 1;
        return true;
    }
    if (now < fetch.search_due)
        return false;
    fetch.search_due = now + SEARCH_MS;
    bool frozen = has_frozen();
    ring_look(&fetch.ring, fetch.number == RING_NONE ? 0 : fetch.number, &first, &last);
    if (last == RING_NONE || (fetch.last != RING_NONE && last <= fetch.last))
        return frozen;
    if (fetch.number == RING_NONE)
        fetch.number = first;
    fetch.last = last;
    return true;
}

/* ---- what is in it ---- */

/* Of a finished segment. Return: as read_blocks(). */
static bool look_at_blocks(void)
{
    size_t taken;

    if (!copy_look(&fetch.segment, fetch.file, fetch.at, fetch.size, &taken)) {
        fetch.size = 0; /* it is read as the others are */
        return true;
    }
    fetch.at += taken;
    fetch.peer.left = taken;
    return taken > 0;
}

/* There is no whole block in @got bytes. Is there more, which cannot be read? */
static void look_behind(size_t got)
{
    if (pread(fetch.file, scratch(), 1, (off_t)(fetch.at + got)) < 0 && errno != EINTR)
        fetch.fault = strerror(errno);
}

/* Has the recorder removed it, and cut it, since it has no room for it any more? */
static bool is_cut(void)
{
    struct stat status;

    return fstat(fetch.file, &status) == 0 && status.st_nlink == 0 && status.st_size == 0;
}

/* Takes whole blocks. Return: false: there are none for now. */
static bool read_blocks(void)
{
    const struct sieve *sieve = fetch.options.filtered ? &fetch.options.sieve : NULL;
    size_t kept;

    if (fetch.size > 0)
        return look_at_blocks();
    ssize_t got = pread(fetch.file, scratch(), SEGMENT_BLOCK_MAX, (off_t)fetch.at);
    if (got < 0 && errno != EINTR)
        fetch.fault = strerror(errno);
    if (got <= 0)
        return false;
    size_t taken = segment_take(&fetch.segment, sieve, scratch(), (size_t)got, &kept);
    fetch.at += taken;
    fetch.output.used += kept;
    if (taken == 0)
        look_behind((size_t)got);
    return taken > 0;
}

static void end_segment(void)
{
    if (fetch.segment.damaged)
        fetch.fault = "this is not what a recorder writes, and left out with what follows";
    else if (is_cut())
        fetch.fault = "removed while it was read, with what follows";
    if (fetch.fault)
        tell_of_segment("", fetch.fault);
    else if (!fetch.segment.ended)
        tell_of_segment(AGENT_NOTE, "its recorder was killed here");
    close_segment();
}

/* Has the open segment given all that will be there? */
static bool is_over(void)
{
    return fetch.segment.damaged || fetch.fault || fetch.number < fetch.last;
}

/* Fills the output. Return: true when there is nothing more for now. */
static bool take_blocks(void)
{
    while (fetch.peer.left == 0 && output_pending(&fetch.output) < OUTPUT_WRITE &&
           output_has_room(&fetch.output)) {
        bool is_open = fetch.file >= 0 || open_segment();

        if (is_open && read_blocks())
            continue;
        if (is_open && is_over())
            end_segment();
        else if (!find_more())
            return true;
    }
    return false;
}

/* ---- the loop ---- */

static void tell_live(void)
{
    if (fetch.told_live || peer_pending(&fetch.peer) > 0)
        return;
    message(RECORDING_LIVE, NULL, NULL);
    fetch.told_live = true;
}

static void run(void)
{
    struct output *output = &fetch.output;

    while (fetch.peer.ending == PEER_RUNNING) {
        bool drained = !output->blocked && take_blocks();

        if (!output->blocked)
            peer_flush(&fetch.peer);
        if (drained && !fetch.options.live)
            return;
        if (drained)
            tell_live();
        if (fetch.peer.ending == PEER_RUNNING)
            peer_wait(&fetch.peer, -1,
                      output->blocked ? UINT64_MAX
                      : drained       ? clock_ms() + LOOK_MS
                                      : 0);
        peer_check(&fetch.peer);
    }
}

static uint64_t copy_rest(uint64_t left)
{
    return copy_write(&fetch.output, left);
}

static int start(void)
{
    const struct fetch_options *options = &fetch.options;

    if (ring_open(&fetch.ring, options->directory, options->target) < 0)
        return AGENT_EXIT_NO_FILE;
    ring_look(&fetch.ring, options->from, &fetch.number, &fetch.last);
    if (options->has_from)
        fetch.number = options->from;
    return AGENT_EXIT_OK;
}

int fetch_command(int argc, char *const argv[])
{
    if (fetch_options_parse(argc, argv, &fetch.options) < 0)
        return AGENT_EXIT_BAD_OPTIONS;
    signal(SIGPIPE, SIG_IGN);
    output_open(&fetch.output);
    fetch.verbatim = copy_open() && !fetch.options.filtered;
    lockdown(LOCKDOWN_FETCH);
    fetch.file = -1;
    fetch.peer.output = &fetch.output;
    fetch.peer.copy = copy_rest;
    fetch.peer.silence = fetch.options.silence;
    peer_begin(&fetch.peer);
    int code = start();
    if (code == AGENT_EXIT_OK) {
        run();
        tell_end();
        peer_finish(&fetch.peer);
        code = fetch.peer.exit_code;
    }
    output_close(&fetch.output);
    return code;
}
