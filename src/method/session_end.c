/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "common/agent.h"
#include "kube/stream.h"
#include "method/method.h"
#include "method/session.h"
#include "settings/settings.h"
#include "target/target.h"

/* ---- what its exit codes mean ---- */

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

/* ---- refused, or not reached ---- */

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

/* ---- closed ---- */

/* All that was recorded has been written: it had to end, as if it were asked to. */
static void end_recorded(struct session *session)
{
    if (session->state == SESSION_STARTING) /* there was nothing */
        session_running(session);
    session->asked = true;
    session_end(session, NULL);
}

/* An API server that loses the kubelet of a WebSocket calls that a success.
 * Source: https://github.com/kubernetes/kubectl/issues/1726 */
static void say_half(const struct session *session, struct error *err)
{
    error_set(err, ERROR_NETWORK, "the stream from %s has ended before its end had come",
              session->where);
}

/* The agent has ended in order: as asked, or as somebody else wanted it. */
static void end_in_order(struct session *session)
{
    struct error err;

    if (session->state != SESSION_RUNNING || session->settings->tcpdump_path) {
        session_end(session, NULL);
        return;
    }
    session->cut = true;
    if (session->farewell)
        error_set(&err, ERROR_NETWORK, "%s", session->farewell);
    else if (account_is_whole(&session->account))
        error_set(&err, ERROR_NETWORK, "the agent in %s was told to end, but not by us",
                  session->where);
    else
        say_half(session, &err);
    session_end(session, &err);
}

/* The stream has ended without what had run behind it. @err: NULL: it is not known why */
static void end_lost(struct session *session, const struct error *err)
{
    if (session->state == SESSION_STOPPING) {
        session_cut_short(session, err ? err->text : "the stream ended");
        session_end(session, NULL);
    } else if (err && error_is_refusal(err)) {
        session_refused(session, err);
    } else {
        session->cut = true;
        session_end(session, err);
    }
}

static void end_half(struct session *session)
{
    struct error err;

    say_half(session, &err);
    end_lost(session, &err);
}

static void end_failed(struct session *session, const struct kube_exit *exit)
{
    struct error explained = {0};

    explain_exit(session, exit, &explained);
    /* As asked, if not as hoped: what is missing is counted. */
    if (session->state == SESSION_STOPPING)
        session_cut_short(session, explained.text);
    session_end(session, session->state == SESSION_STOPPING ? NULL : &explained);
}

void session_closed(struct session *session, const struct kube_exit *exit, const struct error *err)
{
    bool lost = !exit || exit->kind == KUBE_EXIT_LOST;
    bool success = !lost && exit->kind == KUBE_EXIT_CODE && exit->code == 0;
    bool starting = session->state == SESSION_STARTING;

    if (session->state == SESSION_ENDED)
        return;
    if (session->complaint.length > 0)
        session_complaint(session, (const unsigned char *)"\n", 1);
    note_exec(session, exit);
    if (try_unreached_again(session, exit, err))
        return;
    if (success && session->method->recorded && !account_is_whole(&session->account))
        end_half(session);
    else if (success && session->method->recorded)
        end_recorded(session);
    else if (success && !starting)
        end_in_order(session);
    else if (!lost && starting && session->method->again && session->method->again(session, exit))
        return;
    else if (success && starting && session->resumed)
        end_half(session);
    else if (lost)
        end_lost(session, err);
    else
        end_failed(session, exit);
}
