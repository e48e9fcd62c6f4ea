/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helpers of a run, and who uses them: one serves all targets of a node that are to be captured
 * in the same way and in the same namespace. Each user runs an agent of its own in it.
 *
 * A user asks for a helper, and is told when one runs. Those that ask meanwhile wait for the same.
 * Where an image cannot be started, or more privilege is needed, another helper is made; whose
 * agent runs in the one before goes on there. A helper is removed when its last user has left it.
 */
#ifndef KSNIFF_METHOD_HELPER_PODS_H
#define KSNIFF_METHOD_HELPER_PODS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct helper_group;
struct helper_pod;
struct helper_pods;
struct kube_client;
struct settings;
struct target;

/*
 * helper_pods_new - none is made
 * @settings: of the run; must outlive it, as @client must
 * @room: targets that may come to each node later on
 *
 * Return: NULL when out of memory.
 */
struct helper_pods *helper_pods_new(struct kube_client *client, const struct settings *settings,
                                    size_t room);

/* helper_pods_expect - a target that may want a helper: what one is allowed depends on how many it
 * will serve, and cannot be changed later. Once for each target; of those that come to a node when
 * the first has joined, as many as there is room for share its helper. */
void helper_pods_expect(struct helper_pods *pods, const struct target *target);

/* helper_pods_settle - wait until all that nobody uses is removed, seconds at most. Not from within
 * an event. */
void helper_pods_settle(struct helper_pods *pods);

/* helper_pods_free - settles too; nobody uses one any more. NULL is allowed. */
void helper_pods_free(struct helper_pods *pods);

/* helper_pods_users - all that there are. */
size_t helper_pods_users(const struct helper_pods *pods);

enum helper_failure {
    HELPER_FAILED,  /* there will be none */
    HELPER_REFUSED, /* by whoever refuses the exec into it */
    HELPER_LOST,    /* somebody has deleted it */
};

struct helper_work;

/* All are events of the loop, or come from within what the user calls. */
struct helper_user_events {
    /* user->pod runs: run the agent in it. */
    void (*ready)(void *data);
    /* What it waits for. @why: raw text of the server */
    void (*waits)(void *data, const char *why);
    void (*failed)(void *data, enum helper_failure how, const struct error *err);
    /* user->pod is about to end: so should the agent, before. */
    void (*ends)(void *data, const char *why);
    /*
     * Of a user that is alone: what the helper that is about to be made is to do in the place of
     * `hold`. user->ring and user->despite_shell hold for it. Return: borrowed until the next call;
     * NULL with the error.
     */
    const struct helper_work *(*work)(void *data, struct error *err);
};

/* Starts with zeros, events and data. Read only; stays where it is. */
struct helper_user {
    const struct helper_user_events *events;
    void *data;
    bool aside;             /* its agent has no ring, and needs no room */
    size_t alone;           /* the helper is its alone, works for it, and has so many rings; 0: an
                               agent is run in it, beside others' */
    struct helper_pod *pod; /* that its agent runs in; NULL: it waits for one */
    bool despite_shell;     /* the agent is to run even where the helper has a shell */
    uint64_t ring;          /* bytes that its ring may have, where the user has not chosen */
    bool waits;
    const struct target *target;
    struct helper_group *group; /* NULL: it has left */
    struct helper_user *next;
};

/* helper_pods_join - ask for a helper. @target: must outlive the user. @err: out of memory. */
int helper_pods_join(struct helper_pods *pods, struct helper_user *user,
                     const struct target *target, struct error *err);

/* helper_user_wait - ask for one again, that is known to run: its own, or another.
 * @cut: after a cut: the server may be away */
void helper_user_wait(struct helper_user *user, bool cut);

/* helper_user_shares - is its agent one of many in the helper, which take one exec (relay.h)? Holds
 * when the helper is ready. */
bool helper_user_shares(const struct helper_user *user);

/* helper_user_may_have_more - is there a helper with more privilege, or can one be made? */
bool helper_user_may_have_more(const struct helper_user *user);
/* helper_user_needs_more - the agent may not get in from its helper: it waits for such a one. @why:
 * the agent's words */
void helper_user_needs_more(struct helper_user *user, const char *why);

/* helper_user_saw_shell - the agent has seen a shell beside it, and has ended therefore: it waits
 * for a helper without one, or for a word that there is none. @why: its words */
void helper_user_saw_shell(struct helper_user *user, const char *why);

/* helper_user_leave - it needs none any more. Again: changes nothing. */
void helper_user_leave(struct helper_user *user);

/* helper_user_part - the same of one that is alone and whose helper is ready; but that stays, and
 * goes on. */
void helper_user_part(struct helper_user *user);

#endif
