/* SPDX-License-Identifier: Apache-2.0 */
/* What the next helper of a node is made of, after what has been seen of those before: its image,
 * its privilege, the agent's machine, how many agents it must have room for. */
#ifndef KSNIFF_METHOD_HELPER_RECIPE_H
#define KSNIFF_METHOD_HELPER_RECIPE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "method/helper.h"
#include "method/helper_image.h"

struct error;
struct kube_container;
struct settings;
struct target;

/* Read only. */
struct helper_recipe {
    const struct settings *settings;
    char *node_name, *namespace; /* owned */
    bool host_network;
    char *who; /* owned: for a person: "shop/web"; NULL: helper_recipe_fill() is still to come */
    json_t *keeps; /* what the images point into */

    struct helper_images images;
    char why[300];       /* the last one was passed over; "": none was */
    char machine[32];    /* the agent's: "amd64" */
    bool machine_known;  /* it is no guess */
    bool disk_uncounted; /* by the node's kubelet: who asks for some of it is refused there */
    size_t machine_at;   /* where it is one: which of agent_binaries[] is tried with this image */
    enum helper_privilege privilege;
};

/* helper_recipe_new - for a node, a namespace, and targets with the node's network or without. */
int helper_recipe_new(struct helper_recipe *recipe, const struct settings *settings,
                      const struct target *target, struct error *err);
void helper_recipe_free(struct helper_recipe *recipe);

/* helper_recipe_fits - is the helper to be the same for this target? */
bool helper_recipe_fits(const struct helper_recipe *recipe, const struct target *target);

/* helper_recipe_fill - learn from the first target what its node has. @others: known to follow */
int helper_recipe_fill(struct helper_recipe *recipe, const struct target *target, size_t others,
                       struct error *err);

/* helper_recipe_ring - bytes of the packet ring of each of @agents. */
uint64_t helper_recipe_ring(const struct helper_recipe *recipe, size_t agents);

/* helper_recipe_read - everything but its name, namespace and secret. Strings are borrowed. */
void helper_recipe_read(const struct helper_recipe *recipe, size_t agents, struct helper *helper);

/* helper_recipe_next_image - the one that there is cannot be started, or has a shell; @recipe->why
 * says it. Return: 0; -1 with the error when none is left. */
int helper_recipe_next_image(struct helper_recipe *recipe, struct error *err);

/* helper_recipe_shell - the image has a shell. Return: true: it is to be passed over, for @why. */
bool helper_recipe_shell(struct helper_recipe *recipe, const char *why);

/* helper_recipe_next_privilege - it needs more to get in, or to run at all. */
void helper_recipe_next_privilege(struct helper_recipe *recipe, const char *why);

/*
 * helper_recipe_other_machine - was it the agent that could not be started, being one for another
 * machine? Who may not read nodes does not know theirs. @container: how it ended; may be NULL.
 * Return: whether another agent is tried: each that there is, once with each image.
 */
bool helper_recipe_other_machine(struct helper_recipe *recipe,
                                 const struct kube_container *container);

#endif
