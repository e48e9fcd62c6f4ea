/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/status.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "kube/foreign.h"
#include "kube/json.h"

#define WORDS_MAX 200 /* bytes that a stranger's answer may take in a message */

const char *kube_server_name(const struct kube_config *config)
{
    const char *scheme = strstr(config->server, "://");

    return scheme ? scheme + 3 : config->server;
}

static int connect_error(const struct kube_config *config, const char *detail, long os_errno,
                         struct error *err)
{
    const char *server = kube_server_name(config);

    if (os_errno == ECONNREFUSED) {
        error_set(err, ERROR_NETWORK, "connection to the server \"%s\" was refused", server);
        return error_remedy(err,
                            "is the API server running there? did you choose the right context?");
    }
    if (os_errno == ENETUNREACH || os_errno == EHOSTUNREACH) {
        error_set(err, ERROR_NETWORK, "no route to the server \"%s\"", server);
        return error_remedy(err, "is the VPN up?");
    }
    error_set(err, ERROR_NETWORK, "cannot connect to the server \"%s\": %s", server,
              os_errno ? strerror((int)os_errno) : detail);
    return error_remedy(err, "check the network and the context's server");
}

int kube_error_from_curl(const struct kube_config *config, CURLcode code, const char *detail,
                         long os_errno, struct error *err)
{
    const char *server = kube_server_name(config);

    if (!detail || !*detail)
        detail = curl_easy_strerror(code);
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        error_set(err, ERROR_NETWORK, "cannot resolve the host of the server \"%s\"", server);
        return error_remedy(err, "check DNS, the VPN, and the context's server");
    case CURLE_COULDNT_CONNECT:
        return connect_error(config, detail, os_errno, err);
    case CURLE_OPERATION_TIMEDOUT:
        error_set(err, ERROR_TIMEOUT, "no answer from the server \"%s\" in time", server);
        return error_remedy(err, "check the network, or raise --request-timeout");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        error_set(err, ERROR_TLS, "the certificate of the server \"%s\" is not trusted: %s", server,
                  detail);
        return error_remedy(err, "check certificate-authority in the kubeconfig, or "
                                 "tls-server-name if the name differs");
    case CURLE_SSL_CERTPROBLEM:
        error_set(err, ERROR_TLS, "the client certificate of user \"%s\" cannot be used: %s",
                  config->user ? config->user : "", detail);
        return error_remedy(err, "check client-certificate and client-key in the kubeconfig");
    case CURLE_SSL_CONNECT_ERROR:
        error_set(err, ERROR_TLS, "no TLS connection to the server \"%s\": %s", server, detail);
        return error_remedy(err,
                            "is it the API server's port? has the client certificate expired?");
    default:
        return error_set(err, ERROR_NETWORK, "the connection to the server \"%s\" failed: %s",
                         server, detail);
    }
}

static const char *string_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* Copies what stands between "namespaces/" and the next slash of a request's path. */
static void namespace_of(const char *path, char *out, size_t size)
{
    const char *found = strstr(path, "/namespaces/");

    out[0] = '\0';
    if (!found)
        return;
    found += strlen("/namespaces/");
    size_t length = strcspn(found, "/?");
    if (length < size) {
        memcpy(out, found, length);
        out[length] = '\0';
    }
}

/*
 * What RBAC wants, from its fixed wording: `... cannot VERB resource "RESOURCE" in API group ...`.
 * Return: 0, or -1 when the message is worded otherwise.
 */
static int wanted_right(const char *message, char *out, size_t size)
{
    const char *verb = strstr(message, " cannot ");
    const char *resource = verb ? strstr(verb, " resource \"") : NULL;

    if (!resource)
        return -1;
    verb += strlen(" cannot ");
    const char *name = resource + strlen(" resource \"");
    snprintf(out, size, "%.*s %.*s", (int)(resource - verb), verb, (int)strcspn(name, "\""), name);
    return 0;
}

static int forbidden(const char *message, struct error *err)
{
    const char *user = strstr(message, "User \"");
    char right[160];

    if (wanted_right(message, right, sizeof(right)) == 0) {
        error_set(err, ERROR_FORBIDDEN, "forbidden: %s", user ? user : message);
        return error_remedy(err, "needs: %s", right);
    }
    return error_set(err, ERROR_FORBIDDEN, "forbidden: %s", message);
}

static int not_found(const json_t *status, const char *path, struct error *err)
{
    const json_t *details = json_object_get(status, "details");
    const char *name = string_at(details, "name"), *kind = string_at(details, "kind");
    char namespace[256];

    namespace_of(path, namespace, sizeof(namespace));
    if (!*name || !*kind)
        return error_set(err, ERROR_NOT_FOUND, "%s", string_at(status, "message"));
    if (!*namespace || strcmp(kind, "namespaces") == 0) {
        error_set(err, ERROR_NOT_FOUND, "%s \"%s\" not found", kind, name);
        return error_remedy(err, "list them with: kubectl get %s", kind);
    }
    error_set(err, ERROR_NOT_FOUND, "%s \"%s\" not found in namespace \"%s\"", kind, name,
              namespace);
    if (strcmp(kind, "pods") == 0)
        return error_remedy(
            err, "list them with: kubectl get pods -n %s; choose a namespace with -n", namespace);
    return error_remedy(err, "list them with: kubectl get %s -n %s", kind, namespace);
}

/*
 * Takes the queries out of the URLs in a message, in place: that of an exec is a whole script, and
 * the reason stands behind it.
 */
static void drop_queries(char *message)
{
    for (char *query = strchr(message, '?'); query; query = strchr(query + 1, '?')) {
        size_t length = strcspn(query, "\" \n");
        const char *command = strstr(query, "command=");

        if (command && command < query + length)
            memmove(query, query + length, strlen(query + length) + 1);
    }
}

static int unauthorized(const struct kube_config *config, const char *words, struct error *err)
{
    error_set(err, ERROR_UNAUTHORIZED,
              "the server \"%s\" does not accept the credentials of user \"%s\"%s%s%s",
              kube_server_name(config), config->user ? config->user : "", *words ? ": \"" : "",
              words, *words ? "\"" : "");
    return error_remedy(err, "log in again; kubectl auth whoami tells who you are");
}

/* Is it a bad moment of who answered, and no refusal? */
static bool is_passing_code(long code)
{
    return code >= 500 || code == 408 || code == 425 || code == 429;
}

/* An answer that no API server gives. @words: what it says, may be empty */
static int foreign(const struct kube_config *config, const char *method, const char *path,
                   long code, const char *words, struct error *err)
{
    bool passing = is_passing_code(code);

    if (kube_foreign_is_kubelet(words))
        return error_set(err, ERROR_SERVER, "the kubelet answered %s %.*s with HTTP %ld: \"%s\"",
                         method, (int)strcspn(path, "?"), path, code, words);
    error_set(err, passing ? ERROR_SERVER : ERROR_REFUSED,
              "the server \"%s\" answered %s %.*s with HTTP %ld, not as an API server%s%s%s",
              kube_server_name(config), method, (int)strcspn(path, "?"), path, code,
              *words ? ": \"" : "", words, *words ? "\"" : "");
    if (passing)
        return -1;
    return error_remedy(err, "something before the API server refuses it: let the path through "
                             "(kubectl proxy: --reject-paths), or use the API server itself");
}

/* A Status. @message: of it, without what no message needs */
static int from_status(const struct kube_config *config, const json_t *status, const char *message,
                       const char *path, long code, struct error *err)
{
    const char *says = *message ? message : string_at(status, "reason");

    if (code == 403)
        return forbidden(message, err);
    if (code == 404)
        return not_found(status, path, err);
    if (code == 409)
        return error_set(err, ERROR_CONFLICT, "%s", message);
    if (code == 410)
        return error_set(err, ERROR_EXPIRED, "%s", message);
    if (code == 400 || code == 405 || code == 413 || code == 415 || code == 422)
        return error_set(err, ERROR_INVALID, "%s", says);
    if (code == 504 || code == 408)
        return error_set(err, ERROR_TIMEOUT, "the server \"%s\" ran out of time: %s",
                         kube_server_name(config), message);
    if (!*says)
        return error_set(err, ERROR_SERVER, "the server \"%s\" failed with HTTP %ld",
                         kube_server_name(config), code);
    return error_set(err, ERROR_SERVER, "%s", says);
}

int kube_error_from_answer(const struct kube_config *config, const char *method, const char *path,
                           long code, const char *body, size_t length, struct error *err)
{
    json_t *status = kube_json_read(body, length);
    cleanup_free char *message = strdup(string_at(status, "message"));
    bool is_status = strcmp(string_at(status, "kind"), "Status") == 0;
    char words[WORDS_MAX];

    kube_foreign_words(words, sizeof(words), body, is_status ? 0 : length);
    if (message)
        drop_queries(message);
    if (!message)
        error_set(err, ERROR_INTERNAL, "out of memory");
    else if (code == 401)
        unauthorized(config, words, err);
    else if (is_status)
        from_status(config, status, message, path, code, err);
    else
        foreign(config, method, path, code, words, err);
    json_decref(status);
    return -1;
}

/* The exit code stands in details.causes[reason=ExitCode].message. Return: -1 when it does not. */
static int exit_code_of(const json_t *status)
{
    const json_t *causes = json_object_get(json_object_get(status, "details"), "causes");
    size_t i;
    json_t *cause;

    json_array_foreach(causes, i, cause)
    {
        char *end;
        const char *text = string_at(cause, "message");

        if (strcmp(string_at(cause, "reason"), "ExitCode") != 0)
            continue;
        long code = strtol(text, &end, 10);
        if (end != text && !*end && code >= 0 && code <= 255)
            return (int)code;
    }
    return -1;
}

bool kube_exit_reached(const struct kube_exit *exit)
{
    /* The first are the words of the streaming server of containerd, CRI-O and cri-dockerd alike.
     */
    static const char *const words[] = {"error executing command in container", "OCI runtime",
                                        "executable file not found", "not found in $PATH"};

    if (exit->kind == KUBE_EXIT_CODE)
        return true;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (exit->kind == KUBE_EXIT_START_FAILED && strstr(exit->message, words[i]))
            return true;
    return false;
}

int kube_exit_from_status(const char *text, size_t length, struct kube_exit *ret_exit)
{
    json_t *status = kube_json_read(text, length);
    struct kube_exit result = {.kind = KUBE_EXIT_START_FAILED, .code = -1};

    if (!json_is_object(status) || !json_object_get(status, "status")) {
        json_decref(status);
        return -1;
    }
    cleanup_free char *message = strdup(string_at(status, "message"));
    if (message) {
        drop_queries(message);
        snprintf(result.message, sizeof(result.message), "%s", message);
    }
    if (strcmp(string_at(status, "status"), "Success") == 0) {
        result.kind = KUBE_EXIT_CODE;
        result.code = 0;
    } else if (exit_code_of(status) >= 0) {
        result.kind = KUBE_EXIT_CODE;
        result.code = exit_code_of(status);
    }
    json_decref(status);
    *ret_exit = result;
    return 0;
}
