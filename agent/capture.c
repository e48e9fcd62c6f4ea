/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capturing: packets from the source into the output's buffer, and the buffer to standard output
 * when it is full enough, when the ring is drained, or when what is in it has waited long enough.
 * While the reader is slow nothing is taken from the ring: the kernel fills it, then counts what it
 * drops.
 *
 * Standard input is the dead man's switch, watched in the same poll: a stuck output never hides its
 * end. Told to stop, the agent lets no packet in any more, says how many there are, and goes on in
 * the same loop until they are written: only the client knows how long that may take.
 */
#include "agent/capture.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/feedback.h"
#include "agent/lock.h"
#include "agent/lockdown.h"
#include "agent/message.h"
#include "agent/options.h"
#include "agent/output.h"
#include "agent/own.h"
#include "agent/peer.h"
#include "agent/program.h"
#include "agent/secret.h"
#include "agent/shell.h"
#include "agent/signals.h"
#include "agent/source.h"
#include "agent/tap.h"
#include "agent/target.h"

#define FLUSH_MS      25 /* how long a packet may wait in the buffer */
#define STATISTICS_MS 1000
#define HOLD_LOOK_MS  10 /* between two looks at the ring while nothing is taken from it */
#define SETTLE_MS     (3 * SOURCE_RETIRE_MS) /* the kernel has handed over its last block by then */
#define LATE_MS       1000                   /* then it has none that it has counted */
#define TAKING_MS     10000 /* after the stop, from a kernel that cannot be told to let no more in */

struct capture {
    struct own own;
    struct feedback feedback;
    struct lock lock;
    struct peer peer;
    /* Milliseconds of the monotonic clock. */
    uint64_t pending_since; /* the oldest packet in the buffer; 0: none */
    uint64_t statistics_due;
    uint64_t settled; /* after the stop: when nothing more is to be expected of the source */
    bool complete;    /* the last statistics have been written */
    struct options options;
    struct refilter refilter;
    struct tap tap;
};

/* Too large for a stack. */
static struct capture capture;
static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
    signalled = number;
}

/* ---- packets ---- */

static void take_packet(const struct packet *packet)
{
    struct flow flow;
    uint32_t payload;

    bool has_flow = capture.options.own && flow_of(packet, &flow, &payload);
    if (has_flow && own_is(&capture.own, packet, &flow, payload))
        return;
    struct interface *interface = tap_wants(&capture.tap, packet);
    if (!interface)
        return;
    tap_put(&capture.tap, interface, packet);
    if (has_flow)
        feedback_see(&capture.feedback, &flow,
                     packet->seconds * 1000000000ull + packet->nanoseconds, packet->original);
}

/* The kernel need not bring what is left out here. */
static void leave_out_in_kernel(void)
{
    struct kernel_filter_rules *rules = &capture.tap.source.rules;

    capture.own.changed = false;
    memcpy(rules->left_out, capture.own.found, sizeof(rules->left_out));
    rules->left_out_count = capture.own.count;
    source_refilter(&capture.tap.source);
}

/* Moves packets into the buffer. Return: true when the source has no more for now. */
static bool take_packets(void)
{
    struct packet packet;

    while (output_has_room(&capture.tap.output)) {
        tap_make_room(&capture.tap);
        if (!source_next(&capture.tap.source, &packet))
            return true;
        take_packet(&packet);
        if (capture.own.changed)
            leave_out_in_kernel();
        if (!capture.pending_since && output_pending(&capture.tap.output) > 0)
            capture.pending_since = clock_ms();
    }
    return false;
}

static void write_statistics(bool last)
{
    tap_write_statistics(&capture.tap, own_wants_mark(&capture.own) ? capture.own.comment : NULL,
                         last);
}

/* ---- the loop ---- */

/* Puts the program that has come in the place of the present one, which is there then instead. */
static void exchange_programs(void)
{
    struct options *options = &capture.options;
    struct refilter *refilter = &capture.refilter;
    size_t length = options->program_length, other = refilter->program.length;
    bool vlan = options->vlan, ethernet_only = options->ethernet_only;

    for (size_t i = 0; i < length || i < other; i++) {
        struct agent_bpf_insn insn = options->program[i];

        options->program[i] = refilter->program.insns[i];
        refilter->program.insns[i] = insn;
    }
    options->program_length = other;
    refilter->program.length = length;
    options->vlan = refilter->vlan;
    options->ethernet_only = refilter->ethernet_only;
    refilter->vlan = vlan;
    refilter->ethernet_only = ethernet_only;
}

static void change_filter(void)
{
    exchange_programs();
    if (source_reprogram(&capture.tap.source)) {
        message(AGENT_FILTER_SET, NULL, NULL);
        return;
    }
    exchange_programs();
    message(AGENT_FILTER_REFUSED, NULL, NULL);
}

/* Return: false when the byte has nothing to do with a filter. */
static bool take_filter(char byte)
{
    enum refilter_answer got = refilter_byte(&capture.refilter, byte);

    /* At the end no packet is let in any more. */
    if (got == REFILTER_WHOLE && capture.peer.ending == PEER_RUNNING)
        change_filter();
    if (got == REFILTER_WRONG)
        message(AGENT_FILTER_REFUSED, NULL, NULL);
    return got != REFILTER_NOT_OURS;
}

static void flush(void)
{
    peer_flush(&capture.peer);
    if (output_pending(&capture.tap.output) == 0)
        capture.pending_since = 0;
}

/* When something is to be done, whatever happens. */
static uint64_t work_due(void)
{
    const struct feedback *feedback = &capture.feedback;
    uint64_t now = clock_ms(), due = capture.statistics_due;

    if (feedback->holding)
        due = earlier(due, now + HOLD_LOOK_MS);
    else if (feedback->judging)
        due = earlier(due, now + FEEDBACK_MS);
    if (capture.pending_since && !capture.tap.output.blocked && !feedback->holding)
        due = earlier(due, capture.pending_since + FLUSH_MS);
    return capture.settled > now ? earlier(due, capture.settled) : due;
}

/* Waits until something can be done; @drained: the source has nothing for now. */
static void wait_for_work(bool drained)
{
    const struct output *output = &capture.tap.output;
    bool blocked = output->blocked;
    bool room = output_has_room(output) && !blocked && !capture.feedback.holding;

    peer_wait(&capture.peer, room ? capture.tap.source.fd : -1, !drained && room ? 0 : work_due());
    if (blocked && !output->blocked)
        flush();
}

static void check_time(void)
{
    uint64_t now = clock_ms();

    peer_check(&capture.peer);
    if (own_check(&capture.own, now)) {
        capture.tap.source.rules.loopback_tcp = false;
        source_refilter(&capture.tap.source);
    }
    if (now >= capture.statistics_due) {
        tap_follow_names(&capture.tap);
        if (!capture.complete)
            write_statistics(false);
        if (!capture.pending_since && output_pending(&capture.tap.output) > 0)
            capture.pending_since = now;
        capture.statistics_due = now + STATISTICS_MS;
    }
}

/* Nothing is taken and nothing is written for now. */
static bool is_idle(void)
{
    return capture.tap.output.blocked || capture.feedback.holding;
}

/* One turn of the loop. Return: true when the source had no more. */
static bool turn(void)
{
    bool idle = is_idle(), drained = !idle && take_packets();
    size_t pending = output_pending(&capture.tap.output);
    bool waited = capture.pending_since && clock_ms() >= capture.pending_since + FLUSH_MS;

    /* The ring hands over what has waited SOURCE_RETIRE_MS already; recvmmsg() single packets. */
    if (!idle && pending > 0 &&
        (pending >= OUTPUT_WRITE || waited || (drained && capture.tap.source.ring)))
        flush();
    return drained;
}

static void run(void)
{
    while (capture.peer.ending == PEER_RUNNING && !signalled) {
        bool drained = turn();

        if (capture.peer.ending == PEER_RUNNING)
            wait_for_work(drained || is_idle());
        check_time();
        if (!capture.feedback.over)
            feedback_check(&capture.feedback, clock_ms(), capture.tap.output.written, drained,
                           source_is_crowded(&capture.tap.source));
    }
}

/* ---- the end ---- */

/* May some of what the kernel has let pass be refused yet? */
static bool is_judged_here(void)
{
    const struct options *options = &capture.options;

    if (!capture.tap.source.filtered || options->own)
        return true;
    if (options->program_length == 0)
        return false;
    for (size_t i = 0; i < capture.tap.interfaces.count; i++)
        if (!source_fits(options->ethernet_only, capture.tap.interfaces.list[i].hatype))
            return true;
    return options->vlan;
}

/* Tells the client what is still to come: common/agent.h has the line. */
static void announce(void)
{
    const struct source *source = &capture.tap.source;
    bool exact = !is_judged_here();
    char packets[21], dropped[21];

    source_update_statistics(&capture.tap.source);
    decimal(packets, capture.tap.packets + source_left(source));
    decimal(dropped, source->dropped);
    message_parts((const char *[]){"stopped: ", exact ? "" : "at most ", packets, " packets, ",
                                   dropped, " dropped"},
                  6);
}

/* Has the source given everything? The ring's last block is handed over by the time only. */
static bool is_settled(bool drained, uint64_t stopped)
{
    uint64_t now = clock_ms();

    if (!capture.tap.source.can_filter && now >= stopped + TAKING_MS)
        return true;
    if (!drained)
        capture.settled = now + SETTLE_MS;
    if (now < capture.settled)
        return false;
    source_update_statistics(&capture.tap.source);
    return source_left(&capture.tap.source) == 0 || now >= capture.settled + LATE_MS;
}

/*
 * Takes what the ring still holds, with the block that the kernel has not handed over yet, writes
 * it and the last statistics. Heartbeats are listened for all the while: without them, or at the
 * end of standard input, only as far as somebody reads.
 */
static void finish(void)
{
    uint64_t stopped = clock_ms();

    if (capture.tap.output.closed)
        return;
    source_stop(&capture.tap.source);
    announce();
    capture.feedback = (struct feedback){.over = true};
    capture.peer.progress = stopped;
    capture.settled = stopped + SETTLE_MS;
    while (!peer_is_given_up(&capture.peer)) {
        bool drained = capture.complete || turn();

        if (!capture.complete && is_settled(drained, stopped) &&
            output_has_room(&capture.tap.output)) {
            write_statistics(true);
            capture.complete = true;
        }
        if (capture.complete && !capture.tap.output.blocked)
            flush();
        if (capture.complete && output_pending(&capture.tap.output) == 0)
            return;
        wait_for_work(drained || capture.tap.output.blocked);
        check_time();
    }
}

/* ---- start ---- */

static bool is_beside_a_shell(void)
{
    const char *shell = shell_find();

    if (shell)
        message("the image has", shell, NULL);
    return shell != NULL;
}

static int start(void)
{
    struct tap *tap = &capture.tap;

    tap->options = &capture.options;
    int code = target_enter(&capture.options);
    if (code != AGENT_EXIT_OK)
        return code;
    code = tap_open(tap);
    if (code != AGENT_EXIT_OK)
        return code;
    if (capture.options.own)
        own_open(&capture.own);
    code = tap_start(tap, capture.own.mark[0] != '\0');
    if (code != AGENT_EXIT_OK)
        return code;
    output_open(&tap->output);
    tap_begin_section(tap, capture.own.mark[0] ? capture.own.comment : NULL);
    tap_describe(tap);
    lockdown(LOCKDOWN_CAPTURE);
    own_start(&capture.own, clock_ms());
    capture.feedback.over = !capture.options.own || !capture.tap.source.ring;
    output_flush(&capture.tap.output);
    return AGENT_EXIT_OK;
}

int capture_command(int argc, char *const argv[])
{
    const char *own_file = options_unlink(argc, argv);

    int code = secret_check();
    if (code != AGENT_EXIT_OK)
        return code;
    if (own_file)
        unlink(own_file);
    if (options_parse(argc, argv, &capture.options) < 0)
        return AGENT_EXIT_BAD_OPTIONS;
    if (capture.options.no_shell && is_beside_a_shell())
        return AGENT_EXIT_SHELL;
    signals_catch(on_signal, false);
    lock_open(&capture.lock);
    capture.peer.output = &capture.tap.output;
    capture.peer.lock = &capture.lock;
    capture.peer.silence = capture.options.silence;
    capture.peer.take = take_filter;
    peer_begin(&capture.peer);
    code = start();
    if (code != AGENT_EXIT_OK)
        return code;
    peer_begin(&capture.peer);
    capture.statistics_due = capture.peer.heard + STATISTICS_MS;
    write_statistics(false);
    flush();
    run();
    finish();
    output_close(&capture.tap.output);
    return capture.peer.exit_code;
}
