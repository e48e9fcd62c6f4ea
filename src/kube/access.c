/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/access.h"

#include <stdbool.h>
#include <stdio.h>

json_t *kube_access_review(const char *namespace, const struct kube_right *right)
{
    json_t *wish = json_pack("{s:s, s:s, s:s}", "namespace", namespace, "verb", right->verb,
                             "resource", right->resource);

    if (right->subresource)
        json_object_set_new(wish, "subresource", json_string(right->subresource));
    if (right->name)
        json_object_set_new(wish, "name", json_string(right->name));
    return json_pack("{s:s, s:s, s:{s:o}}", "apiVersion", "authorization.k8s.io/v1", "kind",
                     "SelfSubjectAccessReview", "spec", "resourceAttributes", wish);
}

enum kube_access kube_access_read(const json_t *answer)
{
    const json_t *allowed = json_object_get(json_object_get(answer, "status"), "allowed");

    return json_is_true(allowed)    ? KUBE_ACCESS_ALLOWED
           : json_is_false(allowed) ? KUBE_ACCESS_DENIED
                                    : KUBE_ACCESS_UNKNOWN;
}

char *kube_right_text(char *out, size_t size, const struct kube_right *right)
{
    snprintf(out, size, "%s %s%s%s", right->verb, right->resource, right->subresource ? "/" : "",
             right->subresource ? right->subresource : "");
    return out;
}
