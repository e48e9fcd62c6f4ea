/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failures of requests as one line for the user: from curl's codes, from the API server's Status
 * objects (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/) and from
 * answers of whatever else may sit in between.
 */
#ifndef KSNIFF_KUBE_STATUS_H
#define KSNIFF_KUBE_STATUS_H

#include <curl/curl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "kube/kubeconfig.h"

struct error;

/* kube_server_name - the host and port of the server, for messages. */
const char *kube_server_name(const struct kube_config *config);

/*
 * kube_error_from_curl - no answer was received
 * @code: curl's reason
 * @detail: the text of CURLOPT_ERRORBUFFER, may be empty
 * @os_errno: CURLINFO_OS_ERRNO
 *
 * Return: always -1.
 */
int kube_error_from_curl(const struct kube_config *config, CURLcode code, const char *detail,
                         long os_errno, struct error *err);

/*
 * kube_error_from_answer - an answer with a code of 300 or more
 * @path: of the request, for the namespace and where the Status names nothing
 * @body: @length bytes; a Status object, or anything: then the message repeats what it says, in one
 * line, and an answer below 500 is ERROR_REFUSED
 *
 * Return: always -1.
 */
int kube_error_from_answer(const struct kube_config *config, const char *method, const char *path,
                           long code, const char *body, size_t length, struct error *err);

/* How a process run by exec ended. */
enum kube_exit_kind {
    KUBE_EXIT_CODE,         /* it ran; code is its exit code */
    KUBE_EXIT_START_FAILED, /* it never ran; message says why */
    KUBE_EXIT_LOST,         /* the stream ended without a Status */
};

struct kube_exit {
    enum kube_exit_kind kind;
    int code;
    char message[1024]; /* raw text of the server: escape before printing */
};

/* kube_exit_reached - was it a container's runtime that ended the exec so, or that did not start
 * the command? No one on the way to it refuses an exec there then. */
bool kube_exit_reached(const struct kube_exit *exit);

/* kube_exit_from_status - read the Status of channel 3. Return: 0, or -1 when it is not one. */
int kube_exit_from_status(const char *text, size_t length, struct kube_exit *ret_exit);

#endif
