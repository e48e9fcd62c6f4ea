/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in the way of each method, found before anything is changed: rights, the namespace's
 * Pod Security level, the pod's security contexts, its node.
 *
 * Sources: https://kubernetes.io/docs/concepts/security/pod-security-standards/,
 * https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
 */
#ifndef KSNIFF_METHOD_PREFLIGHT_H
#define KSNIFF_METHOD_PREFLIGHT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "kube/access.h"
#include "method/facts.h"

struct error;
struct settings;
struct target;

/* In the order in which they are tried. */
enum preflight_method { METHOD_UPLOAD, METHOD_NODE, METHOD_EPHEMERAL, METHOD_COUNT };

enum preflight_verdict {
    PREFLIGHT_POSSIBLE,
    PREFLIGHT_MAYBE, /* not all is known: the attempt decides */
    PREFLIGHT_IMPOSSIBLE,
};

struct obstacle {
    char what[512]; /* what stands in the way; safe to print */
    char who[512];  /* who could change it, and how */
};

/* Levels of Pod Security that a namespace enforces. */
enum pod_security {
    POD_SECURITY_UNKNOWN,
    POD_SECURITY_PRIVILEGED,
    POD_SECURITY_BASELINE,
    POD_SECURITY_RESTRICTED
};

#define PREFLIGHT_RIGHTS_MAX 8

/* The facts of one target. Those of a method are asked for before it is judged. */
struct preflight {
    struct facts *facts; /* those of all targets; may be NULL where nothing is asked */
    const struct settings *settings;
    struct target *target;
    enum kube_access rights[METHOD_COUNT][PREFLIGHT_RIGHTS_MAX];
    bool exec_refused[METHOD_COUNT]; /* an attempt was */
    enum pod_security target_level, helper_level;

    struct facts_wait wait; /* these for preflight_ask() */
    enum preflight_method asked;
    const struct fact *asked_rights[PREFLIGHT_RIGHTS_MAX], *own, *helper, *node;
    void (*done)(void *data);
    void *data;
};

/*
 * preflight_ask - ask for what a method needs, as far as it is not known yet
 * @done: called once: at once when all is known, else as an event of a request
 *
 * For the upload these are two reviews of rights and nothing more. For the others also the
 * namespaces and the node, which target->node holds then. Of a target with the node's network these
 * are also what own_traffic_filter() reads.
 */
void preflight_ask(struct preflight *preflight, enum preflight_method method,
                   void (*done)(void *data), void *data);

/* preflight_ask_node - the same for target->node alone, which stays NULL where it is not to be had.
 */
void preflight_ask_node(struct preflight *preflight, void (*done)(void *data), void *data);

/* preflight_end - do not wait any more: @done is not called. Also where nothing was asked. */
void preflight_end(struct preflight *preflight);

/* preflight_gather, preflight_gather_node - the same, waited for. Return: 0; -1 when interrupted.
 */
int preflight_gather(struct preflight *preflight, enum preflight_method method, struct error *err);
int preflight_gather_node(struct preflight *preflight, struct error *err);

/*
 * preflight_judge - can the method work, as far as the facts tell?
 * @obstacles: room for @most of what stands in the way, or, with PREFLIGHT_MAYBE, of what may
 * @ret_count: how many there are
 */
enum preflight_verdict preflight_judge(const struct preflight *preflight,
                                       enum preflight_method method, struct obstacle *obstacles,
                                       size_t most, size_t *ret_count);

/* preflight_refuse_exec - an attempt of @method found that exec is forbidden: so it is for every
 * method in the same namespace. */
void preflight_refuse_exec(struct preflight *preflight, enum preflight_method method);

/* preflight_level - what a Namespace enforces. @namespace: NULL: it could not be read */
enum pod_security preflight_level(const json_t *namespace);

/* preflight_method_name - "upload", "node", "ephemeral" */
const char *preflight_method_name(enum preflight_method method);

/* preflight_may_add_capabilities - is the target's namespace not known to forbid NET_RAW? */
bool preflight_may_add_capabilities(const struct preflight *preflight);

#endif
