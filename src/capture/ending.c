/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/ending.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "base/loop.h"
#include "capture/member.h"
#include "capture/members.h"
#include "capture/run_state.h"
#include "capture/timeline.h"
#include "sink/sink.h"

#define SAY_MS   1000 /* the end takes so long: it is worth a word */
#define STUCK_MS 1000 /* with a reader that takes nothing, once the rest was given up */

/* ---- what is still to come ---- */

/* Return: packets that are still to come; 0 where no agent has said how many it has. */
static uint64_t to_come(const struct run *run, bool *ret_told, bool *ret_unsure)
{
    uint64_t sum = 0, packets;

    *ret_told = *ret_unsure = false;
    for (size_t i = 0; i < run->count; i++) {
        if (!member_to_come(run->members[i], &packets, ret_unsure))
            continue;
        *ret_told = true;
        sum += packets;
    }
    return *ret_told ? sum + recorder_unwritten(&run->recorder, NULL) : 0;
}

const char *ending_text(const struct run *run, char *out, size_t size)
{
    bool told, unsure;
    uint64_t packets = to_come(run, &told, &unsure);

    *out = '\0';
    if (told)
        snprintf(out, size, "%s%" PRIu64 " packets still to come", unsure ? "up to " : "", packets);
    else if (run->stopping)
        snprintf(out, size, "waiting for what is still to come");
    return out;
}

/* ---- as asked ---- */

static void on_say(void *data)
{
    struct run *run = data;
    bool told, unsure;
    char what[80];

    if (run->given_up || (members_ended(run) && recorder_is_flushed(&run->recorder)))
        return;
    run->told = true;
    to_come(run, &told, &unsure);
    log_info("the capture has ended; %s: Ctrl-C gives them up",
             told ? ending_text(run, what, sizeof(what)) : "packets are still to come");
}

void ending_stop(void *data)
{
    struct run *run = data;

    run->stopping = run->recorder.sink->stopping = true;
    timeline_end(&run->timeline);
    for (size_t i = 0; i < run->count; i++)
        member_stop(run->members[i], true);
    if (!run->say)
        run->say = loop_add_timer(run->loop, SAY_MS, on_say, run);
}

void ending_stop_at_once(void *data)
{
    struct run *run = data;

    run->stopping = run->recorder.sink->stopping = true;
    for (size_t i = 0; i < run->count; i++)
        member_stop(run->members[i], false);
}

void ending_cut(void *data)
{
    struct run *run = data;

    run->stopping = true;
    for (size_t i = 0; i < run->count; i++)
        member_cut(run->members[i]);
}

/* ---- nobody waits any more ---- */

void ending_give_up(struct run *run, const char *why)
{
    if (run->given_up)
        return;
    run->given_up = true;
    run->why = why;
    run->progress = loop_now();
    timeline_flush(&run->timeline); /* what has come has come */
    recorder_discard(&run->recorder);
    for (size_t i = 0; i < run->count; i++)
        member_give_up(run->members[i], why);
}

bool ending_is_stuck(struct run *run)
{
    if (!run->given_up)
        return false;
    if (run->written != run->recorder.sink->written)
        run->progress = loop_now();
    run->written = run->recorder.sink->written;
    return loop_now() >= run->progress + STUCK_MS;
}

bool ending_interrupt(struct run *run)
{
    int number = loop_acknowledge(run->loop);
    bool again = run->interrupted || run->told;

    /* A reader that takes nothing cannot hold up the third. */
    if (run->given_up && members_ended(run))
        return false;
    run->recorder.sink->interrupted = number;
    run->interrupted = true;
    if (run->given_up)
        ending_cut(run);
    else
        ending_stop(run);
    if (again)
        ending_give_up(run, "a second interrupt has cut the end short");
    return true;
}
