/* SPDX-License-Identifier: Apache-2.0 */
/* All that was asked for, as sources that look side by side. */
#ifndef KSNIFF_TARGET_GATHER_H
#define KSNIFF_TARGET_GATHER_H

#include "target/source.h"

struct gather {
    struct source_context context;
    struct target_word *words; /* owned */
    struct source **sources;   /* owned, each of them, in the order of the words */
    size_t count;
};

/*
 * gather_start - begin to look for everything
 * @follow: and go on with that; @heard is called from the loop when something may have changed
 * @gather: must stay where it is; release with gather_end(), also where it fails
 */
int gather_start(struct gather *gather, struct kube_client *client, const struct settings *settings,
                 bool follow, void (*heard)(void *data), void *data, struct error *err);

/* gather_await - step the loop until each source is settled. Return: 0, or -1 when interrupted. */
int gather_await(struct gather *gather, struct error *err);
void gather_end(struct gather *gather);

#endif
