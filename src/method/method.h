/* SPDX-License-Identifier: Apache-2.0 */
/* The ways to get an agent beside a pod: one file each, one row each in the table of method.c. */
#ifndef KSNIFF_METHOD_METHOD_H
#define KSNIFF_METHOD_METHOD_H

#include <stdbool.h>

struct error;
struct kube_exit;
struct session;

struct method {
    const char *name; /* as --method and the section's comment say it */
    bool outside;     /* its agent runs outside of the target's pod, and does not end with it */
    bool recorded;    /* it brings what was recorded, in segments, and ends by itself */
    /* Begin, or begin again after a cut; goes on in the loop with the session_* functions for
     * methods. */
    int (*start)(struct session *session, struct error *err);
    /* Tell the agent to end in order. */
    void (*stop)(struct session *session);
    /* The agent must hear from us, or it ends itself; it is asked for its clock, too. */
    void (*heartbeat)(struct session *session);
    /* The agent never began, and this was how it ended: does the method try something else?
     * Return: true when it does; the session goes on. NULL: never. */
    bool (*again)(struct session *session, const struct kube_exit *exit);
    /* The exec reached nobody, and the agent never began: a kubelet that restarts, a bad moment of
     * a proxy. A method that has made its container itself tries again while it may take to
     * start. Return: as again(). NULL: never. */
    bool (*unreached)(struct session *session);
    /* What an exit code of this method's own means. Return: false when it is none. */
    bool (*explain)(struct session *session, const struct kube_exit *exit, struct error *err);
    /* Release method_data, and take away what is left of it in the cluster. */
    void (*release)(struct session *session);
};

extern const struct method method_upload, method_node, method_ephemeral;

/* method_find - by name. Return: NULL when there is none. */
const struct method *method_find(const char *name);

#endif
