/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/tally.h"

#include <stdlib.h>

#include "capture/member.h"
#include "capture/timeline.h"
#include "method/method.h"
#include "target/target.h"

static const char *const states[] = {
    [MEMBER_WAITING] = "waiting",   [MEMBER_CHOOSING] = "starting", [MEMBER_TRYING] = "starting",
    [MEMBER_RUNNING] = "capturing", [MEMBER_CUT] = "cut off",       [MEMBER_ENDED] = "ended",
};

static void describe_target(const struct target *target, struct summary_row *row)
{
    row->node = target->node_name;
    if (!target->pod)
        return;
    row->namespace = target->namespace;
    row->pod = target->name;
    row->container = target->container->name;
}

static void take_row(const struct member *member, struct summary_row *row)
{
    const struct share *share = &member->track.share;
    const struct drain *drain = &member->drain;

    *row = (struct summary_row){
        .method = member->method ? member->method->name : NULL,
        .state = states[member->state],
        .up = member->state == MEMBER_RUNNING,
        .captured = member->begun,
        .ended = member->state == MEMBER_ENDED,
        .gone = member_is_gone(member),
        .packets = share->packets - (drain->lossy ? drain->loss.unwritten : 0),
        .bytes = share->bytes,
        .kept = share->kept,
        .dropped = share_dropped(share),
        .lost = drain->lossy ? drain->loss.packets : 0,
        .late = timeline_late(member->timeline, member->source),
        .duplicates = share->duplicates,
        .cuts = member->cuts,
        .gap = member->gap_length,
        .error = member->error.kind != ERROR_NONE ? member->error.text : NULL,
    };
    row->clock_known = member_clock(member, &row->clock_offset, &row->clock_bound);
    describe_target(member->target, row);
}

static void add(struct summary_row *total, const struct summary_row *row)
{
    total->packets += row->packets;
    total->bytes += row->bytes;
    total->kept += row->kept;
    total->dropped += row->dropped;
    total->lost += row->lost;
    total->late += row->late;
    total->duplicates += row->duplicates;
    total->cuts += row->cuts;
    total->gap += row->gap;
}

bool tally_take(struct member *const *members, size_t count, struct summary *ret_summary)
{
    struct summary_row *rows = calloc(count ? count : 1, sizeof(*rows));

    *ret_summary = (struct summary){.rows = rows, .count = count, .note = "", .left = UINT64_MAX};
    if (!rows)
        return false;
    for (size_t i = 0; i < count; i++) {
        take_row(members[i], &rows[i]);
        add(&ret_summary->total, &rows[i]);
        ret_summary->up += rows[i].up;
        ret_summary->present += !rows[i].gone;
    }
    return true;
}

void tally_free(struct summary *summary)
{
    free((void *)summary->rows);
    summary->rows = NULL;
}
