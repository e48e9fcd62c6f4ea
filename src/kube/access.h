/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking the API server what we may do: SelfSubjectAccessReviews, which every user may create.
 *
 * Source:
 * https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/self-subject-access-review-v1/
 */
#ifndef KSNIFF_KUBE_ACCESS_H
#define KSNIFF_KUBE_ACCESS_H

#include <jansson.h>
#include <stddef.h>

enum kube_access {
    KUBE_ACCESS_UNKNOWN, /* the server does not tell */
    KUBE_ACCESS_ALLOWED,
    KUBE_ACCESS_DENIED,
};

/* A verb on a resource of the core group; subresource: NULL, or "exec"; name: NULL, of any. A role
 * that has resourceNames allows it for these names, and not where none is named. */
struct kube_right {
    const char *verb, *resource, *subresource, *name;
};

/* kube_access_review - the request's body. Return: owned by the caller. */
json_t *kube_access_review(const char *namespace, const struct kube_right *right);

/* kube_access_read - what the answer to it says. */
enum kube_access kube_access_read(const json_t *answer);

/* kube_right_text - "create pods/exec". Return: @out. */
char *kube_right_text(char *out, size_t size, const struct kube_right *right);

#endif
