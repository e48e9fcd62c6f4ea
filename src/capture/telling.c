/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/telling.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "capture/loss.h"
#include "capture/recorder.h"
#include "capture/summary.h"
#include "settings/settings.h"
#include "sink/sink.h"

#define TABLE_MAX (1u << 20)

static void tell_end(const struct recorder *recorder)
{
    const char *output = recorder->sink->output;
    bool piped = output && strcmp(output, "-") == 0;

    if (recorder->limit)
        log_info("%s is reached", recorder->limit);
    else if (recorder->sink_ended && output && !recorder->sink->interrupted)
        log_info("the reader of %s%s%s has ended", piped ? "" : "'",
                 piped ? recorder->sink->kind->name : output, piped ? "" : "'");
}

/* Return: ", written to 'x.pcapng'"; "" where Wireshark has it; owned by the caller. */
static char *where(const struct recorder *recorder)
{
    const struct sink *sink = recorder->sink;
    const char *last;
    uint64_t files = recorder_files(recorder, &last);

    if (!sink->output)
        return strdup("");
    if (strcmp(sink->output, "-") == 0)
        return strdup(", written to standard output");
    if (files == 1)
        return text_format(", written to '%s'", last);
    return text_format(", written to %" PRIu64 " files%s%s%s", files, last ? ", the last '" : "",
                       last ? last : "", last ? "'" : "");
}

static void tell_totals(const struct recorder *recorder, const struct loss *loss,
                        const struct summary *summary)
{
    cleanup_free char *output = where(recorder);
    char totals[300], packets[64] = "";

    if (loss)
        loss_text(loss, packets, sizeof(packets));
    log_info("%s%s", summary_totals(summary, packets, totals, sizeof(totals)),
             output ? output : "");
}

/* Of several targets: line by line. */
static void tell_each(const struct summary *summary)
{
    CLEANUP(buf_free) struct buf table;

    buf_init(&table, TABLE_MAX);
    summary_table(summary, &table);
    for (const char *line = buf_string(&table); line && *line;) {
        size_t length = strcspn(line, "\n");
        cleanup_free char *one = strndup(line, length);

        if (one)
            log_plain(one);
        line += length + (line[length] == '\n');
    }
}

/* The last line is what would have helped. */
static void tell_what_is_missing(const struct recorder *recorder, const struct summary *summary)
{
    unsigned cuts = summary->total.cuts;
    char help[300];

    if (summary->total.duplicates)
        log_info("%" PRIu64 " packet%s seen at another interface before and left out (--dedup)",
                 summary->total.duplicates, summary->total.duplicates == 1 ? " was" : "s were");
    if (recorder->left_out)
        log_warning("%" PRIu64 " packets of another link type were left out: a pcap file holds one",
                    recorder->left_out);
    if (cuts && recorder->settings->fetched)
        log_info("the fetch was cut %u time%s, and taken up where it was", cuts,
                 cuts > 1 ? "s" : "");
    else if (cuts)
        log_warning("the capture was cut %u time%s: what passed meanwhile is missing", cuts,
                    cuts > 1 ? "s" : "");
    if (*summary_help(summary, help, sizeof(help)))
        log_warning("%s", help);
}

void tell_results(const struct recorder *recorder, const struct loss *loss,
                  const struct summary *summary, bool each)
{
    tell_end(recorder);
    if (each && log_enabled(LOG_LEVEL_INFO))
        tell_each(summary);
    tell_totals(recorder, loss, summary);
    tell_what_is_missing(recorder, summary);
}
