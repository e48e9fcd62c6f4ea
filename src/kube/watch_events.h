/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a watch is answered with: bytes in, events out. Each event is a JSON object on a line of its
 * own. No I/O here.
 *
 * Source: https://kubernetes.io/docs/reference/using-api/api-concepts/ ("Efficient detection of
 * changes")
 */
#ifndef KSNIFF_KUBE_WATCH_EVENTS_H
#define KSNIFF_KUBE_WATCH_EVENTS_H

#include <jansson.h>
#include <stddef.h>

#include "base/buf.h"

struct error;

enum kube_event {
    KUBE_EVENT_MORE,     /* nothing whole is there: feed more */
    KUBE_EVENT_OBJECT,   /* it has been added, or has changed */
    KUBE_EVENT_GONE,     /* it was deleted, or does not match the selectors any more */
    KUBE_EVENT_BOOKMARK, /* nothing has changed up to this version; the object has no more than it
                          */
    KUBE_EVENT_FAILED,   /* the error is set, ERROR_EXPIRED among them: nothing more comes of it */
};

/* Starts with kube_events_init(). */
struct kube_events {
    struct buf bytes;
    size_t looked; /* of them, in vain, for the end of a line */
};

/* kube_events_init - @maximum: bytes that may be kept, whole lines and the one to come */
void kube_events_init(struct kube_events *events, size_t maximum);
void kube_events_free(struct kube_events *events);

/* kube_events_clear - forget what has come; another watch follows. */
void kube_events_clear(struct kube_events *events);

/*
 * kube_events_next - take the next event out of events->bytes
 * @ret_object: with an object, that is gone or not, and with a bookmark: owned by the caller, with
 * a version (kube_version())
 *
 * Events of other kinds, as a later server may know, are passed over.
 */
enum kube_event kube_events_next(struct kube_events *events, json_t **ret_object,
                                 struct error *err);

/* kube_version, kube_uid - of an object, or the version of a list. Return: NULL where it has none.
 */
const char *kube_version(const json_t *object);
const char *kube_uid(const json_t *object);

#endif
