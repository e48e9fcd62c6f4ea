/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the API server: one at a time from the caller's view, inside the event loop. */
#ifndef KSNIFF_KUBE_CALL_H
#define KSNIFF_KUBE_CALL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct kube_client;

/*
 * What is wanted of the answer. A server that cannot send the metadata alone sends the whole.
 * Source: https://kubernetes.io/docs/reference/using-api/api-concepts/ ("Metadata-only fetches")
 */
enum kube_answer {
    KUBE_ANSWER_WHOLE,
    KUBE_ANSWER_METADATA,      /* a PartialObjectMetadata; not of a list */
    KUBE_ANSWER_METADATA_LIST, /* a PartialObjectMetadataList; of a list only */
};

/*
 * A part of an answer, as it comes. This is called from within curl: keep the bytes, and do nothing
 * else. Return: false when they cannot be kept, which ends the call with an error.
 */
typedef bool kube_part_fn(void *data, const char *bytes, size_t length);

/* One request. All is borrowed, for the call that takes it. */
struct kube_request {
    const char *method;       /* NULL: GET */
    const char *path;         /* from the server's root, query included, already escaped:
                                 "/api/v1/namespaces/x/pods/y" */
    const char *content_type; /* of the body; NULL: application/json */
    const json_t *body;       /* sent as JSON; NULL: none */
    enum kube_answer answer;
    uint64_t timeout;   /* milliseconds that it may take; 0: what the client's may */
    kube_part_fn *part; /* takes an answer that is long in coming, if it is no error: what is heard
                           of the call at last is an empty object then; NULL: it is kept */
};

/*
 * kube_call_fn - the last that is heard of a call, which is released behind it
 * @answer: borrowed; NULL when the request failed
 * @err: why it failed; NULL with an answer
 */
struct kube_call;
typedef void kube_call_fn(void *data, json_t *answer, const struct error *err);

/*
 * kube_call_start - send a request; its end is an event of the loop
 *
 * Old credentials are renewed first, by a plugin perhaps, for which the loop is stepped: so not
 * from within an event of a stream.
 * An answer of 401 renews the credentials once. The call's errors: those of kube_client_error()
 * and kube_error_from_answer().
 *
 * Return: the call, until @done is called; NULL with the error.
 */
struct kube_call *kube_call_start(struct kube_client *client, const struct kube_request *request,
                                  kube_call_fn *done, void *data, struct error *err);
/* kube_call_cancel - forget it; @done is not called. NULL is allowed. */
void kube_call_cancel(struct kube_call *call);

/*
 * kube_await - send a request, and wait for its end
 * @ret_json: the answer, owned by the caller (json_decref())
 *
 * Return: 0, or -1 with the error, ERROR_INTERRUPTED among them.
 */
int kube_await(struct kube_client *client, const struct kube_request *request, json_t **ret_json,
               struct error *err);

/* kube_get - the same, reading an object */
int kube_get(struct kube_client *client, const char *path, json_t **ret_json, struct error *err);

#endif
