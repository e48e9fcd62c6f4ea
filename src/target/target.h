/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be captured: from the user's words to a pod and one of its containers. */
#ifndef KSNIFF_TARGET_TARGET_H
#define KSNIFF_TARGET_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "kube/pod.h"

struct error;
struct kube_client;
struct kube_node;
struct loop;
struct target_keeper;
struct target_question;

/* Strings are owned by the pod, or point to what was given. */
struct target {
    const char *namespace;                  /* "" of a node */
    const char *name;                       /* of the pod, or of the node */
    char label[300];                        /* what messages call it: pod "web" */
    struct kube_pod *pod;                   /* owned; NULL: the node itself */
    const struct kube_container *container; /* NULL without a pod */
    const char *node_name;                  /* "" until the pod is scheduled */
    struct kube_node *node;                 /* owned; NULL: not asked for, or not to be had */
    bool host_network;                      /* its interfaces are the node's own */
    bool watched;                           /* who follows it tells when its pod is gone */
    bool has_shell;                         /* the container was seen to have one */
    bool exec_works;   /* an exec into the pod was seen to reach a container's runtime */
    bool exec_refused; /* an exec, into it or elsewhere, was refused, and not for want of a right */
    bool may_ask_for_capabilities; /* the namespace's Pod Security is not known to forbid */
    struct target_keeper *keeper;  /* owned: who has recorded it; NULL: it is captured now */
};

/* What was recorded is asked of the recorder; the target itself may be gone. */
struct target_keeper {
    struct target target; /* the pod that records; its strings are its pod's */
    unsigned number;      /* of the target there */
    bool frozen;          /* it is known to record nothing more */
};

/*
 * target_resolve - fetch the pod, choose the container, refuse what nobody could capture
 * @name: of the pod
 * @container: NULL: the default-container annotation, else the first
 * @ret_target: release with target_free()
 *
 * Errors: those of requests; ERROR_TARGET: ended, not scheduled, a Windows pod, no such container
 * (the remedy names those there are). Where there is no such pod the remedy names a near one. A
 * container that does not run is no error.
 */
int target_resolve(struct kube_client *client, const char *namespace, const char *name,
                   const char *container, struct target *ret_target, struct error *err);

/*
 * target_wait - the same; but a pod that is Pending, or does not exist yet, is waited for
 * @milliseconds: ERROR_TIMEOUT after this long; 0: no limit
 */
int target_wait(struct kube_client *client, const char *namespace, const char *name,
                const char *container, uint64_t milliseconds, struct target *ret_target,
                struct error *err);

/*
 * target_of_pod - the same of a pod that is there
 * @pod: taken, also where it fails
 */
int target_of_pod(struct kube_pod *pod, const char *container, struct target *ret_target,
                  struct error *err);

/* target_default_container - the one that is taken where none is named: of the default-container
 * annotation, else the first. Return: NULL where the pod has none. */
const struct kube_container *target_default_container(const struct kube_pod *pod);

/* target_why_pending - what keeps a pod Pending, in the words of its containers, else of its
 * conditions. */
const char *target_why_pending(const struct kube_pod *pod);

/* target_pass_time - let the loop run for so long. Return: 0, or -1 when interrupted. */
int target_pass_time(struct loop *loop, uint64_t milliseconds, struct error *err);

/* target_name_namespace - messages call it pod "shop/web" from now on. A node has none. */
void target_name_namespace(struct target *target);

/* target_of_node - the node itself. Errors: no such node, Windows, a virtual kubelet. */
int target_of_node(struct kube_client *client, const char *name, struct target *ret_target,
                   struct error *err);

/* target_of_node_object - the same of what a GET has given. */
int target_of_node_object(json_t *json, struct target *ret_target, struct error *err);
void target_free(struct target *target);

/*
 * target_answer_fn - the last that is heard of a question
 * @running: does its container run?
 * @err: NULL: the pod is the same that it was. ERROR_TARGET: it is gone for good, or has ended;
 * others when it could not be asked
 */
typedef void target_answer_fn(void *data, bool running, const struct error *err);

/*
 * target_ask - after a cut: is it the same that it was? A node always is.
 * @done: an event of the loop; the question is gone then
 *
 * Return: the question, until @done is called; NULL with the error.
 */
struct target_question *target_ask(struct kube_client *client, const struct target *target,
                                   target_answer_fn *done, void *data, struct error *err);
/* target_forget - @done is not called. NULL is allowed. */
void target_forget(struct target_question *question);

#endif
