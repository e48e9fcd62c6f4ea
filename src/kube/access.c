/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/access.h"

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "kube/client.h"

#define LANES   4 /* requests at once: each is a connection of its own */
#define REVIEWS "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

struct question {
    struct kube_call *call; /* NULL: answered */
    enum kube_access answer;
};

json_t *kube_access_review(const char *namespace, const struct kube_right *right)
{
    json_t *wish = json_pack("{s:s, s:s, s:s}", "namespace", namespace, "verb", right->verb,
                             "resource", right->resource);

    if (right->subresource)
        json_object_set_new(wish, "subresource", json_string(right->subresource));
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

static void on_answer(void *data, json_t *answer, const struct error *err)
{
    struct question *question = data;

    question->call = NULL;
    question->answer = kube_access_read(answer);
    if (err)
        log_debug("the server does not tell what is allowed: %s", err->text);
}

static size_t count_open(const struct question *questions, size_t count)
{
    size_t open = 0;

    for (size_t i = 0; i < count; i++)
        open += questions[i].call != NULL;
    return open;
}

/* Asks on: so many questions at once as there are lanes. Return: whether any is open. */
static bool ask_on(struct kube_client *client, const char *namespace,
                   const struct kube_right *rights, struct question *questions, size_t count,
                   size_t *next)
{
    for (; *next < count && count_open(questions, *next) < LANES; (*next)++) {
        json_t *review = kube_access_review(namespace, &rights[*next]);
        const struct kube_request request = {.method = "POST", .path = REVIEWS, .body = review};

        questions[*next].call =
            kube_call_start(client, &request, on_answer, &questions[*next], NULL);
        json_decref(review);
    }
    return count_open(questions, *next) > 0;
}

int kube_access_ask(struct kube_client *client, const char *namespace,
                    const struct kube_right *rights, size_t count, enum kube_access *ret_answers,
                    struct error *err)
{
    struct question questions[KUBE_ACCESS_MAX] = {0};
    size_t next = 0;

    count = count < KUBE_ACCESS_MAX ? count : KUBE_ACCESS_MAX;
    while (ask_on(client, namespace, rights, questions, count, &next)) {
        if (loop_interrupted(kube_client_loop(client))) {
            for (size_t i = 0; i < count; i++)
                kube_call_cancel(questions[i].call);
            return error_set(err, ERROR_INTERRUPTED, "interrupted before the capture had begun");
        }
        loop_step(kube_client_loop(client), -1);
    }
    for (size_t i = 0; i < count; i++)
        ret_answers[i] = questions[i].answer;
    return 0;
}
