/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recording is of one kind: whoever adds targets to one that is there records them as it records
 * the others. What he says otherwise is refused; what he leaves out is as it is there.
 */
#ifndef KSNIFF_RECORDING_KIND_H
#define KSNIFF_RECORDING_KIND_H

#include <jansson.h>
#include <stdbool.h>

#include "settings/settings.h"

struct error;
struct kube_client;
struct recordings;

/* Settings of which some are a recording's. */
struct kind {
    struct settings settings;
    bool taken;               /* there is such a recording */
    json_t *described;        /* owned: of one of its pods; strings of the settings point into it */
    const char **interfaces;  /* owned */
    char *filter, *stop_when; /* owned: their texts, with addresses for names */
    struct filter programs[2]; /* owned: theirs */
};

/* kind_begin - @settings: of the user; borrowed. Release with kind_free(). */
void kind_begin(struct kind *kind, const struct settings *settings);
void kind_free(struct kind *kind);

/*
 * kind_take - of what kind is the recording?
 * @there: its pods, as far as they are known; one that has ended is of no kind any more
 *
 * Where several namespaces have a recording of the name, all are to be of one kind. Return: 0;
 * -1 with the error: ERROR_USAGE where it is of another kind than the user has said.
 */
int kind_take(struct kind *kind, struct kube_client *client, const struct recordings *there,
              const char *name, struct error *err);

#endif
