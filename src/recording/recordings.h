/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recordings that there are in the cluster: those who record them, which are pods of labels and
 * annotations that say all of it, and what each says of its ring when it is asked.
 *
 * A recording is all the pods that have its name as the label RECORDING_LABEL; where several
 * namespaces have some of one name, each namespace's are a recording of their own.
 */
#ifndef KSNIFF_RECORDING_RECORDINGS_H
#define KSNIFF_RECORDING_RECORDINGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "recording/state.h"

struct kube_client;
struct target;

/* One target of a pod that records. Its number, for `fetch -t`, is where it stands in the list.
 * Strings are owned by the pod's JSON. */
struct recorded_target {
    const char *namespace; /* "" of a node */
    const char *name;      /* of the pod, or of the node */
    const char *uid;       /* of the pod; "" of a node */
    const char *container; /* that was chosen; "" of a node */
    const json_t *json;    /* as annotation.h has it */
};

/* A pod that records, on its node. Read only. */
struct recording_pod {
    json_t *json; /* the pod; owned; strings point into it */
    const char *namespace, *name, *uid;
    const char *recording; /* the name that the user has given */
    const char *node;
    const char *container;           /* where commands are run */
    json_t *described;               /* owned: the annotation, parsed; see annotation.h */
    struct recorded_target *targets; /* owned */
    size_t target_count;
    bool runs;             /* its recorder does, so that it can be asked */
    bool ended;            /* for good: what was in the ring is gone, or goes */
    bool deleted;          /* it has ended, since somebody has it deleted, but is not gone yet */
    char why[300];         /* it has ended, or does not run; raw text: escape it */
    int64_t started, ends; /* seconds since 1970; 0: not known; none */
    int64_t created;       /* the same, of the pod, by the server's clock */
    int64_t ended_at;      /* the same, of its recorder's last run; 0: not known */

    /* These by recordings_ask(). */
    struct recording_state state; /* RECORDING_UNKNOWN: it was not told */
    struct error error;           /* why not; ERROR_NONE: it was not asked, or has answered */
};

/* Starts with zeros. Ordered by name, namespace and node. */
struct recordings {
    struct recording_pod *pods;
    size_t count;
};

/*
 * recordings_find - look for them
 * @namespace: NULL: in all
 * @name: of the only one that is wanted; NULL: all. Where there is none of it, an error of
 * ERROR_NOT_FOUND says which there are
 * @ret: released with recordings_free(), also when it is empty
 */
int recordings_find(struct kube_client *client, const char *namespace, const char *name,
                    struct recordings *ret, struct error *err);
void recordings_free(struct recordings *recordings);

/* recordings_look - the same; that there is none of the name is no failure. */
int recordings_look(struct kube_client *client, const char *namespace, const char *name,
                    struct recordings *ret, struct error *err);

/*
 * recordings_ask - run a command of the recorder ("status", "freeze") in every pod that runs, some
 * of them side by side, and wait for the ends
 *
 * What `status` says becomes the pods' state; one that cannot be asked gets the error. A pod in
 * which the command has failed is no failure of this. To freeze is not asked of one that is known
 * to be frozen, or has just left a question without an answer; and its end is not waited for very
 * long: `status` tells what has come of it. Return: 0; -1 when interrupted or out of memory.
 */
int recordings_ask(struct kube_client *client, struct recordings *recordings, const char *command,
                   struct error *err);

/*
 * recordings_remove - delete all of their pods and ConfigMaps, and wait until they are gone
 *
 * Errors: the first, after everything else was tried; ERROR_TIMEOUT when some are not gone within
 * half a minute, and are deleted by the cluster later on; ERROR_INTERRUPTED.
 */
int recordings_remove(struct kube_client *client, const struct recordings *recordings,
                      struct error *err);

/*
 * recordings_take_away - recordings_remove(), and say so, and which of the same name go on, since
 * they are none of these
 * @namespace, @name: as for recordings_find()
 */
int recordings_take_away(struct kube_client *client, const char *namespace, const char *name,
                         const struct recordings *recordings, struct error *err);

/* recordings_end - find one, and take it away */
int recordings_end(struct kube_client *client, const char *namespace, const char *name,
                   struct error *err);

/*
 * recorded_target_make - what was recorded, as the target of a capture; the pod may be gone by now
 * @ret_target: release with target_free(). Its pod (none, where it is a node) has name, namespace,
 * uid, labels, node, addresses and the one container, and its phase is Running.
 *
 * Errors: ERROR_PROTOCOL, where what it is called cannot be the name of anything.
 */
int recorded_target_make(const struct recording_pod *pod, const struct recorded_target *recorded,
                         struct target *ret_target, struct error *err);

#endif
