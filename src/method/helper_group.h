/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helpers of a node, one after the other, and what their users are told. Only for the files
 * that make up helper_pods.h: this one's, helper_begin.c (making the next one), helper_fate.c (what
 * becomes of it) and helper_pods.c.
 */
#ifndef KSNIFF_METHOD_HELPER_GROUP_H
#define KSNIFF_METHOD_HELPER_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "method/helper_pods.h"
#include "method/helper_recipe.h"

struct error;
struct helper_pod;
struct helper_pod_events;
struct kube_call;
struct kube_client;
struct settings;
struct trial;

struct helper_pods {
    struct kube_client *client;
    const struct settings *settings;
    size_t room;
    struct helper_group *groups;
    size_t removals; /* under way */
};

/* The helpers of a node, one after the other. */
struct helper_group {
    struct helper_pods *of;
    const struct helper_pod_events *events; /* of its pods */
    struct helper_group *next;
    struct helper_recipe recipe;
    size_t expected; /* targets that are known of */
    size_t room;     /* users that its helpers are made for */

    struct helper_user *users;
    struct helper_pod *pod; /* that who waits is about to get; NULL: none */
    bool doubtful;          /* after a cut: requests may find the way dead */
    bool unwatched;    /* the pod is not asked for any more: it could not be, or nobody waits */
    bool told_of_init; /* that it waits for a container of somebody else */
    uint64_t pulling;  /* loop_now() since when its image seems to be pulled; 0: it does not */

    struct kube_call *call; /* what runs on the node */
    bool looked;            /* that was asked */
    struct trial *trial;    /* of an exec, before anything is made */
    bool trying;            /* its answer is waited for */
};

/* helper_group_free - nobody uses it any more. */
void helper_group_free(struct helper_group *group);

/* helper_group_alone - Return: the user of a group that has the only one, whose helper works for
 * it; or NULL. */
struct helper_user *helper_group_alone(const struct helper_group *group);

/* helper_group_is_waited_for - does any user wait for its pod? */
bool helper_group_is_waited_for(const struct helper_group *group);

/* helper_group_retire - nobody gets the present pod any more; whose agent runs in it goes on. */
void helper_group_retire(struct helper_group *group);

/* helper_group_leave - the user's agent needs its pod no more, which goes when nobody else does. */
void helper_group_leave(struct helper_user *user);

/* helper_group_tell_ready - to all who wait: the pod runs. */
void helper_group_tell_ready(struct helper_group *group);

/* helper_group_tell_waits - to all who wait: why they still do. */
void helper_group_tell_waits(struct helper_group *group, const char *why);

/* helper_group_tell_failed - to all who wait; they wait no more. */
void helper_group_tell_failed(struct helper_group *group, enum helper_failure how,
                              const struct error *err);

/* helper_group_give_up - retire the pod, and tell of it. */
void helper_group_give_up(struct helper_group *group, enum helper_failure how,
                          const struct error *err);

#endif
