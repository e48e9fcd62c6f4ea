/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/status_line.h"

#include <stdio.h>

#include "base/area.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "capture/ending.h"
#include "capture/member.h"
#include "capture/members.h"
#include "capture/remote.h"
#include "capture/run_state.h"
#include "capture/summary.h"
#include "capture/tally.h"
#include "settings/settings.h"

#define STATUS_MS 250

/* What stands on the live line besides numbers. */
static const char *note(const struct run *run, char *out, size_t size)
{
    if (members_single(run) && run->members[0]->state == MEMBER_CUT)
        snprintf(out, size, "cut off, taking it up again");
    else
        ending_text(run, out, size);
    return out;
}

static uint64_t time_left(const struct run *run, uint64_t elapsed)
{
    uint64_t whole = run->settings->duration;

    if (!whole)
        return UINT64_MAX;
    return elapsed < whole ? whole - elapsed : 0;
}

static void on_status(void *data)
{
    struct run *run = data;
    struct summary summary;
    CLEANUP(buf_free) struct buf lines;
    char rest[80];

    buf_init(&lines, AREA_TEXT_MAX);
    loop_set_timer(run->status_timer, STATUS_MS);
    if (!run->recorder.begun || !tally_take(run->members, run->count, &summary))
        return;
    if (run->remote)
        run->remote->status(run->remote->data, &summary, run->recorder.skipped);
    summary.elapsed = loop_now() - run->begun;
    summary.left = time_left(run, summary.elapsed);
    summary.rate = rate_add(&run->rate, loop_now(), summary.total.bytes);
    summary.note = note(run, rest, sizeof(rest));
    summary_live(&summary, log_columns(), log_enabled(LOG_LEVEL_DEBUG) ? log_lines() - 1 : 0,
                 &lines);
    log_status(buf_string(&lines));
    tally_free(&summary);
}

void status_line_start(struct run *run)
{
    if (run->show_status || run->remote)
        run->status_timer = loop_add_timer(run->loop, STATUS_MS, on_status, run);
}

void status_line_end(struct run *run)
{
    loop_remove_timer(run->status_timer);
}
