/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/run.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/rate.h"
#include "base/text.h"
#include "method/method.h"
#include "method/sweep.h"
#include "capture/drain.h"
#include "method/own_traffic.h"
#include "kube/patience.h"
#include "method/helper_pods.h"
#include "method/preflight.h"
#include "capture/recorder.h"
#include "method/report.h"
#include "method/session.h"
#include "settings/settings.h"
#include "target/find.h"
#include "target/target.h"
#include "kube/client.h"
#include "kube/node.h"
#include "sink/sink.h"

#define STATUS_MS        250
#define BACKOFF_FIRST_MS 500
#define BACKOFF_MOST_MS  30000
#define STEADY_MS        10000 /* a capture that ran for so long begins with the first wait again */

struct capture {
    struct loop *loop;
    struct kube_client *client;
    struct settings settings;
    struct target target;
    struct facts *facts;
    struct helper_pods *helpers;
    struct session *session;
    struct recorder recorder;
    struct sweep *sweep; /* of what earlier clients left */
    bool sweep_due;

    char *filter_text;    /* owned: the user's filter, and what keeps our own stream out */
    struct filter filter; /* owned: the same */

    bool stopping;    /* the user or a limit has ended it */
    bool interrupted; /* the user has */
    bool again;       /* it is not the first into this sink */
    struct drain drain;

    bool cut;     /* the agent is lost, and another is not there yet */
    bool planned; /* the time of the next try is set */
    bool due;     /* and has come */
    bool gone;    /* there is no use in trying */
    unsigned cuts;
    unsigned backoff; /* milliseconds, of the next wait */
    uint64_t resumed; /* loop_now() */
    uint64_t refused; /* for patience_doubts() */
    uint64_t until;   /* ns since 1970: nothing is missing before the gap up to here */
    bool gap_open;    /* how long it is is not known yet */
    char why[300];
    struct loop_timer *retry;
    struct target_question *question; /* is the target still there? */
    bool answered, running;           /* the answer: its container's state, or the error */
    struct error answer;

    size_t refusals;      /* methods whose exec was refused, and not for want of a right */
    struct error refusal; /* the first */

    bool show_status;
    struct loop_timer *status_timer;
    struct rate rate; /* of bytes */
    struct loop_timer *duration;
};

/* ---- the end, as asked ---- */

/* What was captured is still to come. Again: changes nothing. */
static void await_end(struct capture *capture)
{
    drain_begin(&capture->drain, capture->loop, capture->session, &capture->recorder,
                capture->settings.drain_timeout);
}

static void stop(void *data)
{
    struct capture *capture = data;

    capture->stopping = true;
    if (!capture->session)
        return;
    session_stop(capture->session, true);
    await_end(capture);
}

/* A limit is reached, or nobody reads any more: what is still to come is not wanted. */
static void stop_at_once(void *data)
{
    struct capture *capture = data;

    capture->stopping = true;
    if (capture->session)
        session_stop(capture->session, false);
}

static void on_duration(void *data)
{
    struct capture *capture = data;

    capture->recorder.limit = "--duration";
    stop(capture);
}

static void cut_short(void *data)
{
    struct capture *capture = data;

    capture->stopping = true;
    if (capture->session)
        session_cut(capture->session);
}

/* ---- what is written ---- */

/* The section's comment: everything that somebody needs who finds the file years later. */
static char *describe(const struct capture *capture, const struct method *method)
{
    const struct kube_config *config = kube_client_config(capture->client);
    const struct target *target = &capture->target;
    const struct settings *settings = &capture->settings;
    cleanup_free char *of_pod =
        target->pod ? text_format("namespace: %s\npod: %s\ncontainer: %s\n", target->namespace,
                                  target->name, target->container->name)
                    : strdup("");

    return text_format(
        "context: %s\n%snode: %s\nmethod: %s\nfilter: %s\n"
        "versions: kubectl-sniff %s, %s",
        config->context ? config->context : config->server, of_pod ? of_pod : "", target->node_name,
        method->name, settings->filter_text ? settings->filter_text : "none", KSNIFF_VERSION,
        settings->tcpdump_path ? settings->tcpdump_path : "ksniff-agent " KSNIFF_VERSION);
}

static void on_started(void *data)
{
    struct capture *capture = data;

    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    capture->until = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    if (capture->settings.duration)
        capture->duration =
            loop_add_timer(capture->loop, capture->settings.duration, on_duration, capture);
    if (loop_ignores(SIGINT))
        log_info("capturing; SIGTERM or a limit ends it (SIGINT is ignored in a background job)");
    else
        log_info("capturing; Ctrl-C ends it");
    /* Not here: a request may step the loop, and this is an event of the stream. */
    capture->sweep_due = !capture->again;
}

/* The new agent's first item after a cut. */
static void on_resumed(struct capture *capture)
{
    capture->cut = false;
    capture->gap_open = true;
    capture->resumed = loop_now();
    recorder_follow(&capture->recorder);
}

/* Its first one with a time. By the clock of the packets: ours may have stood still meanwhile. */
static void on_gap(struct capture *capture, uint64_t timestamp)
{
    uint64_t gap = timestamp > capture->until ? (timestamp - capture->until) / 1000000 : 0;

    capture->gap_open = false;
    log_info("capturing again, after %" PRIu64 ".%" PRIu64 " s", gap / 1000, gap % 1000 / 100);
    recorder_gap(&capture->recorder, gap, capture->why);
}

static bool on_item(void *data, enum capture_item_kind kind, const struct capture_item *item)
{
    struct capture *capture = data;

    if (capture->cut)
        on_resumed(capture);
    if (capture->gap_open && kind == CAPTURE_PACKET)
        on_gap(capture, item->packet.timestamp);
    else if (capture->gap_open && kind == CAPTURE_STATISTICS)
        on_gap(capture, item->statistics.timestamp);
    return recorder_item(&capture->recorder, kind, item);
}

/* ---- what the user sees ---- */

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void on_status(void *data)
{
    struct capture *capture = data;
    const struct recorder *recorder = &capture->recorder;
    char bytes[32], rate[32], to_come[80], line[300];

    text_format_bytes(bytes, sizeof(bytes), recorder->bytes);
    text_format_bytes(rate, sizeof(rate), rate_add(&capture->rate, loop_now(), recorder->bytes));
    drain_status(&capture->drain, to_come, sizeof(to_come));
    snprintf(line, sizeof(line), "%s%" PRIu64 " packet%s, %s, %s/s, %" PRIu64 " dropped%s%s",
             capture->cut ? "cut off, taking it up again; " : "", recorder->packets,
             plural(recorder->packets), bytes, rate, recorder_dropped(recorder),
             *to_come ? "; " : "", to_come);
    if (recorder->begun && capture->session)
        log_status(line);
    loop_set_timer(capture->status_timer, STATUS_MS);
}

static void sum_up(const struct capture *capture)
{
    const struct recorder *recorder = &capture->recorder;
    const char *output = recorder->sink->output;
    bool piped = output && strcmp(output, "-") == 0;
    char bytes[32], packets[64] = "";
    uint64_t lost = recorder_dropped(recorder);

    if (!recorder->begun)
        return;
    if (recorder->limit)
        log_info("%s is reached", recorder->limit);
    else if (recorder->sink_ended && output && !recorder->sink->interrupted)
        log_info("the reader of %s%s%s has ended", piped ? "" : "'",
                 piped ? recorder->sink->kind->name : output, piped ? "" : "'");
    if (capture->drain.lossy)
        loss_text(&capture->drain.loss, packets, sizeof(packets));
    uint64_t captured = recorder->packets - capture->drain.loss.unwritten;
    log_info("%" PRIu64 " packet%s captured, %s, %" PRIu64 " dropped%s%s%s%s%s%s", captured,
             plural(captured), text_format_bytes(bytes, sizeof(bytes), recorder->bytes), lost,
             *packets ? ", " : "", packets, *packets ? " lost on the way" : "",
             piped    ? ", written to standard output"
             : output ? ", written to '"
                      : "",
             output && !piped ? output : "", output && !piped ? "'" : "");
    if (recorder->left_out)
        log_warning("%" PRIu64 " packets of another link type were left out: a pcap file holds one",
                    recorder->left_out);
    if (lost)
        log_warning("%" PRIu64 " packet%s dropped before the agent could take %s: raise "
                    "--buffer-size, or narrow the capture with -f or --snaplen",
                    lost, lost == 1 ? " was" : "s were", lost == 1 ? "it" : "them");
    /* The last is none, if nothing could follow it. */
    unsigned cuts = capture->cuts - (capture->cut && !capture->stopping);
    if (cuts)
        log_warning("the capture was cut %u time%s: what passed meanwhile is missing", cuts,
                    cuts > 1 ? "s" : "");
}

/* ---- taking up a cut capture ---- */

static bool may_resume(struct capture *capture)
{
    const struct session *session = capture->session;
    bool doubtful = patience_doubts(&capture->refused, &session->error) && capture->cut;

    return capture->recorder.begun && capture->settings.reconnect && (session->cut || doubtful) &&
           session->error.kind != ERROR_NONE && !capture->stopping && !capture->gone;
}

static void on_retry(void *data)
{
    struct capture *capture = data;

    capture->due = true;
}

static void plan_retry(struct capture *capture)
{
    const struct error *error = &capture->session->error;

    if (!capture->cut) {
        capture->cut = true;
        capture->cuts++;
        /* A gap that no packet has followed yet grows. */
        if (!capture->gap_open && !capture->recorder.gap[0] && capture->session->account.latest)
            capture->until = capture->session->account.latest;
        if (!capture->resumed || loop_now() - capture->resumed > STEADY_MS)
            capture->backoff = BACKOFF_FIRST_MS;
        snprintf(capture->why, sizeof(capture->why), "%.299s", error->text);
        log_warning("%s: taking it up again", error->text);
    } else {
        log_debug("not yet: %s", error->text);
    }
    session_hang_up(capture->session);
    capture->planned = true;
    capture->due = false;
    loop_set_timer(capture->retry, capture->backoff);
    capture->backoff =
        2 * capture->backoff < BACKOFF_MOST_MS ? 2 * capture->backoff : BACKOFF_MOST_MS;
}

static void on_answer(void *data, bool running, const struct error *err)
{
    struct capture *capture = data;

    capture->question = NULL;
    capture->answered = true;
    capture->running = running;
    capture->answer = err ? *err : (struct error){0};
}

static void ask_for_target(struct capture *capture)
{
    struct error err;

    capture->due = false;
    capture->question = target_ask(capture->client, &capture->target, on_answer, capture, &err);
    if (!capture->question)
        on_answer(capture, false, &err);
}

static void try_again(struct capture *capture)
{
    struct session *session = capture->session;
    const struct error *err = &capture->answer;

    capture->planned = capture->answered = false;
    if (err->kind != ERROR_NONE) {
        capture->gone = !error_is_passing(err) && !patience_doubts(&capture->refused, err);
        session->error = *err;
    } else if (!capture->running && session->method == &method_upload) {
        error_set(&session->error, ERROR_TARGET, "container \"%s\" of pod \"%s\" does not run",
                  capture->target.container->name, capture->target.name);
        session->cut = true;
    } else {
        session_resume(session); /* its end tells, at once or later */
    }
}

/* ---- the run ---- */

/*
 * The first interrupt ends the capture in order. The next one, or the first after the user was told
 * that it takes its time, gives up what is still to come; the one after that waits for nothing.
 */
static void on_interrupt(struct capture *capture)
{
    int number = loop_acknowledge(capture->loop);
    bool again = capture->interrupted || capture->drain.told;

    capture->recorder.sink->interrupted = number;
    capture->interrupted = true;
    if (capture->drain.given_up)
        session_cut(capture->session);
    else
        stop(capture);
    if (again)
        drain_give_up(&capture->drain, "a second interrupt has cut the end short");
}

/* Runs the loop until the agent has ended for good and the sink has everything. */
static void run(struct capture *capture)
{
    struct recorder *recorder = &capture->recorder;

    for (;;) {
        struct session *session = capture->session;

        if (loop_interrupted(capture->loop)) {
            /* A reader that takes nothing cannot hold up the third Ctrl-C. */
            if (capture->drain.given_up && session->state == SESSION_ENDED) {
                loop_acknowledge(capture->loop);
                return;
            }
            on_interrupt(capture);
            continue;
        }
        if (capture->sweep_due) {
            capture->sweep_due = false;
            capture->sweep = sweep_start(capture->client, &capture->settings);
        }
        /* Its method may have told it to. */
        if (session->reason.kind != ERROR_NONE)
            await_end(capture);
        recorder_flush(recorder);
        if (session->paused && recorder_has_room(recorder)) {
            session_pump(session);
            continue;
        }
        if (session->state == SESSION_ENDED && !session->paused) {
            bool flushed = recorder->out.length == 0 || !recorder->begun;

            if (!may_resume(capture) && !capture->drain.closed) {
                drain_close(&capture->drain, session, recorder);
                continue;
            }
            if (!may_resume(capture) && (flushed || drain_is_stuck(&capture->drain, recorder)))
                return;
            if (flushed && capture->due)
                ask_for_target(capture);
            if (flushed && capture->answered) {
                try_again(capture);
                continue;
            }
            if (flushed && !capture->planned)
                plan_retry(capture);
        }
        loop_step(capture->loop, capture->drain.given_up ? STATUS_MS : -1);
    }
}

static int judge(struct capture *capture, struct error *err)
{
    const struct error *error = &capture->session->error;

    if (capture->recorder.failure.kind != ERROR_NONE) {
        *err = capture->recorder.failure;
        return -1;
    }
    /* A cut that was being mended when it was ended as asked is none. */
    if (error->kind != ERROR_NONE && !capture->recorder.sink_ended &&
        !(capture->cut && capture->stopping)) {
        *err = *error;
        return -1;
    }
    const struct error *reason = &capture->session->reason;
    if (drain_judge(&capture->drain, &capture->recorder, err) < 0) {
        if (reason->kind != ERROR_NONE)
            log_warning("%s", reason->text);
        return -1;
    }
    if (reason->kind != ERROR_NONE) {
        *err = *reason;
        return -1;
    }
    if (capture->interrupted && !capture->recorder.begun)
        return error_set(err, ERROR_INTERRUPTED, "interrupted before the capture had begun");
    return 0;
}

/* ---- methods ---- */

/* What the methods that follow should know. */
static void learn_from_session(struct capture *capture)
{
    const struct session *session = capture->session;
    struct target *target = &capture->target;

    target->has_shell |= session->has_shell;
    target->exec_works |= session->exec_works;
    if (session->refused && capture->refusals++ == 0)
        capture->refusal = session->error;
    target->exec_refused = capture->refusals > 0;
}

static int finish_sink(struct capture *capture, int result, struct error *err)
{
    struct sink *sink = capture->recorder.sink;
    struct error later = {0};

    recorder_abandon(&capture->recorder);
    sink->failure = result < 0 ? err->text : NULL;
    int finished = sink_finish(sink, result < 0 ? &later : err);
    sink->failure = NULL;
    return finished < 0 ? -1 : result;
}

/* Everything as before the first capture, but for the target. */
static void start_over(struct capture *capture)
{
    log_info("another capture begins, as Wireshark wants it");
    loop_remove_timer(capture->duration);
    loop_stop_timer(capture->retry);
    capture->duration = NULL;
    capture->stopping = capture->interrupted = capture->cut = capture->planned = capture->due =
        capture->answered = capture->gone = capture->gap_open = false;
    capture->cuts = 0;
    capture->resumed = 0;
    capture->rate = (struct rate){0};
    capture->recorder.sink->interrupted = 0;
    capture->recorder.sink->again = false;
    recorder_reset(&capture->recorder);
}

/*
 * Captures once with one method.
 * @ret_elsewhere: it never began, and another method may do better
 */
static int run_once(struct capture *capture, const struct method *method, bool *ret_elsewhere,
                    struct error *err)
{
    struct recorder *recorder = &capture->recorder;
    cleanup_free char *comment = describe(capture, method);

    recorder->comment = comment;
    capture->drain = (struct drain){0};
    const struct session_env env = {.client = capture->client, .helpers = capture->helpers};
    capture->session =
        session_start(&env, method, &capture->target, &capture->settings, on_item, capture, err);
    if (!capture->session)
        return capture->again ? finish_sink(capture, -1, err) : -1;
    run(capture);
    log_status(NULL);
    int result = judge(capture, err);
    sum_up(capture);
    *ret_elsewhere = capture->session->elsewhere && !recorder->begun && !capture->interrupted;
    learn_from_session(capture);
    /* First what is in the cluster: Wireshark may stay open for days. */
    drain_end(&capture->drain);
    target_forget(capture->question);
    capture->question = NULL;
    session_free(capture->session);
    capture->session = NULL;
    helper_pods_settle(capture->helpers);
    if (recorder->begun || capture->again)
        result = finish_sink(capture, result, err);
    return result;
}

/* The same, as often as who reads the packets wants to begin again. */
static int run_session(struct capture *capture, const struct method *method, bool *ret_elsewhere,
                       struct error *err)
{
    int result = run_once(capture, method, ret_elsewhere, err);

    while (capture->recorder.sink->again) {
        start_over(capture);
        capture->again = true;
        result = run_once(capture, method, ret_elsewhere, err);
        *ret_elsewhere = false;
    }
    return result;
}

/* Why the methods that were passed over do not do, for one line. */
static void add_reason(char *reasons, size_t size, const char *method, const char *why)
{
    size_t used = strlen(reasons);

    snprintf(reasons + used, size - used, "%s%s: %.319s", used ? "; " : "", method, why);
}

static int nothing_left(struct capture *capture, const struct method_report *reports, size_t count,
                        struct error *err)
{
    const struct method_report *only = &reports[0];
    char whats[ERROR_TEXT_MAX] = "";

    if (!capture->settings.method) {
        report_print(stderr, reports, count);
        error_set(err, ERROR_TARGET, "no method can capture %s", capture->target.label);
        return error_remedy(err, "the table says what stands in the way, and who could change it");
    }
    for (size_t i = 0; i < only->count && i < 8; i++) {
        size_t used = strlen(whats);

        snprintf(whats + used, sizeof(whats) - used, "%s%s", i ? "; " : "",
                 only->obstacles[i].what);
    }
    error_set(err, ERROR_TARGET, "the %s method cannot capture %s: %s", only->name,
              capture->target.label, whats);
    return only->count
               ? error_remedy(err,
                              "who can change it: %s; without --method or -p the others are tried",
                              only->obstacles[0].who)
               : -1;
}

/* What a failed attempt tells of the methods that would follow. */
static void learn(struct capture *capture, struct preflight *preflight,
                  enum preflight_method method, struct error *err)
{
    const struct error said = *err;
    const struct kube_node *node;

    if (err->kind == ERROR_FORBIDDEN && strstr(err->remedy, " pods/exec"))
        preflight_refuse_exec(preflight, method);
    if (err->kind != ERROR_SERVER)
        return;
    struct error interrupted;
    preflight_gather_node(preflight, &interrupted);
    node = capture->target.node;
    if (node && node->virtual)
        error_set(err, ERROR_TARGET, "%s runs on a virtual kubelet, node \"%s\": %s",
                  capture->target.label, node->name, said.text);
    if (node && strcmp(node->os, "windows") == 0)
        error_set(err, ERROR_TARGET,
                  "%s runs on node \"%s\", which runs Windows and has no AF_PACKET",
                  capture->target.label, node->name);
}

/* On the node's own interfaces the stream would be captured, and that again. */
static int keep_own_traffic_out(struct capture *capture, struct error *err)
{
    struct settings *settings = &capture->settings;

    if (!capture->target.host_network || settings->own_traffic || capture->filter_text)
        return 0;
    const char *asked = settings->filter_text;
    capture->filter_text = own_traffic_filter(capture->facts, &capture->target, asked);
    if (!capture->filter_text)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (filter_compile(capture->filter_text, settings->snaplen, &capture->filter, err) < 0)
        return -1;
    settings->filter_text = capture->filter_text;
    settings->filter = capture->filter;
    settings->asked_filter = asked;
    settings->leave_own_out = true;
    log_info("the interfaces are the node's own: this capture's stream is left out by the filter "
             "'%s' (--include-own-traffic keeps it)",
             capture->filter_text);
    return 0;
}

static int run_methods(struct capture *capture, struct preflight *preflight, struct error *err)
{
    struct method_report reports[METHOD_COUNT] = {0};
    size_t count = 0;
    char reasons[1100] = "";

    for (int at = 0; at < METHOD_COUNT; at++) {
        const struct method *method = method_find(preflight_method_name(at));
        struct method_report *report = &reports[count];
        bool elsewhere = false;

        if (capture->settings.method && capture->settings.method != method)
            continue;
        if (preflight_gather(preflight, at, err) < 0 || keep_own_traffic_out(capture, err) < 0)
            return -1;
        count++;
        report->name = method->name;
        report->verdict =
            preflight_judge(preflight, at, report->obstacles, REPORT_OBSTACLES_MAX, &report->count);
        if (report->verdict == PREFLIGHT_IMPOSSIBLE) {
            add_reason(reasons, sizeof(reasons), method->name, report->obstacles[0].what);
            continue;
        }
        if (*reasons)
            log_info("using the %s method (%s)", method->name, reasons);
        capture->target.may_ask_for_capabilities = preflight_may_add_capabilities(preflight);
        int result = run_session(capture, method, &elsewhere, err);
        if (result < 0 && !capture->recorder.begun)
            learn(capture, preflight, (enum preflight_method)at, err);
        if (result == 0 || !elsewhere || capture->settings.method)
            return result;
        report_add_failure(report, err);
        add_reason(reasons, sizeof(reasons), method->name, err->text);
        /* Here and elsewhere: who refuses it refuses every exec. */
        if (capture->refusals > 1)
            break;
    }
    if (capture->refusals > 1 && capture->refusals == count) {
        *err = capture->refusal;
        return -1;
    }
    return nothing_left(capture, reports, count, err);
}

/* ---- start ---- */

/* One at a time. */
static int resolve(struct kube_client *client, const struct settings *settings,
                   struct target *ret_target, struct error *err)
{
    struct target_set set;
    int result = targets_find(client, settings, &set, err);

    if (result < 0)
        return -1;
    if (set.count == 1) {
        *ret_target = *set.targets[0];
        *set.targets[0] = (struct target){0};
    } else {
        error_set(err, ERROR_TARGET, "%zu targets are found, and one is captured at a time",
                  set.count);
        result = -1;
    }
    target_set_free(&set);
    return result;
}

static int run_target(struct capture *capture, struct error *err)
{
    const struct target *target = &capture->target;
    struct recorder *recorder = &capture->recorder;
    cleanup_free char *prefix =
        text_format("%s/%s", target->pod ? target->namespace : "node", target->name);
    cleanup_free char *title =
        text_format("%s%s%s", prefix ? prefix : "", target->container ? "/" : "",
                    target->container ? target->container->name : "");
    struct preflight preflight = {
        .facts = capture->facts, .settings = &capture->settings, .target = &capture->target};
    int result;

    if (!prefix || !title)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    recorder->prefix = prefix;
    recorder->title = title;
    recorder->subject = target->name;
    if (target->container)
        log_info("selected container: '%s'", target->container->name);
    capture->retry = loop_add_timer(capture->loop, 0, on_retry, capture);
    if (!capture->retry)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    loop_stop_timer(capture->retry);
    if (capture->show_status)
        capture->status_timer = loop_add_timer(capture->loop, STATUS_MS, on_status, capture);
    result = run_methods(capture, &preflight, err);
    sweep_end(capture->sweep);
    loop_remove_timer(capture->status_timer);
    loop_remove_timer(capture->duration);
    loop_remove_timer(capture->retry);
    return result;
}

int capture_run(struct kube_client *client, const struct settings *settings, struct sink *sink,
                bool status, struct error *err)
{
    struct capture capture = {
        .loop = kube_client_loop(client),
        .client = client,
        .settings = *settings,
        .show_status = status,
        .backoff = BACKOFF_FIRST_MS,
        .recorder = {.sink = sink,
                     .started = on_started,
                     .enough = stop_at_once,
                     .failed = cut_short},
    };

    capture.recorder.settings = &capture.settings;
    capture.recorder.data = &capture;
    sink->loop = capture.loop;
    recorder_init(&capture.recorder);
    capture.facts = facts_new(client);
    capture.helpers = helper_pods_new(client, settings, 0);
    int result = capture.facts && capture.helpers ? resolve(client, settings, &capture.target, err)
                                                  : error_set(err, ERROR_INTERNAL, "out of memory");
    if (result == 0)
        result = run_target(&capture, err);
    helper_pods_free(capture.helpers);
    target_free(&capture.target);
    facts_free(capture.facts);
    recorder_free(&capture.recorder);
    filter_free(&capture.filter);
    free(capture.filter_text);
    return result;
}

/* Judges each method that is not ruled out by the settings. Return: how many, or -1. */
static int judge_methods(struct preflight *preflight, struct method_report *reports,
                         struct error *err)
{
    const struct method *only = preflight->settings->method;
    int count = 0;

    for (int method = 0; method < METHOD_COUNT; method++) {
        struct method_report *report = &reports[count];

        report->name = preflight_method_name(method);
        if (only && only != method_find(report->name))
            continue;
        if (preflight_gather(preflight, method, err) < 0)
            return -1;
        report->verdict = preflight_judge(preflight, method, report->obstacles,
                                          REPORT_OBSTACLES_MAX, &report->count);
        count++;
    }
    return count;
}

int capture_check(struct kube_client *client, const struct settings *settings, bool json,
                  struct error *err)
{
    struct method_report reports[METHOD_COUNT] = {0};
    struct target target;
    struct facts *facts = facts_new(client);
    struct preflight preflight = {.facts = facts, .settings = settings, .target = &target};

    if (!facts)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (resolve(client, settings, &target, err) < 0) {
        if (json && err->kind != ERROR_INTERRUPTED)
            report_print_json_refusal(stdout, settings, err);
        facts_free(facts);
        return -1;
    }
    /* All at once here: nobody waits for the first packet. */
    int count = preflight_gather_node(&preflight, err);
    if (count == 0)
        count = judge_methods(&preflight, reports, err);
    if (count >= 0 && json)
        report_print_json(stdout, &target, reports, (size_t)count);
    else if (count >= 0)
        report_print(stdout, reports, (size_t)count);
    target_free(&target);
    facts_free(facts);
    return count < 0 ? -1 : report_works(reports, (size_t)count) ? 0 : 1;
}
