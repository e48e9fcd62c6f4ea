/* SPDX-License-Identifier: Apache-2.0 */
#include "method/agent_exec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/text.h"
#include "method/command.h"
#include "method/relay.h"
#include "method/session.h"
#include "settings/filter.h"
#include "settings/settings.h"
#include "common/agent.h"
#include "kube/stream.h"

#define START_MS 20000 /* from the exec's beginning to the first byte of the capture */
#define MORE_MAX (2 * AGENT_TARGETS_MAX + 8)

int agent_exec_open(struct session *session, const char *const *command,
                    const struct kube_stream_events *events, struct error *err)
{
    const struct kube_exec exec = {
        .namespace = session->place.namespace,
        .pod = session->place.pod,
        .container = session->place.container,
        .command = command,
    };

    if (session->shares)
        session->stream.channel =
            relay_open(session->relays, &exec, session->first_line, events, session, err);
    else
        session->stream.exec = kube_stream_open(session->client, &exec, events, session, err);
    return agent_stream_is_there(&session->stream) ? 0 : -1;
}

static void on_opened(void *data)
{
    struct session *session = data;

    if (session->first_line)
        agent_stream_send(&session->stream, session->first_line, strlen(session->first_line));
    session_stage(session, "the start of the agent", START_MS);
}

static void on_output(void *data, enum kube_channel channel, const unsigned char *bytes,
                      size_t length)
{
    struct session *session = data;

    if (session->state == SESSION_ENDED || length == 0)
        return;
    if (channel == KUBE_CHANNEL_STDERR) {
        session_complaint(session, bytes, length);
        return;
    }
    if (!session->reader)
        session_running(session);
    session_packets(session, bytes, length);
}

static void on_closed(void *data, const struct kube_exit *exit, const struct error *err)
{
    session_closed(data, exit, err);
}

int agent_exec_start(struct session *session, const char *path, const char *const *more,
                     uint64_t memory_limit, struct error *err)
{
    static const struct kube_stream_events events = {
        .opened = on_opened, .output = on_output, .closed = on_closed};
    const char *words[COMMAND_MAX + MORE_MAX + 2];
    struct command agent;
    size_t used = 0;

    if (command_build(&agent, session->settings, memory_limit, err) < 0)
        return -1;
    words[used++] = path;
    for (size_t i = 0; i < agent.count; i++)
        words[used++] = agent.words[i];
    for (size_t i = 0; more && more[i] && i < MORE_MAX; i++)
        words[used++] = more[i];
    words[used] = NULL;
    session_stage(session, "the start of the agent", START_MS);
    int result = agent_exec_open(session, words, &events, err);
    command_free(&agent);
    return result;
}

void agent_exec_stop(struct session *session)
{
    static const char end[] = {AGENT_STOP, AGENT_HEARTBEAT};

    /* Its standard input stays open: its end would tell the agent that nobody waits any more. */
    agent_stream_send(&session->stream, end, sizeof(end));
}

void agent_exec_heartbeat(struct session *session)
{
    char beat[2 + AGENT_CLOCK_DIGITS + 1] = {AGENT_HEARTBEAT};

    /* tcpdump knows no question; the script that waits for it reads lines. */
    if (!session->settings->tcpdump_path)
        snprintf(beat, sizeof(beat), "%c%" PRIu32 "\n", AGENT_CLOCK,
                 clock_asked(&session->clock, loop_time()));
    agent_stream_send(&session->stream, beat, strlen(beat));
}

void agent_exec_refilter(struct session *session)
{
    const struct filter *filter = &session->settings->filter;
    cleanup_free char *program = filter->program ? filter_encode(filter) : NULL;
    cleanup_free char *line = text_format("%c%s%s:%s\n", AGENT_FILTER, filter->vlan ? "V" : "",
                                          filter->ethernet_only ? "E" : "", program ? program : "");

    /* Without memory for it the present one stays. */
    if (!line || (filter->program && !program))
        return;
    session->unanswered++;
    agent_stream_send(&session->stream, line, strlen(line));
}
