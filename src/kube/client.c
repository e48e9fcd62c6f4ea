/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handles share TLS sessions, so that the stream that follows the first request resumes instead
 * of shaking hands anew.
 */
#include "kube/client.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "kube/credentials.h"
#include "kube/foreign.h"
#include "kube/proxy.h"
#include "kube/read_ahead.h"
#include "kube/roots.h"
#include "kube/status.h"
#include "kube/transfers.h"

#define ANSWER_MAX         (64u << 20) /* bytes; a list of thousands of pods fits */
#define CONNECT_TIMEOUT_MS 30000L
#define KEEPIDLE_S         30L /* of silence, until the kernel asks whether the server is there */
#define KEEPINTVL_S        10L
#define DOUBTFUL_MS        10000
#define WAITS_MAX          10 /* for a busy server, of one request */
#define WAIT_MAX_S         30 /* each */

static const char *const accepts[] = {
    [KUBE_ANSWER_WHOLE] = "application/json",
    [KUBE_ANSWER_METADATA] = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,"
                             "application/json",
    [KUBE_ANSWER_METADATA_LIST] = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;"
                                  "v=v1,application/json",
};

struct kube_client {
    struct loop *loop;
    const struct kube_config *config;
    struct kube_credentials *credentials;
    struct kube_transfers *transfers;
    CURLSH *share;
    uint64_t timeout;         /* milliseconds, 0: none */
    char *host;               /* the Host header: of the server's URL, without a default port */
    char *base_path;          /* path of the server's URL */
    char *url;                /* the server's URL, with tls-server-name in place of its host */
    struct curl_slist *route; /* CURLOPT_CONNECT_TO back to the real host, or NULL */
    struct kube_proxy proxy;
    struct kube_roots roots;
    int64_t clock_offset; /* seconds that the server's clock is ahead of ours */
    char peer[64];        /* where the last request went to */
    unsigned peer_port;
    const struct kube_transport *transport; /* that streams try first, or NULL */
};

struct loop *kube_client_loop(const struct kube_client *client)
{
    return client->loop;
}

const struct kube_config *kube_client_config(const struct kube_client *client)
{
    return client->config;
}

const char *kube_client_base_path(const struct kube_client *client)
{
    return client->base_path;
}

/* ---- set-up ---- */

/* Takes the server's URL apart; puts tls-server-name where curl looks for the name to verify. */
static int split_server(struct kube_client *client, struct error *err)
{
    const struct kube_config *config = client->config;
    CURLU *url = curl_url();
    char *host = NULL, *port = NULL, *own_port = NULL, *path = NULL, *whole = NULL;
    int result = -1;

    if (!url || curl_url_set(url, CURLUPART_URL, config->server, 0) ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) ||
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ||
        curl_url_get(url, CURLUPART_PATH, &path, 0)) {
        error_set(err, ERROR_CONFIG, "the server \"%s\" is not a URL", config->server);
        goto out;
    }
    /* Gateways that match it whole know it without the scheme's port. */
    curl_url_get(url, CURLUPART_PORT, &own_port, CURLU_NO_DEFAULT_PORT);
    client->host = text_format("%s%s%s", host, own_port ? ":" : "", own_port ? own_port : "");
    client->base_path = strdup(strcmp(path, "/") == 0 ? "" : path);
    if (config->tls_server_name) {
        cleanup_free char *route = text_format("::%s:%s", host, port);

        client->route = curl_slist_append(NULL, route ? route : "");
        if (curl_url_set(url, CURLUPART_HOST, config->tls_server_name, 0)) {
            error_set(err, ERROR_CONFIG, "tls-server-name \"%s\" is not a host name",
                      config->tls_server_name);
            goto out;
        }
    }
    curl_url_set(url, CURLUPART_PATH, NULL, 0);
    if (curl_url_get(url, CURLUPART_URL, &whole, 0) == CURLUE_OK)
        client->url = strdup(whole);
    if (client->url && client->url[0] && client->url[strlen(client->url) - 1] == '/')
        client->url[strlen(client->url) - 1] = '\0';
    if (client->host && client->base_path && client->url)
        result = 0;
    else
        error_set(err, ERROR_INTERNAL, "out of memory");
out:
    curl_free(host);
    curl_free(port);
    curl_free(own_port);
    curl_free(path);
    curl_free(whole);
    curl_url_cleanup(url);
    return result;
}

static int load_roots(struct kube_client *client, struct error *err)
{
    const struct kube_blob *authority = &client->config->certificate_authority;
    const char *proxy = client->proxy.url;
    bool over_tls = proxy && strncmp(proxy, "https:", 6) == 0;

    /* The kubeconfig's CA is all that counts then. */
    if (authority->data && !over_tls)
        return 0;
    return kube_roots_load(over_tls ? authority : NULL, &client->roots, err);
}

int kube_client_new(struct loop *loop, const struct kube_config *config, uint64_t timeout,
                    struct kube_client **ret_client, struct error *err)
{
    struct kube_client *client = calloc(1, sizeof(*client));

    if (!client)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    client->loop = loop;
    client->config = config;
    client->timeout = timeout;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    client->transfers = kube_transfers_new(loop);
    client->share = curl_share_init();
    if (!client->transfers || !client->share) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        goto failed;
    }
    curl_share_setopt(client->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    if (split_server(client, err) < 0 ||
        kube_proxy_choose(config->proxy_url, config->server, &client->proxy, err) < 0 ||
        load_roots(client, err) < 0)
        goto failed;
    client->credentials = kube_credentials_new(loop, config, err);
    if (!client->credentials)
        goto failed;
    *ret_client = client;
    return 0;

failed:
    kube_client_free(client);
    return -1;
}

void kube_client_free(struct kube_client *client)
{
    if (!client)
        return;
    kube_transfers_free(client->transfers);
    curl_share_cleanup(client->share);
    kube_credentials_free(client->credentials);
    curl_slist_free_all(client->route);
    kube_proxy_free(&client->proxy);
    kube_roots_free(&client->roots);
    free(client->host);
    free(client->base_path);
    free(client->url);
    free(client);
    curl_global_cleanup();
}

int kube_client_refresh(struct kube_client *client, bool rejected, bool *ret_changed,
                        struct error *err)
{
    return kube_credentials_refresh(client->credentials, rejected, ret_changed, err);
}

/* What requests and streams have in common. */
static void set_up(struct kube_client *client, CURL *easy)
{
    const struct kube_config *config = client->config;

    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_SHARE, client->share);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, client->route);
    kube_proxy_apply(&client->proxy, easy);
    kube_roots_apply(&client->roots, &config->certificate_authority, easy);
    kube_set_blob(easy, CURLOPT_SSLCERT_BLOB, kube_credentials_certificate(client->credentials));
    kube_set_blob(easy, CURLOPT_SSLKEY_BLOB, kube_credentials_key(client->credentials));
    if (config->insecure_skip_tls_verify) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
        curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYHOST, 0L);
    }
}

/* ---- headers ---- */

/* A value that could end its header line is left out: it cannot be a right one. */
static bool add_header(struct buf *out, const char *name, const char *value)
{
    if (!value || strpbrk(value, "\r\n"))
        return true;
    return buf_printf(out, "%s: %s\r\n", name, value);
}

bool kube_client_headers(const struct kube_client *client, struct buf *request)
{
    const struct kube_config *config = client->config;
    bool fits =
        add_header(request, "Host", client->host) &&
        add_header(request, "User-Agent", "kubectl-sniff/" KSNIFF_VERSION) &&
        add_header(request, "Authorization", kube_credentials_authorization(client->credentials)) &&
        add_header(request, "Impersonate-User", config->as) &&
        add_header(request, "Impersonate-Uid", config->as_uid);

    for (char **group = config->as_groups; fits && group && *group; group++)
        fits = add_header(request, "Impersonate-Group", *group);
    for (size_t i = 0; fits && i < config->as_extra_count; i++) {
        cleanup_free char *key = kube_escape(config->as_extra[i].name);
        cleanup_free char *name = key ? text_format("Impersonate-Extra-%s", key) : NULL;

        fits = name && add_header(request, name, config->as_extra[i].value);
    }
    return fits;
}

/* Return: the headers as curl wants them, NULL when out of memory. */
static struct curl_slist *header_list(const struct kube_client *client, const char *accept,
                                      const char *content_type)
{
    CLEANUP(buf_free) struct buf text;
    struct curl_slist *list = NULL;

    buf_init(&text, 1u << 20);
    if (!kube_client_headers(client, &text) ||
        !buf_printf(&text, "Accept: %s\r\n%s%s%s", accept, content_type ? "Content-Type: " : "",
                    content_type ? content_type : "", content_type ? "\r\n" : ""))
        return NULL;
    for (char *line = (char *)(uintptr_t)buf_string(&text), *end;
         line && (end = strstr(line, "\r\n")); line = end + 2) {
        *end = '\0';
        struct curl_slist *longer = curl_slist_append(list, line);

        if (!longer) {
            curl_slist_free_all(list);
            return NULL;
        }
        list = longer;
    }
    return list;
}

/* ---- requests ---- */

struct kube_call {
    struct kube_client *client;
    struct kube_transfer transfer;
    struct curl_slist *headers;
    char *method, *path, *content_type;
    char *body; /* JSON text; NULL: none */
    enum kube_answer answer;
    uint64_t timeout; /* milliseconds, 0: the client's */
    kube_part_fn *part;
    bool repeated;            /* after renewed credentials */
    unsigned waits;           /* of a busy server, so far */
    struct loop_timer *again; /* the end of one; NULL: there was none */
    bool judged; /* its answer is: that may step the loop, and with it whoever cancels it */
    bool cancelled;
    kube_call_fn *done;
    void *data;
};

/* Takes the transfer out of the multi handle and releases it. */
static void end_transfer(struct kube_call *call)
{
    struct kube_transfer *transfer = &call->transfer;

    if (transfer->easy) {
        kube_transfers_remove(call->client->transfers, transfer->easy);
        curl_easy_cleanup(transfer->easy);
    }
    curl_slist_free_all(call->headers);
    buf_free(&transfer->answer);
    call->headers = NULL;
    *transfer = (struct kube_transfer){0};
}

static void on_transfer(void *data, CURLcode code, const char *detail);

/* Gives on what is wanted part by part; an error is kept as it always is. */
static size_t on_part(char *bytes, size_t size, size_t count, void *data)
{
    struct kube_call *call = data;
    long status = 0;

    curl_easy_getinfo(call->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    bool kept = status < 300 ? call->part(call->data, bytes, size * count)
                             : buf_append(&call->transfer.answer, bytes, size * count);
    return kept ? size * count : 0;
}

/* An answer may be silent for long: whether the way is dead, the kernel finds out. */
static void take_parts(struct kube_call *call)
{
    CURL *easy = call->transfer.easy;

    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_part);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPIDLE_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPINTVL_S);
}

/* Sends the call's request, for the first time or again. */
static int begin_transfer(struct kube_call *call, struct error *err)
{
    struct kube_client *client = call->client;
    struct kube_transfer *transfer = &call->transfer;
    cleanup_free char *url = text_format("%s%s%s", client->url, client->base_path, call->path);
    CURL *easy = curl_easy_init();

    *transfer = (struct kube_transfer){.easy = easy, .finished = on_transfer, .data = call};
    buf_init(&transfer->answer, ANSWER_MAX);
    call->headers =
        header_list(client, accepts[call->answer], call->body ? call->content_type : NULL);
    if (!easy || !url || !call->headers)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    set_up(client, easy);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                     (long)(call->timeout ? call->timeout : client->timeout));
    if (call->body)
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body);
    if (call->body || strcmp(call->method, "GET") != 0)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
    kube_transfer_keep_answer(transfer);
    if (call->part)
        take_parts(call);
    kube_transfers_add(client->transfers, transfer);
    return 0;
}

/* What every answer tells besides its body. */
static void learn(struct kube_client *client, CURL *easy)
{
    struct curl_header *date;
    const char *peer = NULL;
    long port = 0;

    if (curl_easy_header(easy, "Date", 0, CURLH_HEADER, -1, &date) == CURLHE_OK) {
        time_t then = curl_getdate(date->value, NULL);

        if (then != (time_t)-1)
            client->clock_offset = (int64_t)then - (int64_t)time(NULL);
    }
    if (curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &peer) == CURLE_OK && peer && *peer &&
        curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &port) == CURLE_OK) {
        snprintf(client->peer, sizeof(client->peer), "%s", peer);
        client->peer_port = (unsigned)port;
    }
}

/* Reads the answer of a request that went well. Return: the JSON, NULL with the error. */
static json_t *parse_answer(const struct kube_call *call, struct error *err)
{
    const struct buf *answer = &call->transfer.answer;
    const char *text = (const char *)buf_bytes(answer);
    json_t *json = json_loadb(text ? text : "", answer->length, 0, NULL);
    char words[200];

    if (json_is_object(json))
        return json;
    json_decref(json);
    kube_foreign_words(words, sizeof(words), text, answer->length);
    error_set(err, ERROR_PROTOCOL, "the answer of \"%s\" to %s is not a JSON object%s%s%s",
              call->client->host, call->path, *words ? ": \"" : "", words, *words ? "\"" : "");
    return NULL;
}

/* The server's certificate is not trusted: what else than the kubeconfig may be wrong. */
static void doubt_roots(const struct kube_client *client, struct error *err)
{
    if (client->proxy.url)
        error_remedy(err,
                     "does the proxy \"%s\" put its own in its place? then its CA has to be the "
                     "certificate-authority in the kubeconfig",
                     client->proxy.name);
    else if (client->roots.replaced && !client->config->certificate_authority.data)
        error_remedy(err, "the kubeconfig has no certificate-authority, and SSL_CERT_FILE and "
                          "SSL_CERT_DIR take the place of the system's");
}

int kube_client_error(const struct kube_client *client, CURL *handle, CURLcode code,
                      const char *detail, struct error *err)
{
    long os_errno = 0;

    if (kube_proxy_error(&client->proxy, handle, code, detail, kube_server_name(client->config),
                         err))
        return -1;
    curl_easy_getinfo(handle, CURLINFO_OS_ERRNO, &os_errno);
    kube_error_from_curl(client->config, code, detail, os_errno, err);
    if (code == CURLE_PEER_FAILED_VERIFICATION)
        doubt_roots(client, err);
    return -1;
}

/* A busy server was waited for as long as it wanted. */
static void on_again(void *data)
{
    struct kube_call *call = data;
    struct error err;

    if (begin_transfer(call, &err) == 0)
        return;
    call->done(call->data, NULL, &err);
    kube_call_cancel(call);
}

/*
 * A server that has too much to do has taken nothing of the request, and says when to come again.
 * Source: https://kubernetes.io/docs/concepts/cluster-administration/flow-control/
 *
 * Return: whether it is sent again then.
 */
static bool wait_as_asked(struct kube_call *call, long status)
{
    struct loop *loop = call->client->loop;
    struct curl_header *after;

    if (status != 429 || call->waits >= WAITS_MAX ||
        curl_easy_header(call->transfer.easy, "Retry-After", 0, CURLH_HEADER, -1, &after) !=
            CURLHE_OK)
        return false;
    unsigned long seconds = strtoul(after->value, NULL, 10);
    if (seconds < 1 || seconds > WAIT_MAX_S)
        return false;
    if (call->again)
        loop_set_timer(call->again, seconds * 1000);
    else
        call->again = loop_add_timer(loop, seconds * 1000, on_again, call);
    if (!call->again)
        return false;
    call->waits++;
    log_debug("the server is busy: %s %s again in %lu s", call->method, call->path, seconds);
    end_transfer(call);
    return true;
}

/* Judges what has come. Return: the answer; NULL with the error, or, when the request is on its way
 * again, with other credentials or later, without one. */
static json_t *take_answer(struct kube_call *call, CURLcode code, const char *detail,
                           struct error *err)
{
    struct kube_client *client = call->client;
    struct kube_transfer *transfer = &call->transfer;
    long status = 0;
    bool changed = false;

    if (code != CURLE_OK) {
        kube_client_error(client, transfer->easy, code, detail, err);
        return NULL;
    }
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    learn(client, transfer->easy);
    log_trace("%s %s: HTTP %ld, %zu bytes", call->method, call->path, status,
              transfer->answer.length);
    if (status < 300)
        return call->part ? json_object() : parse_answer(call, err);
    if (wait_as_asked(call, status))
        return NULL;
    if (status == 401 && !call->repeated) {
        call->repeated = true;
        if (kube_client_refresh(client, true, &changed, err) < 0)
            return NULL;
    }
    if (changed) {
        end_transfer(call);
        begin_transfer(call, err);
    } else if (status == 407 && client->proxy.url) {
        kube_proxy_refused(&client->proxy, status, kube_server_name(client->config), err);
    } else {
        kube_error_from_answer(client->config, call->method, call->path, status,
                               (const char *)buf_bytes(&transfer->answer), transfer->answer.length,
                               err);
    }
    return NULL;
}

static void on_transfer(void *data, CURLcode code, const char *detail)
{
    struct kube_call *call = data;
    struct error err = {0};
    call->judged = true;
    json_t *answer = take_answer(call, code, detail, &err);

    call->judged = false;
    if (!answer && err.kind == ERROR_NONE && !call->cancelled)
        return;
    if (!call->cancelled)
        call->done(call->data, answer, answer ? NULL : &err);
    json_decref(answer);
    kube_call_cancel(call);
}

void kube_call_cancel(struct kube_call *call)
{
    if (!call)
        return;
    if (call->judged) {
        call->cancelled = true;
        return;
    }
    end_transfer(call);
    loop_remove_timer(call->again);
    free(call->method);
    free(call->path);
    free(call->content_type);
    free(call->body);
    free(call);
}

struct kube_call *kube_call_start(struct kube_client *client, const struct kube_request *request,
                                  kube_call_fn *done, void *data, struct error *err)
{
    struct kube_call *call = calloc(1, sizeof(*call));

    if (!call) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    call->client = client;
    call->done = done;
    call->data = data;
    call->answer = request->answer;
    call->timeout = request->timeout;
    call->part = request->part;
    call->method = strdup(request->method ? request->method : "GET");
    call->path = strdup(request->path);
    call->content_type = strdup(request->content_type ? request->content_type : "application/json");
    call->body = request->body ? json_dumps(request->body, JSON_COMPACT) : NULL;
    if (!call->method || !call->path || !call->content_type || (request->body && !call->body))
        error_set(err, ERROR_INTERNAL, "out of memory");
    else if (kube_client_refresh(client, false, NULL, err) == 0 && begin_transfer(call, err) == 0)
        return call;
    kube_call_cancel(call);
    return NULL;
}

/* ---- requests that are waited for ---- */

struct waiting {
    bool done;
    json_t *answer; /* owned */
    struct error error;
};

static void on_waited(void *data, json_t *answer, const struct error *err)
{
    struct waiting *waiting = data;

    waiting->done = true;
    waiting->answer = json_incref(answer);
    if (err)
        waiting->error = *err;
}

/* Return: 0 when the answer is there, -1 with the error. */
static int judge_waiting(struct waiting *waiting, json_t **ret_json, struct error *err)
{
    if (!waiting->answer) {
        if (err)
            *err = waiting->error;
        return -1;
    }
    *ret_json = waiting->answer;
    return 0;
}

int kube_await(struct kube_client *client, const struct kube_request *request, json_t **ret_json,
               struct error *err)
{
    struct waiting waiting = {0};
    struct kube_call *call = kube_call_start(client, request, on_waited, &waiting, err);

    if (!call)
        return -1;
    while (!waiting.done) {
        if (loop_interrupted(client->loop)) {
            kube_call_cancel(call);
            return error_set(err, ERROR_INTERRUPTED, "interrupted");
        }
        loop_step(client->loop, -1);
    }
    return judge_waiting(&waiting, ret_json, err);
}

int kube_get(struct kube_client *client, const char *path, json_t **ret_json, struct error *err)
{
    const struct kube_request request = {.path = path};

    return kube_await(client, &request, ret_json, err);
}

uint64_t kube_client_doubtful(const struct kube_client *client)
{
    return client->timeout && client->timeout < DOUBTFUL_MS ? client->timeout : DOUBTFUL_MS;
}

int64_t kube_client_time(const struct kube_client *client)
{
    return (int64_t)time(NULL) + client->clock_offset;
}

const char *kube_client_peer(const struct kube_client *client, unsigned *ret_port)
{
    *ret_port = client->peer_port;
    return client->peer;
}

/* ---- connections for streams ---- */

CURL *kube_client_connect(struct kube_client *client, kube_transfer_fn *done, void *data,
                          struct error *err)
{
    struct kube_transfer *transfer = calloc(1, sizeof(*transfer));
    CURL *easy = curl_easy_init();

    if (!transfer || !easy) {
        free(transfer);
        curl_easy_cleanup(easy);
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    *transfer = (struct kube_transfer){.easy = easy, .finished = done, .data = data};
    set_up(client, easy);
    curl_easy_setopt(easy, CURLOPT_URL, client->url);
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    /* A plain HTTP server behind an HTTP proxy needs a tunnel as well: it becomes a stream. */
    curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    kube_read_ahead(easy);
    kube_transfers_add(client->transfers, transfer);
    return easy;
}

void kube_client_disconnect(struct kube_client *client, CURL *handle)
{
    struct kube_transfer *transfer = NULL;

    if (!handle)
        return;
    curl_easy_getinfo(handle, CURLINFO_PRIVATE, (char **)&transfer);
    kube_transfers_remove(client->transfers, handle);
    curl_easy_cleanup(handle);
    free(transfer);
}

const struct kube_transport *kube_client_transport(const struct kube_client *client)
{
    return client->transport;
}

void kube_client_set_transport(struct kube_client *client, const struct kube_transport *transport)
{
    client->transport = transport;
}

char *kube_escape(const char *text)
{
    char *escaped = curl_easy_escape(NULL, text, 0);
    char *copy = escaped ? strdup(escaped) : NULL;

    curl_free(escaped);
    return copy;
}
