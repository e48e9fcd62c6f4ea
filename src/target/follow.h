/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The targets as they come and go while they are captured: what is found at the start, and by
 * watches what comes to match later: of a rollout, of a workload that grows, under a new name.
 *
 * A workload's object is watched itself: one that is deleted and made again is followed on, also
 * with another selector. What is missing at the start is waited for.
 */
#ifndef KSNIFF_TARGET_FOLLOW_H
#define KSNIFF_TARGET_FOLLOW_H

#include <stdbool.h>

#include "target/set.h"

struct error;
struct kube_client;
struct settings;
struct target_follow;

/* What is heard of it later, from the loop. No request may be waited for meanwhile. */
struct target_follow_events {
    /* One more, or one that has failed, to be tried again, as its pod is now. @target: taken over:
     * target_free() and free() */
    void (*added)(void *data, struct target *target);
    /* The pod of this uid is being deleted: where its capture is cut, that is its end. */
    void (*leaving)(void *data, const char *uid);
    /* The pod of this uid is no more there, or has ended: @why, as in "it was deleted". Of pods
     * that have the same interfaces another may be added for it. */
    void (*gone)(void *data, const char *uid, const char *why);
    /* A watch was given up: of the pods that are captured by now nobody may tell that they are
     * gone. */
    void (*blind)(void *data);
};

/*
 * target_follow_start - find what there is now, and go on
 * @settings: words, labels, fields; pod and node are not looked at
 * @events: must outlive it
 * @ret_set: what there is now, none perhaps; release with target_set_free()
 * @ret_follow: release with target_follow_end()
 *
 * Errors: those of requests; no such node; more than settings->max_targets. Of what would be too
 * many later the user is told, and it is not captured.
 */
int target_follow_start(struct kube_client *client, const struct settings *settings,
                        const struct target_follow_events *events, void *data,
                        struct target_set *ret_set, struct target_follow **ret_follow,
                        struct error *err);

/*
 * target_follow_failed - the capture of a pod has failed before it had begun: as long as the pod is
 * there it is added again, with its next change or after a while; but no change of it hastens that
 * where @why is a refusal
 *
 * Return: is the user to be told? Each reason is told once.
 */
bool target_follow_failed(struct target_follow *follow, const struct target *target,
                          const struct error *why);

/* target_follow_end - NULL is allowed. Not from within an event. */
void target_follow_end(struct target_follow *follow);

#endif
