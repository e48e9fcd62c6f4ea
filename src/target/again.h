/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods whose capture failed before it had begun, and when each is tried again: with its next change
 * (its container may run by then), else after a while, which grows from try to try. A refusal is
 * not the pod's, so that no change of it helps. No time is asked for here: it is given.
 */
#ifndef KSNIFF_TARGET_AGAIN_H
#define KSNIFF_TARGET_AGAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct again_pod;
struct error;

struct again {
    struct again_pod *pods; /* owned, each of them */
};

void again_free(struct again *again);

/*
 * again_failed - it could not be captured
 * @version: the pod's resourceVersion at that try
 * @now: loop_now()
 *
 * Return: has this pod not failed for this reason before? The user is to be told, then.
 */
bool again_failed(struct again *again, const char *uid, const char *version,
                  const struct error *why, uint64_t now);

/* again_knows - has it failed before? */
bool again_knows(const struct again *again, const char *uid);

/* again_is_due - is it to be tried now? Not one that has not failed, or is being tried. @version:
 * of the pod as it is now */
bool again_is_due(const struct again *again, const char *uid, const char *version, uint64_t now);

/* again_tried - it is being tried; that it is over is again_failed(), or never heard of. */
void again_tried(struct again *again, const char *uid);

/* again_wait - Return: milliseconds until one may be due; UINT64_MAX: none waits. */
uint64_t again_wait(const struct again *again, uint64_t now);

/*
 * again_forget_if - pods that are no more
 * @gone: is it? An again_* function must not be called from there.
 */
void again_forget_if(struct again *again, bool (*gone)(void *data, const char *uid), void *data);

#endif
