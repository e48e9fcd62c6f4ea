/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody outside who follows a capture, and may change it while it runs. */
#ifndef KSNIFF_CAPTURE_REMOTE_H
#define KSNIFF_CAPTURE_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "settings/settings.h"

struct error;
struct kube_client;
struct member;
struct recorder;
struct summary;

struct capture_remote {
    void (*begun)(void *data); /* packets can come */
    /* Some times a second. @skipped: packets that have passed in pauses */
    void (*status)(void *data, const struct summary *summary, uint64_t skipped);
    /* A filter that was wanted holds from about now on, or, with @err, does not. @text: NULL: none;
     * good until the next that holds. */
    void (*filtered)(void *data, const char *text, const struct error *err);
    void *data;

    /* What is wanted. Set from within any event. */
    bool paused, quit;
    char *filter; /* owned; "": none; NULL: the present one */

    /* Its own: the filter that holds by now, if it is not the first. */
    char *text; /* NULL: none */
    struct filter compiled;
};

/*
 * remote_refilter - put the filter that is wanted in the place of the present one
 * @settings: of members that are to come; changed as those that there are
 * @members, @count: where they stand: others may come while this steps the loop
 *
 * Not from within an event.
 */
void remote_refilter(struct capture_remote *remote, struct kube_client *client,
                     struct settings *settings, struct member **const *members, const size_t *count,
                     struct recorder *recorder);

/* remote_free - release what it holds; nothing was wanted: allowed. */
void remote_free(struct capture_remote *remote);

#endif
