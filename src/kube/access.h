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

struct error;
struct kube_client;

enum kube_access {
    KUBE_ACCESS_UNKNOWN, /* the server does not tell */
    KUBE_ACCESS_ALLOWED,
    KUBE_ACCESS_DENIED,
};

/* A verb on a resource of the core group; subresource: NULL, or "exec". */
struct kube_right {
    const char *verb, *resource, *subresource;
};

#define KUBE_ACCESS_MAX 16 /* rights asked for at once */

/*
 * kube_access_ask - ask for several rights at once
 * @namespace: of all of them
 * @ret_answers: @count of them; a review that fails leaves KUBE_ACCESS_UNKNOWN
 *
 * Return: 0; -1 when interrupted, or when no request could be sent.
 */
int kube_access_ask(struct kube_client *client, const char *namespace,
                    const struct kube_right *rights, size_t count, enum kube_access *ret_answers,
                    struct error *err);

/* kube_access_review - the request's body. Return: owned by the caller. */
json_t *kube_access_review(const char *namespace, const struct kube_right *right);

/* kube_access_read - what the answer to it says. */
enum kube_access kube_access_read(const json_t *answer);

/* kube_right_text - "create pods/exec". Return: @out. */
char *kube_right_text(char *out, size_t size, const struct kube_right *right);

#endif
