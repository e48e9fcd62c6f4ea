/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/member_parts.h"

#include <stdlib.h>

#include "base/log.h"
#include "capture/choice.h"
#include "capture/keylog.h"
#include "method/method.h"
#include "method/own_traffic.h"
#include "method/session.h"
#include "recording/fetch.h"

/* Of several nodes' clocks it is said at the interfaces how they differ, and from the first packet
 * on they are corrected. */
static bool waits_for_clocks(const struct member *member)
{
    return member->several && member->settings.clock_sync && !member->settings.tcpdump_path;
}

static bool try_method(struct member *member, const struct method *method)
{
    struct error err = {0};

    member->method = method;
    member->state = MEMBER_TRYING;
    member->backoff = BACKOFF_FIRST_MS;
    member->session = session_start(member->env, method, member->target, &member->settings,
                                    member_take_item, member, &err);
    if (member->session) {
        if (waits_for_clocks(member))
            session_hold(member->session);
        return true;
    }
    if (member->choice)
        choice_failed(member->choice, NULL, &err);
    member_end(member, &err);
    return true;
}

/* On the node's own interfaces the stream would be captured, and that again. */
static int keep_own_traffic_out(struct member *member, struct error *err)
{
    struct settings *settings = &member->settings;

    if (!member->target->host_network || settings->own_traffic || member->filter_text)
        return 0;
    const char *asked = settings->filter_text;
    member->filter_text = own_traffic_filter(member->facts, member->target, asked);
    if (!member->filter_text)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (filter_compile(member->filter_text, settings->snaplen, &member->filter, err) < 0)
        return -1;
    member->track.share.filter = settings->filter_text = member->filter_text;
    settings->filter = member->filter;
    settings->asked_filter = asked;
    settings->leave_own_out = true;
    if (member->again)
        return 0;
    log_info("%s%sthe interfaces are the node's own: this capture's stream is left out by the "
             "filter '%s' (--include-own-traffic keeps it)",
             WHO(member), member->filter_text);
    return 0;
}

/* Its secrets are to be in front of its packets: so it is followed before these are captured. */
static bool awaits_keylog(struct member *member, const struct method *method)
{
    const struct target *target = member->target;
    const struct keylog_of of = {.env = member->env,
                                 .settings = &member->settings,
                                 .target = target,
                                 .method = method,
                                 .recorder = member->track.recorder,
                                 .share = &member->track.share,
                                 .who = member->who};
    struct error err;

    if (member->settings.keylog && !member->keylog && target->pod) {
        member->keylog = keylog_start(&of, &err);
        if (!member->keylog)
            log_warning("%s%s", member->who, err.text);
    }
    return keylog_is_awaited(member->keylog);
}

/* It is known by now. */
static bool use_method(struct member *member, const struct method *method)
{
    member->method = method;
    member->found = awaits_keylog(member, method);
    return member->found ? false : try_method(member, method);
}

int member_refilter(struct member *member, const char *text, const struct filter *filter,
                    struct error *err)
{
    struct settings *settings = &member->settings;
    struct filter own = {0};
    char *own_text = NULL;

    if (member->filter_text) {
        /* Whatever comes of it: the one before does not live on. */
        settings->asked_filter = text;
        own_text = own_traffic_filter(member->facts, member->target, text);
        if (!own_text)
            return error_set(err, ERROR_INTERNAL, "out of memory");
        if (filter_compile(own_text, settings->snaplen, &own, err) < 0) {
            free(own_text);
            return -1;
        }
        filter_free(&member->filter);
        free(member->filter_text);
        member->filter = own;
        member->filter_text = own_text;
    }
    settings->filter = own_text ? own : *filter;
    settings->filter_text = own_text ? own_text : text;
    member->track.share.filter = settings->filter_text;
    if (member->session)
        session_refilter(member->session);
    return 0;
}

bool member_step_choosing(struct member *member)
{
    const struct method *method = member->method;
    struct error err = {0};

    if (member->stopping) {
        member_end(member, NULL);
        return true;
    }
    if (member->target->keeper)
        return try_method(member, &method_recording);
    if (member->works || member->found)
        return use_method(member, method);
    if (!member->choice)
        member->choice =
            choice_new(member->facts, &member->settings, member->target, member->several);
    if (member->choice)
        member->choice->again = member->again;
    enum choice_answer answer =
        member->choice ? choice_next(member->choice, &method, &err) : CHOICE_NONE;
    if (answer == CHOICE_ASKING)
        return false;
    if (!member->choice)
        error_set(&err, ERROR_INTERNAL, "out of memory");
    if (answer == CHOICE_FOUND && keep_own_traffic_out(member, &err) == 0)
        return use_method(member, method);
    member_end(member, &err);
    return true;
}

/* The agent has ended before it captured. */
bool member_step_failed(struct member *member)
{
    struct session *session = member->session;
    struct error err = session->error;

    if (err.kind == ERROR_NONE || member->stopping) {
        member_end(member, err.kind == ERROR_NONE ? NULL : &err);
    } else if (!member->choice || !choice_failed(member->choice, session, &err)) {
        member_end(member, &err);
    } else {
        drain_end(&member->drain);
        member->session = NULL;
        session_free(session);
        member->found = false;
        member->state = MEMBER_CHOOSING;
    }
    return true;
}
