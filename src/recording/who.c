/* SPDX-License-Identifier: Apache-2.0 */
#include "recording/who.h"

#include <jansson.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "kube/client.h"

#define API "authentication.k8s.io/v1"

char *who_am_i(struct kube_client *client)
{
    json_t *review = json_pack("{s:s, s:s}", "apiVersion", API, "kind", "SelfSubjectReview");
    const struct kube_request request = {
        .method = "POST", .path = "/apis/" API "/selfsubjectreviews", .body = review};
    json_t *answer = NULL;
    struct error err;

    /* Servers before 1.28 do not have it. */
    if (kube_await(client, &request, &answer, &err) < 0)
        log_debug("the server does not say who we are: %s", err.text);
    json_decref(review);
    const json_t *user = json_object_get(json_object_get(answer, "status"), "userInfo");
    const char *name = json_string_value(json_object_get(user, "username"));
    const char *known = kube_client_config(client)->user;
    char *result = strdup(name ? name : known ? known : "");

    json_decref(answer);
    return result;
}
