/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/outcome.h"

#include <time.h>

#include "base/error.h"
#include "base/log.h"
#include "capture/loss.h"
#include "capture/member.h"
#include "capture/members.h"
#include "capture/run_state.h"
#include "capture/summary.h"
#include "capture/tally.h"
#include "capture/telling.h"
#include "kube/client.h"
#include "recording/fetch.h"
#include "recording/recordings.h"
#include "settings/settings.h"
#include "sink/sink.h"

/* ---- was it a success? ---- */

static void sum_losses(struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        struct drain *drain = &run->members[i]->drain;

        drain->lossy = loss_settle(&drain->loss, drain->lossy, &run->recorder,
                                   &run->members[i]->track.share, drain->discarded, run->why);
        if (!drain->lossy)
            continue;
        loss_add(&run->loss, &drain->loss);
        run->lossy = true;
    }
}

/* Of one target: how it ended is how the run did. */
static int judge_single(const struct member *member, const struct run *run, struct error *err)
{
    bool failed = member->error.kind != ERROR_NONE;

    if (failed && !member->left && !run->recorder.sink_ended) {
        *err = member->error;
        return -1;
    }
    if (run->lossy) {
        if (member->left)
            log_warning("%s", member->error.text);
        return loss_error(&run->loss, err);
    }
    if (!member->left)
        return 0;
    *err = member->error;
    return -1;
}

/* Of several: as long as any was captured, the others' failures have been told. */
static int judge_several(const struct run *run, struct error *err)
{
    size_t captured = 0;

    for (size_t i = 0; i < run->count; i++)
        captured += run->members[i]->begun;
    if (run->lossy)
        return loss_error(&run->loss, err);
    if (run->failed) {
        *err = run->failed->error;
        return -1;
    }
    if (captured > 0 || run->interrupted)
        return 0;
    error_set(err, ERROR_TARGET, "none of %zu targets could be captured", run->count);
    return error_remedy(err, "the lines above say why each could not");
}

/* What was recorded is there as a whole, or it is a failure: another one where nobody will ever
 * have the rest. */
static int judge_fetch(const struct run *run, struct error *err)
{
    const struct settings *settings = run->settings;
    size_t failed = 0, gone = fetch_gone(settings);

    if (run->interrupted && !settings->live)
        return error_set(err, ERROR_INTERRUPTED,
                         "interrupted before all that was recorded had come");
    if (run->recorder.sink_ended && settings->whole)
        return error_set(err, ERROR_LOSS, "who read the packets ended before all had come");

    for (size_t i = 0; i < run->count; i++)
        failed += run->members[i]->error.kind != ERROR_NONE;
    if (failed == 0 && gone == 0)
        return 0;
    if (failed == 0)
        error_set(err, ERROR_GONE, "%zu of %zu recorders had ended: all has come that is left",
                  gone, settings->recordings->count);
    else
        error_set(err, ERROR_TARGET, "of %zu of %zu targets not all that was recorded has come",
                  failed, run->count);
    return error_remedy(err, "the lines above say why");
}

int outcome_judge(struct run *run, struct error *err)
{
    const struct recorder *recorder = &run->recorder;

    sum_losses(run);
    if (recorder->failure.kind != ERROR_NONE) {
        *err = recorder->failure;
        return -1;
    }
    int result =
        members_single(run) ? judge_single(run->members[0], run, err) : judge_several(run, err);
    if (result == 0 && run->settings->fetched)
        result = judge_fetch(run, err);
    if (result == 0 && run->interrupted && !recorder->begun)
        return error_set(err, ERROR_INTERRUPTED, "interrupted before the capture had begun");
    return result;
}

/* ---- what is told of it ---- */

void outcome_tell(const struct run *run)
{
    struct summary summary;

    if (!run->recorder.begun || !tally_take(run->members, run->count, &summary))
        return;
    tell_results(&run->recorder, run->lossy ? &run->loss : NULL, &summary, !members_single(run));
    tally_free(&summary);
}

int outcome_write(const struct run *run, int result, struct error *err)
{
    const char *output = run->recorder.sink->output;
    struct summary summary;
    struct error failure;

    if (!run->settings->summary || !tally_take(run->members, run->count, &summary))
        return result;
    summary.context = kube_client_config(run->env.client)->context;
    summary.output = output;
    summary.started = run->started;
    summary.ended = (uint64_t)time(NULL);
    summary.exit_code = result < 0 ? error_exit_code(err) : 0;
    summary.error = result < 0 ? err->text : NULL;
    int written = summary_write(&summary, run->settings->summary, &failure);
    tally_free(&summary);
    if (written == 0 || result < 0)
        return result;
    *err = failure;
    return -1;
}
