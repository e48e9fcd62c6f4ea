/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of one resource as they are, and as they change: a list, page by page, then a watch
 * that goes on from it. A watch that is cut or ends goes on from the last version that was seen;
 * where the server keeps that no more (410), the list is read again, and what is not in it is gone.
 *
 * Source: https://kubernetes.io/docs/reference/using-api/api-concepts/ ("Efficient detection of
 * changes", "Retrieving large results sets in chunks")
 */
#ifndef KSNIFF_KUBE_WATCH_H
#define KSNIFF_KUBE_WATCH_H

#include <jansson.h>
#include <stdbool.h>

struct error;
struct kube_client;
struct kube_watch;

/* What is wanted. All is borrowed, for the call that takes it. */
struct kube_watch_wanted {
    const char *path;   /* of the list, without a query: "/api/v1/namespaces/shop/pods" */
    const char *labels; /* a selector, as kubectl takes it; NULL: all */
    const char *fields; /* the same */
    bool metadata;      /* of each object: what does not need the rest */
    bool once;          /* the list alone: synced() or failed() is the last that is heard */
    bool quiet;         /* the user is not told that the server is waited for */
    bool hasty;         /* what fails before the first list is there is not tried again */
};

/*
 * What is heard of it, from the loop, and never from within kube_watch_start(). Requests may be
 * made, and the loop stepped: nothing else is heard meanwhile. The watch may be freed.
 *
 * object: one that is there, or has changed; again with every list. Borrowed.
 * gone: an object that was there, by metadata.uid. One that follows it under its name may have been
 * heard of before.
 * synced: a list is whole: at the start, and whenever it had to be read again
 * failed: it is given up, and nothing more is heard: the right is missing, the selector is wrong
 */
struct kube_watch_events {
    void (*object)(void *data, json_t *object);
    void (*gone)(void *data, const char *uid); /* NULL: of no interest */
    void (*synced)(void *data);
    void (*failed)(void *data, const struct error *err);
};

/*
 * kube_watch_start - begin with the list
 * @events: must outlive the watch
 *
 * What the network or the server says in a bad moment is waited for, longer each time.
 * Return: owned by the caller; NULL when out of memory.
 */
struct kube_watch *kube_watch_start(struct kube_client *client,
                                    const struct kube_watch_wanted *wanted,
                                    const struct kube_watch_events *events, void *data);
/* kube_watch_free - NULL is allowed. */
void kube_watch_free(struct kube_watch *watch);

#endif
