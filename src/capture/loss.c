/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/loss.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "method/account.h"
#include "capture/recorder.h"
#include "capture/track.h"
#include "method/session.h"
#include "sink/sink.h"
#include "settings/settings.h"
#include "pcapng/reader.h"

static void say_why(struct loss *loss, const char *why)
{
    snprintf(loss->why, sizeof(loss->why), "%.399s", why);
}

/* The command has ended well, but its output has no end: what is the sign of it? NULL: none. */
static const char *truncation(const struct session *session)
{
    if (session->reader && capture_reader_pending(session->reader) > 0)
        return "its output ends within a packet, though all went well by its exit code";
    if (!account_is_whole(&session->account) && !session->settings->tcpdump_path)
        return "the end of its output did not come, though all went well by its exit code";
    return NULL;
}

/* What the agent has captured and what has come of it. Return: is something missing? */
static bool find_on_the_way(const struct session *session, struct loss *loss)
{
    const struct account *account = &session->account;
    const char *truncated = session->cut_short[0] ? NULL : truncation(session);

    loss->packets = account_missing(account);
    if (account->complete) {
        say_why(loss, "some of its output did not come");
        return loss->packets > 0;
    }
    if (!account->told && (truncated || session->cut_short[0]))
        loss->sure = LOSS_AT_LEAST;
    else if (account->at_most)
        loss->sure = LOSS_AT_MOST;
    say_why(loss, truncated               ? truncated
                  : session->cut_short[0] ? session->cut_short
                                          : "some of its output did not come");
    return truncated || loss->packets > 0 || loss->sure == LOSS_AT_LEAST;
}

#define READER_ENDED "who read them ended before they had been taken"

/* Is what is not in the output lost? Not what was not wanted: behind a limit, or by a reader that
 * was not late. */
static bool is_wanted(const struct recorder *recorder)
{
    return recorder->begun && !recorder->limited && recorder->failure.kind == ERROR_NONE &&
           (!recorder->sink_ended || recorder->behind);
}

bool loss_find(const struct session *session, const struct track *track, struct loss *ret_loss)
{
    const struct recorder *recorder = track->recorder;
    struct loss loss = {0};
    bool found = false;

    if (!is_wanted(recorder))
        return false;
    if (session->asked && session->error.kind == ERROR_NONE)
        found = find_on_the_way(session, &loss);
    if (recorder->sink_ended) {
        loss.unwritten = recorder_unwritten(recorder, &track->share);
        say_why(&loss, READER_ENDED);
    }
    loss.packets += track->share.discarded + loss.unwritten;
    *ret_loss = loss;
    return found || loss.packets > 0;
}

static bool add(struct loss *loss, bool lossy, uint64_t packets, const char *why)
{
    if (packets == 0)
        return lossy;
    if (!lossy)
        say_why(loss, why);
    loss->packets += packets;
    return true;
}

bool loss_settle(struct loss *loss, bool lossy, const struct recorder *recorder,
                 const struct share *share, uint64_t before, const char *why)
{
    bool late = recorder->sink_ended && is_wanted(recorder);

    if (recorder->discarding || late)
        lossy = add(loss, lossy, share->discarded - before, late ? READER_ENDED : why);
    if (late || (!recorder->sink_ended && !recorder_is_flushed(recorder))) {
        uint64_t known = loss->unwritten;

        loss->unwritten = recorder_unwritten(recorder, share);
        lossy = add(loss, lossy, loss->unwritten - known,
                    late ? READER_ENDED : "who reads them did not take them");
    } else if (recorder->sink->unserved) {
        loss->unwritten = recorder_unwritten(recorder, share);
        lossy = add(loss, lossy, loss->unwritten, "nobody was connected to read them");
    }
    return lossy;
}

void loss_add(struct loss *sum, const struct loss *loss)
{
    if (!sum->why[0])
        say_why(sum, loss->why);
    sum->packets += loss->packets;
    sum->unwritten += loss->unwritten;
    if (loss->sure != LOSS_EXACTLY && sum->sure != LOSS_AT_LEAST)
        sum->sure = loss->sure;
}

const char *loss_text(const struct loss *loss, char *out, unsigned long size)
{
    static const char *const sure[] = {
        [LOSS_EXACTLY] = "", [LOSS_AT_MOST] = "up to ", [LOSS_AT_LEAST] = "at least "};

    snprintf(out, size, "%s%" PRIu64 " packet%s", sure[loss->sure], loss->packets,
             loss->packets == 1 ? "" : "s");
    return out;
}

bool loss_record(const struct session *session, const struct loss *loss, struct track *track)
{
    const struct account *account = &session->account;
    char comment[600], packets[64];
    struct track_end end = {.dropped = account_dropped(account), .timestamp = account->latest};

    if (loss) {
        snprintf(comment, sizeof(comment), "kubectl-sniff: %s behind this one %s lost: %s",
                 loss_text(loss, packets, sizeof(packets)), loss->packets == 1 ? "was" : "were",
                 loss->why);
        end.lost = loss->packets;
        end.comment = comment;
    }
    /* One that has died with its pod has said nothing at its end. */
    bool said = account->complete || track->recorder->limited ||
                (session->error.kind == ERROR_NONE && end.dropped == account->dropped);
    return track_close(track, loss || !said ? &end : NULL);
}

int loss_error(const struct loss *loss, struct error *err)
{
    char packets[64];

    error_set(err, ERROR_LOSS, "%s %s lost on the way: %s",
              loss_text(loss, packets, sizeof(packets)), loss->packets == 1 ? "was" : "were",
              loss->why);
    return error_remedy(err, "keep less of the packets, with -f, --snaplen or --headers-only, or "
                             "write to a file near by");
}
