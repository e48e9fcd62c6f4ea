/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An error on its way up to the one place that prints it.
 *
 * A function that can fail takes a `struct error *` as its last parameter and returns 0, or -1 with
 * the error filled in. It never logs the error itself. Texts follow one form: lower-case start, the
 * subject in quotes, no full stop; the remedy stands apart.
 *
 * Whatever goes into the texts is escaped here (text_escape), so that text of a container or of the
 * API server may be given as it is.
 */
#ifndef KSNIFF_BASE_ERROR_H
#define KSNIFF_BASE_ERROR_H

#include <stdbool.h>

enum error_kind {
    ERROR_NONE = 0,
    ERROR_USAGE,        /* the command line: exit code 2 */
    ERROR_CONFIG,       /* kubeconfig and credentials */
    ERROR_NETWORK,      /* the API server cannot be reached */
    ERROR_TLS,          /* it can, but its certificate is not trusted, or ours is not taken */
    ERROR_UNAUTHORIZED, /* HTTP 401 */
    ERROR_FORBIDDEN,    /* HTTP 403 */
    ERROR_NOT_FOUND,    /* HTTP 404 */
    ERROR_CONFLICT,     /* HTTP 409 */
    ERROR_EXPIRED,      /* HTTP 410: what is asked to go on from is not kept any more */
    ERROR_INVALID,      /* HTTP 400, 413, 415, 422: as it is, the request will never be taken */
    ERROR_REFUSED,      /* not by the API server: a proxy or a gateway does not let it through */
    ERROR_SERVER,       /* any other answer of the API server */
    ERROR_TIMEOUT,
    ERROR_INTERRUPTED, /* the user wants to stop */
    ERROR_TARGET,      /* the pod or container cannot be captured this way */
    ERROR_OUTPUT,      /* the file, the pipe, Wireshark */
    ERROR_LOSS,        /* packets that were captured are not in the output: exit code 3 */
    ERROR_GONE,        /* all that there is of a recording has come, the rest is gone for good: 3 */
    ERROR_PROTOCOL,    /* the peer says something that is not in its protocol */
    ERROR_INTERNAL,
};

#define ERROR_TEXT_MAX 1024 /* bytes, NUL included */

struct error {
    enum error_kind kind;
    char text[ERROR_TEXT_MAX]; /* one line, safe to print */
    char remedy[512];          /* one line, safe to print; empty where there is none */
};

/*
 * error_is_passing - may the same go well a little later, where it has gone well before?
 *
 * What the network and the server say in a bad moment does; so does a credential plugin that found
 * no network (ERROR_CONFIG). What was refused, or is not there, does not.
 */
bool error_is_passing(const struct error *err);

/* error_is_bad_moment - is it the network's or the server's, which may be over soon? */
bool error_is_bad_moment(const struct error *err);

/* error_is_refusal - was the request refused, by whoever it was: by a right, by a policy, as it is?
 */
bool error_is_refusal(const struct error *err);

/* error_exit_code - what the program ends with because of it. */
int error_exit_code(const struct error *err);

/*
 * error_set - describe a failure
 * @err: where to; NULL is allowed and ignored
 * @format: printf format of the text
 *
 * Return: always -1, so that a function can `return error_set(...)`.
 */
int error_set(struct error *err, enum error_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* error_remedy - say what to do about it. Return: always -1. */
int error_remedy(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* error_prefix - put "PREFIX: " before the text. Return: always -1. */
int error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
