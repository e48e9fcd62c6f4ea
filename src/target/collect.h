/* SPDX-License-Identifier: Apache-2.0 */
/* From what the sources have found to targets: who can be captured, who not yet, who is missing. */
#ifndef KSNIFF_TARGET_COLLECT_H
#define KSNIFF_TARGET_COLLECT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "target/gather.h"
#include "target/set.h"

struct settings;

enum collect_mode {
    COLLECT_NOW,    /* what is missing is an error; what cannot be captured is left out */
    COLLECT_WAIT,   /* what is missing, or Pending, is waited for */
    COLLECT_FOLLOW, /* the same; and meanwhile the others are captured */
};

struct collect {
    enum collect_mode mode;
    const struct settings *settings;
    struct target_set *set;
    void (*added)(void *data, struct target *target); /* NULL: of no interest */
    void *data;
    bool started;     /* COLLECT_FOLLOW: what fails now is told, and is no error */
    size_t left_out;  /* pods */
    struct error yet; /* COLLECT_WAIT: what is waited for; ERROR_NONE: nothing */
    json_t *told;     /* lines that the user has been told, and pods that were taken; owned */
    json_t *hints;    /* of what is missing: what may have been meant; owned */
    json_t *lacking;  /* names of pods without the container of -c; owned */
};

/*
 * collect_all - put all that can be captured into the set
 *
 * Return: 0; -1 with the error: of a source, or what is missing.
 */
int collect_all(struct collect *collect, const struct gather *gather, struct error *err);
void collect_free(struct collect *collect);

#endif
