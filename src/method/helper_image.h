/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which image a helper pod is made of: one that the node has already, and without a shell, where
 * there is such a one. None of it is pulled, but what the user has named.
 *
 * A pause image that the node tells of comes first; then what runs on it as a DaemonSet of
 * kube-system (a node tells only of its 50 largest images); then the others that it tells of; then
 * pause images by the names that runtimes usually give them; at last the target's own. What turns
 * out to have a shell is passed over, and taken in a second round if nothing else would start.
 */
#ifndef KSNIFF_METHOD_HELPER_IMAGE_H
#define KSNIFF_METHOD_HELPER_IMAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct target;

#define HELPER_IMAGES_MAX 16

struct helper_image {
    char *name;                 /* owned */
    const json_t *pull_secrets; /* imagePullSecrets; borrowed from the target; NULL: none */
    bool pull;                  /* it may be pulled */
    bool guess;                 /* that the node does not have it is no surprise */
    bool shell;                 /* it has turned out to have one */
};

/* Read only; start with zeros. */
struct helper_images {
    struct helper_image list[HELPER_IMAGES_MAX];
    size_t count, at;
    bool second_round;         /* of those that have a shell */
    bool sure;                 /* the first is the user's choice, or a pause image that is there */
    const char *own;           /* the target's own image; NULL: none */
    const json_t *own_secrets; /* that may be used for it; NULL: none */
};

/*
 * helper_images_choose - fill the list with what the target and its node tell
 * @wished: the only one; NULL: none
 * @namespace: of the helper pod
 */
void helper_images_choose(struct helper_images *images, const struct target *target,
                          const char *wished, const char *namespace);

/* helper_images_add_running - put behind the present one what DaemonSets run, or first of all where
 * the first is not sure. @pods: a PodList of the node */
void helper_images_add_running(struct helper_images *images, const json_t *pods);

/* helper_images_next - pass the present one over. Return: false when there is none left. */
bool helper_images_next(struct helper_images *images);

void helper_images_free(struct helper_images *images);

#endif
