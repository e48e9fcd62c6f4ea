/* SPDX-License-Identifier: Apache-2.0 */
#include "method/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "method/agent_exec.h"
#include "method/method.h"
#include "method/own_traffic.h"
#include "settings/settings.h"
#include "target/target.h"
#include "common/agent.h"
#include "common/recording.h"
#include "kube/client.h"
#include "kube/pod.h"
#include "kube/stream.h"

#define HEARTBEAT_MS     15000
#define AGAIN_MS         30    /* between some in a row: of their answers the fastest counts */
#define LAST_MS          45000 /* between those while it ends: session_stop() */
#define FIRST_ROW        8
#define ROW              4
#define STALL_MS         10000 /* without a byte, after the agent was told to end */
#define STOP_MS          5000  /* for its end, when what it still has is not wanted */
#define COMPLAINT_MAX    4096  /* bytes of one line of standard error */
#define COMPLAINTS_SHOWN 20
#define HELD_MAX         (128u << 10) /* bytes that a session may hold: session_hold() */

/* The first reason is the one that counts. */
static void cut_short(struct session *session, const char *why)
{
    if (!session->cut_short[0])
        snprintf(session->cut_short, sizeof(session->cut_short), "%.299s", why);
}

/* It has been told to end, and nothing comes. */
static void on_stall(struct session *session)
{
    /* While we do not read, silence is our own. */
    if (session->paused && !session->unwanted) {
        loop_set_timer(session->stage_timer, STALL_MS);
        return;
    }
    log_debug("the agent did not end in time: its stream is cut");
    cut_short(session, "nothing came any more");
    session_end(session, NULL);
}

static void on_stage_timeout(void *data)
{
    struct session *session = data;
    struct error err;

    if (session->state == SESSION_STOPPING) {
        on_stall(session);
        return;
    }
    session->elsewhere = session->cut = true;
    error_set(&err, ERROR_TIMEOUT, "%s: %s took too long", session->where, session->stage);
    const char *flag = session->stage_flag, *says = session->last_complaint;

    if (flag || *says)
        error_remedy(&err, "%s%s%s%s%s", flag ? "give it more with " : "", flag ? flag : "",
                     flag && *says ? "; " : "", *says ? "it says: " : "", says);
    else
        error_remedy(&err, "try again, with -v to see more");
    session_end(session, &err);
}

/* Of a row of questions the next one comes soon. */
static uint64_t beat(struct session *session)
{
    session->method->heartbeat(session);
    session->beats++;
    if (session->settings->tcpdump_path)
        return HEARTBEAT_MS;
    return session->beats < FIRST_ROW || session->beats % ROW != 0 ? AGAIN_MS : HEARTBEAT_MS;
}

/* While it captures, and while it writes what it has captured. */
static void on_heartbeat(void *data)
{
    struct session *session = data;

    if (session->state == SESSION_STOPPING) {
        loop_set_timer(session->heartbeat, LAST_MS);
        if (!session->account.complete)
            session->method->heartbeat(session);
        return;
    }
    loop_set_timer(session->heartbeat,
                   session->state == SESSION_RUNNING ? beat(session) : HEARTBEAT_MS);
}

/*
 * The agent, and with it the exec, may end long before we have read what it has sent: a slow reader
 * holds us up, or a slow way the server's socket. The server has closed that by then, and answers
 * the next byte of ours by throwing away what it has not sent yet. So we keep as silent as the
 * agent allows (AGENT_SILENCE_SECONDS).
 */
static void fall_silent(struct session *session)
{
    loop_set_timer(session->heartbeat, LAST_MS);
    kube_stream_quiet(session->stream);
}

struct session *session_start(const struct session_env *env, const struct method *method,
                              const struct target *target, const struct settings *settings,
                              bool (*item)(void *data, enum capture_item_kind kind,
                                           const struct capture_item *item),
                              void *data, struct error *err)
{
    struct session *session = calloc(1, sizeof(*session));

    if (!session) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    session->loop = kube_client_loop(env->client);
    session->client = env->client;
    session->helpers = env->helpers;
    session->method = method;
    session->target = target;
    session->settings = settings;
    session->item = item;
    session->data = data;
    snprintf(session->where, sizeof(session->where), "%s", target->label);
    buf_init(&session->complaint, COMPLAINT_MAX);
    session->stage_timer = loop_add_timer(session->loop, 0, on_stage_timeout, session);
    session->heartbeat = loop_add_timer(session->loop, HEARTBEAT_MS, on_heartbeat, session);
    if (session->stage_timer)
        loop_stop_timer(session->stage_timer);
    if (!session->stage_timer || !session->heartbeat)
        error_set(err, ERROR_INTERNAL, "out of memory");
    else if (method->start(session, err) == 0)
        return session;
    session_free(session);
    return NULL;
}

void session_free(struct session *session)
{
    if (!session)
        return;
    session->state = SESSION_ENDED;
    session_hang_up(session);
    session->method->release(session);
    capture_reader_free(session->reader);
    account_free(&session->account);
    buf_free(&session->complaint);
    loop_remove_timer(session->stage_timer);
    loop_remove_timer(session->heartbeat);
    free(session);
}

void session_hang_up(struct session *session)
{
    kube_stream_free(session->stream);
    kube_stream_free(session->retired);
    session->stream = session->retired = NULL;
}

void session_resume(struct session *session)
{
    struct error err;

    session_hang_up(session);
    session->state = SESSION_STARTING;
    session->error = (struct error){0};
    session->cut = session->elsewhere = session->died = false;
    session->resumed = true;
    session->refilter = false; /* it begins with the present one */
    session->last_complaint[0] = '\0';
    session->complaints = 0;
    buf_take(&session->complaint, session->complaint.length);
    capture_reader_free(session->reader);
    session->reader = NULL;
    account_free(&session->account);
    loop_set_timer(session->heartbeat, HEARTBEAT_MS);
    if (session->method->start(session, &err) < 0)
        session_end(session, &err);
}

uint64_t session_request_timeout(const struct session *session)
{
    return session->resumed ? kube_client_doubtful(session->client) : 0;
}

void session_set_place(struct session *session, const struct session_place *place)
{
    session->place = *place;
    snprintf(session->where, sizeof(session->where), "container \"%s\" of pod \"%s\"",
             place->container, place->pod);
}

void session_retire_stream(struct session *session)
{
    kube_stream_free(session->retired);
    session->retired = session->stream;
    session->stream = NULL;
}

void session_stage(struct session *session, const char *stage, uint64_t milliseconds)
{
    session->stage = stage;
    session->stage_flag = NULL;
    if (stage)
        loop_set_timer(session->stage_timer, milliseconds);
    else
        loop_stop_timer(session->stage_timer);
}

void session_end(struct session *session, const struct error *err)
{
    if (session->state == SESSION_ENDED)
        return;
    session->state = SESSION_ENDED;
    loop_stop_timer(session->stage_timer);
    loop_stop_timer(session->heartbeat);
    if (err && session->error.kind == ERROR_NONE) {
        session->error = *err;
        session->cut |= error_is_passing(err);
    }
}

void session_running(struct session *session)
{
    const struct settings *settings = session->settings;
    struct error err;

    session->reader =
        session->method->recorded ? capture_reader_segments()
        : settings->tcpdump_path
            ? capture_reader_pcap(settings->interface_count ? settings->interfaces[0] : "any")
            : capture_reader_pcapng();
    if (!session->reader) {
        error_set(&err, ERROR_INTERNAL, "out of memory");
        session_end(session, &err);
        return;
    }
    if (session->state == SESSION_STARTING)
        session->state = SESSION_RUNNING;
    session_stage(session, NULL, 0);
    session->beats = 0;
    clock_restarted(&session->clock);
    on_heartbeat(session);
    if (session->refilter)
        session_refilter(session);
}

void session_stop(struct session *session, bool wanted)
{
    if (session->state == SESSION_STARTING) {
        session_end(session, NULL);
        return;
    }
    if (session->state == SESSION_RUNNING) {
        session->state = SESSION_STOPPING;
        session->asked = true;
        session->method->stop(session);
        fall_silent(session);
        session_stage(session, "its end", STALL_MS);
    }
    if (session->state == SESSION_STOPPING && !wanted && !session->unwanted) {
        session->unwanted = true;
        session_stage(session, "its end", STOP_MS);
    }
}

void session_refilter(struct session *session)
{
    session->refilter = session->state == SESSION_STARTING;
    if (session->state == SESSION_RUNNING && !session->settings->tcpdump_path)
        agent_exec_refilter(session);
}

void session_leave(struct session *session, const struct error *why)
{
    if (session->state == SESSION_RUNNING)
        session->reason = *why;
    session_stop(session, true);
}

void session_give_up(struct session *session, const char *why)
{
    session_stop(session, false);
    if (session->state != SESSION_STOPPING)
        return;
    cut_short(session, why);
    if (session->account.told)
        session_end(session, NULL);
}

void session_cut(struct session *session)
{
    session_end(session, NULL);
}

/* ---- what the agent sends ---- */

void session_hold(struct session *session)
{
    session->held = true;
}

void session_release(struct session *session)
{
    if (!session->held)
        return;
    session->held = false;
    session_pump(session);
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
    session->paused = !taken;
    if (session->stream && session->state != SESSION_ENDED)
        kube_stream_pause(session->stream, session->paused);
}

/* Bytes have come from the agent. */
static void progress(struct session *session)
{
    if (session->state == SESSION_STOPPING && !session->unwanted)
        loop_set_timer(session->stage_timer, STALL_MS);
}

void session_packets(struct session *session, const unsigned char *bytes, size_t length)
{
    struct error err;

    if (session->state == SESSION_ENDED || !session->reader)
        return;
    progress(session);
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
    } else if (account_line(&session->account, line)) {
        log_debug("the agent has %s", line);
        return;
    } else if (strncmp(line, AGENT_CARRIED, strlen(AGENT_CARRIED)) == 0 &&
               own_traffic_warn(line + strlen(AGENT_CARRIED), session->settings->asked_filter)) {
        return;
    } else if (strcmp(line, AGENT_FILTER_SET) == 0) {
        log_info("%s: the agent captures by the new filter", session->where);
        return;
    } else if (strncmp(line, AGENT_NOTE, strlen(AGENT_NOTE)) == 0) {
        log_info("%s", line + strlen(AGENT_NOTE));
        return;
    }
    /* libpcap adds the same again in parentheses on a line of its own. */
    if (line[0] != '(')
        text_escape(session->last_complaint, sizeof(session->last_complaint), line, strlen(line));
    if (session->settings->tcpdump_path || session->complaints++ >= COMPLAINTS_SHOWN)
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
    progress(session);
    /* What was given up has only been waited for to be told how much it is. */
    if (session->state == SESSION_STOPPING && session->cut_short[0] && session->account.told)
        session_end(session, NULL);
}

/* ---- its end ---- */

/* What the agent's exit codes mean, and what may help. */
static const struct {
    int code;
    enum error_kind kind;
    bool elsewhere;   /* another method may do better */
    bool cut;         /* beginning again may help */
    const char *text; /* with one %s: where */
    bool says;        /* the agent's own words follow */
    const char *remedy;
} agent_exits[] = {
    {AGENT_EXIT_NO_PERMISSION, ERROR_TARGET, true, false,
     "%s may not capture: it lacks the capability NET_RAW", false,
     "capture from the node instead with -p, or choose another container of the pod with -c: they "
     "share one network"},
    {AGENT_EXIT_NO_ENTRY, ERROR_TARGET, true, false,
     "%s may not enter the target's network namespace", true,
     "something on the node forbids it, such as AppArmor or SELinux"},
    {AGENT_EXIT_NO_INTERFACE, ERROR_TARGET, false, false, "%s", true,
     "leave out -i to capture on every interface"},
    {AGENT_EXIT_NO_NAMESPACE, ERROR_TARGET, true, true,
     "%s does not find the target's network namespace", true, NULL},
    {AGENT_EXIT_NO_PACKET_SOCKET, ERROR_TARGET, true, false,
     "%s has a kernel without packet sockets", true, NULL},
    {AGENT_EXIT_NO_MEMORY, ERROR_TARGET, false, false, "%s has no memory for the packet ring", true,
     "try a smaller --buffer-size"},
    {AGENT_EXIT_BAD_FILTER, ERROR_TARGET, false, false, "%s has a kernel that refuses the filter",
     true, "make the filter shorter"},
    {AGENT_EXIT_SILENCE, ERROR_NETWORK, false, true,
     "the agent in %s had not heard from us in time", false, NULL},
    {AGENT_EXIT_OUTPUT_CLOSED, ERROR_NETWORK, false, true, "the agent in %s had nobody to write to",
     false, NULL},
    {AGENT_EXIT_NO_SECRET, ERROR_TARGET, true, true,
     "the agent in %s serves only who has made it, and our secret did not reach it as it is", false,
     NULL},
    {AGENT_EXIT_NO_FILE, ERROR_TARGET, true, false, "%s may not read it, or it is none", true,
     NULL},
    {AGENT_EXIT_BAD_OPTIONS, ERROR_INTERNAL, false, false, "the agent in %s failed", true, NULL},
    {AGENT_EXIT_INTERNAL, ERROR_INTERNAL, false, false, "the agent in %s failed", true, NULL},
};

/* A list in one -i is what other programs take. */
static void explain_list(const struct settings *settings, struct error *err)
{
    char flags[200] = "";
    size_t used = 0;

    for (size_t i = 0; i < settings->interface_count; i++) {
        const char *at = settings->interfaces[i];

        while (strchr(settings->interfaces[i], ',') && *at && used < sizeof(flags)) {
            size_t length = strcspn(at, ",");

            if (length > 0)
                used += (size_t)snprintf(flags + used, sizeof(flags) - used, "%s-i %.*s",
                                         used ? " " : "", (int)length, at);
            at += length + (at[length] == ',');
        }
    }
    if (used)
        error_remedy(err, "give each its own flag: %s", flags);
}

/* Turns an exit code of common/agent.h into a sentence. Return: false when it is none of them. */
static bool explain_agent(struct session *session, int code, struct error *err)
{
    for (size_t i = 0; i < sizeof(agent_exits) / sizeof(agent_exits[0]); i++) {
        char text[400];

        if (agent_exits[i].code != code)
            continue;
        /* An interface is the target's, wherever the agent is. */
        snprintf(text, sizeof(text), agent_exits[i].text,
                 code == AGENT_EXIT_NO_INTERFACE ? session->target->label : session->where);
        error_set(err, agent_exits[i].kind, "%s%s%s", text, agent_exits[i].says ? ": " : "",
                  agent_exits[i].says ? session->last_complaint : "");
        if (agent_exits[i].remedy)
            error_remedy(err, "%s", agent_exits[i].remedy);
        if (code == AGENT_EXIT_NO_INTERFACE)
            explain_list(session->settings, err);
        session->elsewhere = agent_exits[i].elsewhere;
        session->cut = agent_exits[i].cut;
        return true;
    }
    return false;
}

static void explain_exit(struct session *session, const struct kube_exit *exit, struct error *err)
{
    if (session->method->explain(session, exit, err))
        return;
    if (exit->kind == KUBE_EXIT_CODE && !session->settings->tcpdump_path &&
        explain_agent(session, exit->code, err))
        return;
    if (exit->kind == KUBE_EXIT_CODE && exit->code > 128 && exit->code < 160) {
        /* 137: so it looks when the container dies, and when its pod is deleted. */
        error_set(err, ERROR_TARGET, "%s was ended by signal %d: it died, or was deleted",
                  session->where, exit->code - 128);
        error_remedy(err, "see: kubectl get pod %s -n %s", session->place.pod,
                     session->place.namespace);
        session->cut = session->died = true;
    } else if (exit->kind == KUBE_EXIT_CODE) {
        error_set(err, ERROR_TARGET, "the capture in %s ended with exit code %d%s%s",
                  session->where, exit->code, session->last_complaint[0] ? ": " : "",
                  session->last_complaint);
    } else {
        error_set(err, ERROR_TARGET, "the agent could not be started in %s: %s", session->where,
                  exit->message);
        session->elsewhere = session->cut = true;
    }
}

/* Who may not is told by RBAC what he needs; anybody else who refuses words it as he likes. */
static bool is_right_missing(const struct error *err)
{
    return err->kind == ERROR_FORBIDDEN && err->remedy[0];
}

void session_refused(struct session *session, const struct error *err)
{
    struct error refused = *err;

    session->elsewhere = true;
    session->refused = !is_right_missing(err);
    if (session->refused && !err->remedy[0])
        error_remedy(&refused, "every method needs exec: ask who has set this rule up");
    session_end(session, &refused);
}

/* Has an exec into the target's own pod got as far as a runtime? */
static void note_exec(struct session *session, const struct kube_exit *exit)
{
    const struct session_place *place = &session->place;
    const struct target *target = session->target;

    session->exec_works |= exit && kube_exit_reached(exit) && target->pod &&
                           strcmp(place->pod, target->name) == 0 &&
                           strcmp(place->namespace, target->namespace) == 0;
}

/*
 * Has the exec reached nobody, for a moment perhaps? Return: what was answered, NULL otherwise.
 * Servers tell it before the upgrade or after it, as a Status of the stream.
 */
static const char *why_unreached(const struct kube_exit *exit, const struct error *err)
{
    if (exit && exit->kind == KUBE_EXIT_START_FAILED)
        return kube_exit_reached(exit) ? NULL : exit->message;
    return err && error_is_bad_moment(err) ? err->text : NULL;
}

/* Return: whether the method tries again. After a cut, whoever takes it up does. */
static bool try_unreached_again(struct session *session, const struct kube_exit *exit,
                                const struct error *err)
{
    const char *why = why_unreached(exit, err);

    if (!why || session->state != SESSION_STARTING || session->resumed ||
        !session->method->unreached || !session->method->unreached(session))
        return false;
    if (session->unreached)
        log_debug("not yet: %s", why);
    else
        log_info("%s cannot be reached yet (%s): trying again", session->where, why);
    session->unreached = true;
    return true;
}

/* All that was recorded has been written: it had to end, as if it were asked to. */
static void end_recorded(struct session *session)
{
    if (session->state == SESSION_STARTING) /* there was nothing */
        session_running(session);
    session->asked = true;
    session_end(session, NULL);
}

void session_closed(struct session *session, const struct kube_exit *exit, const struct error *err)
{
    struct error explained = {0};
    bool lost = !exit || exit->kind == KUBE_EXIT_LOST;

    if (session->state == SESSION_ENDED)
        return;
    if (session->complaint.length > 0)
        session_complaint(session, (const unsigned char *)"\n", 1);
    note_exec(session, exit);
    if (try_unreached_again(session, exit, err))
        return;
    if (!lost && exit->kind == KUBE_EXIT_CODE && exit->code == 0 && session->method->recorded) {
        end_recorded(session);
        return;
    }
    if (!lost && exit->kind == KUBE_EXIT_CODE && exit->code == 0 &&
        session->state != SESSION_STARTING) {
        if (session->state == SESSION_RUNNING && !session->settings->tcpdump_path) {
            session->cut = true;
            if (session->farewell)
                error_set(&explained, ERROR_NETWORK, "%s", session->farewell);
            else
                error_set(&explained, ERROR_NETWORK,
                          "the agent in %s was told to end, but not by us", session->where);
        }
        session_end(session, explained.kind != ERROR_NONE ? &explained : NULL);
        return;
    }
    if (!lost && session->state == SESSION_STARTING && session->method->again &&
        session->method->again(session, exit))
        return;
    if (!lost)
        explain_exit(session, exit, &explained);
    if (session->state == SESSION_STOPPING) {
        /* As asked, if not as hoped: what is missing is counted. */
        cut_short(session, !lost ? explained.text : err ? err->text : "the stream ended");
        session_end(session, NULL);
    } else if (lost && err && error_is_refusal(err)) {
        session_refused(session, err);
    } else if (lost) {
        session->cut = true;
        session_end(session, err);
    } else {
        session_end(session, &explained);
    }
}
