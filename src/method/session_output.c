/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "common/agent.h"
#include "common/recording.h"
#include "method/method.h"
#include "method/own_traffic.h"
#include "method/session.h"
#include "settings/settings.h"

#define COMPLAINTS_SHOWN 20
#define HELD_MAX         (128u << 10) /* bytes that a session may hold: session_hold() */

/* ---- standard output: packets ---- */

void session_hold(struct session *session)
{
    session->held = true;
}

/* Of what was recorded: where does it belong? Return: false with the error, when nowhere. */
static bool begin_segment(struct session *session, const struct capture_item *item,
                          struct error *err)
{
    if (segments_begin(&session->segments, item->segment.number) == 0)
        return true;
    error_set(err, ERROR_PROTOCOL, "%s sends its segments in no order", session->where);
    return false;
}

/* Gives it to the owner, unless he has it. Return: false when it cannot be taken now. */
static bool give_item(struct session *session, enum capture_item_kind kind,
                      const struct capture_item *item)
{
    struct segments *segments = &session->segments;

    if (kind == CAPTURE_PACKET && segments_skips(segments))
        return true;
    if (!session->item(session->data, kind, item))
        return false;
    if (kind == CAPTURE_PACKET)
        segments_took(segments);
    else if (kind == CAPTURE_STATISTICS && item->statistics.last)
        segments_end(segments);
    return true;
}

void session_pump(struct session *session)
{
    struct capture_item item;
    struct error err;
    bool taken = true;

    session->came = loop_time();
    while (session->reader && taken) {
        enum capture_item_kind kind = capture_reader_next(session->reader, &item, &err);

        if (kind == CAPTURE_SEGMENT && !begin_segment(session, &item, &err))
            kind = CAPTURE_MALFORMED;
        if (kind == CAPTURE_MALFORMED) {
            session_end(session, &err);
            session->cut = false; /* it would be as malformed again */
            capture_reader_free(session->reader);
            session->reader = NULL;
        }
        if (kind == CAPTURE_MORE || kind == CAPTURE_MALFORMED)
            break;
        taken = give_item(session, kind, &item);
        if (!taken) {
            capture_reader_unread(session->reader);
        } else if (!account_item(&session->account, kind, &item)) {
            error_set(&err, ERROR_INTERNAL, "out of memory");
            session_end(session, &err);
        }
    }
    session->came = 0;
    session->paused = !taken;
    if (agent_stream_is_there(&session->stream) && session->state != SESSION_ENDED)
        agent_stream_pause(&session->stream, session->paused);
}

void session_release(struct session *session)
{
    if (!session->held)
        return;
    session->held = false;
    session_pump(session);
}

void session_packets(struct session *session, const unsigned char *bytes, size_t length)
{
    struct error err;

    if (session->state == SESSION_ENDED || !session->reader)
        return;
    session_progress(session);
    if (session->held && capture_reader_pending(session->reader) + length > HELD_MAX)
        session_release(session);
    if (capture_reader_feed(session->reader, bytes, length) < 0) {
        error_set(&err, ERROR_INTERNAL, "out of memory");
        session_end(session, &err);
        return;
    }
    if (!session->paused && !session->held)
        session_pump(session);
}

/* ---- standard error: answers, and words for a person ---- */

/* Is it an answer to a question for the clock? */
static bool take_clock(struct session *session, const char *line)
{
    int64_t before = session->clock.offset;

    if (!clock_answered(&session->clock, line, loop_time()))
        return false;
    if (session->clock.offset != before)
        log_debug("%s: the agent's clock is %+.3f ms from ours, give or take %.3f ms",
                  session->where, (double)session->clock.offset / 1e6,
                  (double)session->clock.bound / 1e6);
    return true;
}

/* Is it an answer to a filter that was sent? As often as one was, it is told. */
static bool take_answer(struct session *session, const char *line)
{
    if (session->unanswered == 0 || strcmp(line, AGENT_FILTER_SET) != 0)
        return false;
    session->unanswered--;
    log_info("%s: the agent captures by the new filter", session->where);
    return true;
}

bool session_may_tell(struct session *session)
{
    return session->complaints++ < COMPLAINTS_SHOWN;
}

/* Is it for a person, and no complaint? */
static bool take_note(struct session *session, const char *line)
{
    const bool carried = strncmp(line, AGENT_CARRIED, strlen(AGENT_CARRIED)) == 0;
    const bool note = strncmp(line, AGENT_NOTE, strlen(AGENT_NOTE)) == 0;

    if (!carried && !note)
        return false;
    if (!session_may_tell(session)) {
        log_debug("agent: %s", line);
        return true;
    }
    if (note)
        log_info("%s", line + strlen(AGENT_NOTE));
    return note || own_traffic_warn(line + strlen(AGENT_CARRIED), session->settings->asked_filter);
}

/* One whole line of the agent's standard error. */
static void show_complaint(struct session *session, const char *line)
{
    static const char *const prefixes[] = {"ksniff-agent: ", "ksniff-recorder: "};
    const char *prefix = prefixes[session->method->recorded];

    if (strncmp(line, prefix, strlen(prefix)) == 0)
        line += strlen(prefix);
    if (session->settings->tcpdump_path) {
        account_tcpdump_line(&session->account, line);
    } else if (take_clock(session, line)) {
        return;
    } else if (session->method->recorded && strcmp(line, RECORDING_LIVE) == 0) {
        session->live = true;
        return;
    } else if (session->method->recorded && strcmp(line, RECORDING_ENDS_FROZEN) == 0) {
        session->frozen = true;
        return;
    } else if (account_line(&session->account, line)) {
        log_debug("the agent has %s", line);
        return;
    } else if (take_answer(session, line) || take_note(session, line)) {
        return;
    }
    /* libpcap adds the same again in parentheses on a line of its own. */
    if (line[0] != '(')
        text_escape(session->last_complaint, sizeof(session->last_complaint), line, strlen(line));
    if (session->settings->tcpdump_path || !session_may_tell(session))
        log_debug("agent: %s", line);
    else if (session->state != SESSION_STARTING)
        log_warning("agent: %s", line);
}

void session_complaint(struct session *session, const unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != '\n' && buf_append(&session->complaint, &bytes[i], 1))
            continue;
        const char *line = buf_string(&session->complaint);
        if (line && *line)
            show_complaint(session, line);
        buf_take(&session->complaint, session->complaint.length);
    }
    session_progress(session);
    /* What was given up has only been waited for to be told how much it is. */
    if (session->state == SESSION_STOPPING && session->cut_short[0] && session->account.told)
        session_end(session, NULL);
}
