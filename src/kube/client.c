/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One curl multi handle, driven by the event loop through its socket interface. The handles share
 * TLS sessions, so that the stream that follows the first request resumes instead of shaking hands
 * anew.
 */
#include "kube/client.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "kube/credentials.h"
#include "kube/status.h"

#define ANSWER_MAX         (64u << 20) /* bytes; a list of thousands of pods fits */
#define CONNECT_TIMEOUT_MS 30000L

struct kube_client {
    struct loop *loop;
    const struct kube_config *config;
    struct kube_credentials *credentials;
    CURLM *multi;
    CURLSH *share;
    struct loop_timer *timer;
    uint64_t timeout;         /* milliseconds, 0: none */
    char *host;               /* "host:port" as in the server's URL: the Host header */
    char *base_path;          /* path of the server's URL */
    char *url;                /* the server's URL, with tls-server-name in place of its host */
    struct curl_slist *route; /* CURLOPT_CONNECT_TO back to the real host, or NULL */
};

/* What is kept beside a handle while it is in the multi handle (CURLOPT_PRIVATE). */
struct transfer {
    CURL *easy;
    bool connect_only;
    bool done;
    CURLcode code;
    char detail[CURL_ERROR_SIZE];
    kube_connect_fn *connected;
    void *data;
    struct buf answer;
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

/* ---- the event loop ---- */

static void take_messages(struct kube_client *client)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(client->multi, &left))) {
        struct transfer *transfer = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        transfer->code = code;
        transfer->done = true;
        if (transfer->connect_only)
            transfer->connected(transfer->data, code, transfer->detail);
    }
}

static void act(struct kube_client *client, curl_socket_t socket, int flags)
{
    int running;

    curl_multi_socket_action(client->multi, socket, flags, &running);
    take_messages(client);
}

static void on_socket(void *data, int fd, short revents)
{
    int flags = 0;

    if (revents & (POLLIN | POLLHUP))
        flags |= CURL_CSELECT_IN;
    if (revents & POLLOUT)
        flags |= CURL_CSELECT_OUT;
    if (revents & (POLLERR | POLLNVAL))
        flags |= CURL_CSELECT_ERR;
    act(data, fd, flags);
}

static void on_timer(void *data)
{
    act(data, CURL_SOCKET_TIMEOUT, 0);
}

static int watch_socket(CURL *easy, curl_socket_t socket, int what, void *data, void *socket_data)
{
    struct kube_client *client = data;
    struct loop_fd *watch = socket_data;
    short events =
        (short)((what & CURL_POLL_IN ? POLLIN : 0) | (what & CURL_POLL_OUT ? POLLOUT : 0));

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        loop_remove_fd(watch);
        curl_multi_assign(client->multi, socket, NULL);
    } else if (watch) {
        loop_set_events(watch, events);
    } else {
        watch = loop_add_fd(client->loop, socket, events, on_socket, client);
        curl_multi_assign(client->multi, socket, watch);
    }
    return 0;
}

static int set_timer(CURLM *multi, long milliseconds, void *data)
{
    struct kube_client *client = data;

    (void)multi;
    if (milliseconds < 0)
        loop_stop_timer(client->timer);
    else
        loop_set_timer(client->timer, (uint64_t)milliseconds);
    return 0;
}

/* ---- set-up ---- */

/* Takes the server's URL apart; puts tls-server-name where curl looks for the name to verify. */
static int split_server(struct kube_client *client, struct error *err)
{
    const struct kube_config *config = client->config;
    CURLU *url = curl_url();
    char *host = NULL, *port = NULL, *path = NULL, *whole = NULL;
    int result = -1;

    if (!url || curl_url_set(url, CURLUPART_URL, config->server, 0) ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) ||
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ||
        curl_url_get(url, CURLUPART_PATH, &path, 0)) {
        error_set(err, ERROR_CONFIG, "the server \"%s\" is not a URL", config->server);
        goto out;
    }
    client->host = text_format("%s:%s", host, port);
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
    curl_free(path);
    curl_free(whole);
    curl_url_cleanup(url);
    return result;
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
    client->multi = curl_multi_init();
    client->share = curl_share_init();
    client->timer = loop_add_timer(loop, 0, on_timer, client);
    if (!client->multi || !client->share || !client->timer) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        goto failed;
    }
    loop_stop_timer(client->timer);
    curl_share_setopt(client->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    if (split_server(client, err) < 0)
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
    curl_multi_cleanup(client->multi);
    curl_share_cleanup(client->share);
    loop_remove_timer(client->timer);
    kube_credentials_free(client->credentials);
    curl_slist_free_all(client->route);
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

static void set_blob(CURL *easy, CURLoption option, struct kube_blob source)
{
    struct curl_blob blob = {.data = source.data, .len = source.length, .flags = CURL_BLOB_COPY};

    if (source.data)
        curl_easy_setopt(easy, option, &blob);
}

static void set_proxy(CURL *easy, const struct kube_config *config)
{
    cleanup_free char *remote = NULL;
    const char *proxy = config->proxy_url;

    if (!proxy)
        return; /* curl reads the environment itself */
    /* kubectl lets a SOCKS proxy resolve the name. */
    if (strncmp(proxy, "socks5://", 9) == 0) {
        remote = text_format("socks5h://%s", proxy + 9);
        proxy = remote ? remote : proxy;
    }
    curl_easy_setopt(easy, CURLOPT_PROXY, proxy);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
}

/* What requests and streams have in common. */
static void set_up(struct kube_client *client, CURL *easy, struct transfer *transfer)
{
    const struct kube_config *config = client->config;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->detail);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_SHARE, client->share);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, client->route);
    set_proxy(easy, config);
    set_blob(easy, CURLOPT_CAINFO_BLOB, config->certificate_authority);
    set_blob(easy, CURLOPT_SSLCERT_BLOB, kube_credentials_certificate(client->credentials));
    set_blob(easy, CURLOPT_SSLKEY_BLOB, kube_credentials_key(client->credentials));
    if (config->insecure_skip_tls_verify) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
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
static struct curl_slist *header_list(const struct kube_client *client, const char *content_type)
{
    CLEANUP(buf_free) struct buf text;
    struct curl_slist *list = NULL;

    buf_init(&text, 1u << 20);
    if (!kube_client_headers(client, &text) ||
        !buf_printf(&text, "Accept: application/json\r\n%s%s%s",
                    content_type ? "Content-Type: " : "", content_type ? content_type : "",
                    content_type ? "\r\n" : ""))
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

static size_t on_answer(char *data, size_t size, size_t count, void *transfer_data)
{
    struct transfer *transfer = transfer_data;

    return buf_append(&transfer->answer, data, size * count) ? size * count : 0;
}

/* Runs the loop until the transfer is done. Return: 0, or -1 when interrupted. */
static int wait_for(struct kube_client *client, const struct transfer *transfer, struct error *err)
{
    while (!transfer->done) {
        if (loop_interrupted(client->loop))
            return error_set(err, ERROR_INTERRUPTED, "interrupted");
        loop_step(client->loop, -1);
    }
    return 0;
}

/* Sends one request and waits. Return: 0 with the HTTP code and the answer, or -1. */
static int send_once(struct kube_client *client, const char *method, const char *path,
                     const char *content_type, const char *body, long *ret_code, struct buf *answer,
                     struct error *err)
{
    struct transfer transfer = {.easy = curl_easy_init()};
    cleanup_free char *url = text_format("%s%s%s", client->url, client->base_path, path);
    struct curl_slist *headers = header_list(client, body ? content_type : NULL);
    CURL *easy = transfer.easy;
    int result = -1;

    buf_init(&transfer.answer, ANSWER_MAX);
    if (!easy || !url || !headers) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        goto out;
    }
    set_up(client, easy, &transfer);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)client->timeout);
    if (body)
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    if (body || strcmp(method, "GET") != 0)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
    curl_multi_add_handle(client->multi, easy);
    result = wait_for(client, &transfer, err);
    if (result == 0 && transfer.code != CURLE_OK) {
        long os_errno = 0;

        curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_errno);
        result =
            kube_error_from_curl(client->config, transfer.code, transfer.detail, os_errno, err);
    }
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, ret_code);
    curl_multi_remove_handle(client->multi, easy);
    if (result == 0)
        log_trace("%s %s: HTTP %ld, %zu bytes", method, path, *ret_code, transfer.answer.length);
    if (result == 0) {
        *answer = transfer.answer;
        transfer.answer = (struct buf){0};
    }
out:
    buf_free(&transfer.answer);
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
    return result;
}

/* Reads the answer of a request that went well. */
static int parse_answer(const struct kube_client *client, const char *path,
                        const struct buf *answer, json_t **ret_json, struct error *err)
{
    json_t *json = json_loadb((const char *)buf_bytes(answer), answer->length, 0, NULL);

    if (!json_is_object(json)) {
        json_decref(json);
        return error_set(err, ERROR_PROTOCOL, "the answer of \"%s\" to %s is not a JSON object",
                         client->host, path);
    }
    if (ret_json)
        *ret_json = json;
    else
        json_decref(json);
    return 0;
}

int kube_request(struct kube_client *client, const char *method, const char *path,
                 const char *content_type, const json_t *body, json_t **ret_json, struct error *err)
{
    cleanup_free char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

    if (body && !text)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    for (int attempt = 0;; attempt++) {
        CLEANUP(buf_free) struct buf answer = {0};
        long code = 0;
        bool changed = false;

        if (kube_client_refresh(client, false, NULL, err) < 0 ||
            send_once(client, method, path, content_type ? content_type : "application/json", text,
                      &code, &answer, err) < 0)
            return -1;
        if (code < 300)
            return parse_answer(client, path, &answer, ret_json, err);
        if (code == 401 && attempt == 0 && kube_client_refresh(client, true, &changed, err) < 0)
            return -1;
        if (!changed)
            return kube_error_from_answer(client->config, method, path, code,
                                          (const char *)buf_bytes(&answer), answer.length, err);
    }
}

/* ---- connections for streams ---- */

CURL *kube_client_connect(struct kube_client *client, kube_connect_fn *done, void *data,
                          struct error *err)
{
    struct transfer *transfer = calloc(1, sizeof(*transfer));
    CURL *easy = curl_easy_init();

    if (!transfer || !easy) {
        free(transfer);
        curl_easy_cleanup(easy);
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    *transfer =
        (struct transfer){.easy = easy, .connect_only = true, .connected = done, .data = data};
    set_up(client, easy, transfer);
    curl_easy_setopt(easy, CURLOPT_URL, client->url);
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    /* A plain HTTP server behind an HTTP proxy needs a tunnel as well: it becomes a stream. */
    curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    curl_multi_add_handle(client->multi, easy);
    return easy;
}

void kube_client_disconnect(struct kube_client *client, CURL *handle)
{
    struct transfer *transfer = NULL;

    if (!handle)
        return;
    curl_easy_getinfo(handle, CURLINFO_PRIVATE, (char **)&transfer);
    curl_multi_remove_handle(client->multi, handle);
    curl_easy_cleanup(handle);
    free(transfer);
}

char *kube_escape(const char *text)
{
    char *escaped = curl_easy_escape(NULL, text, 0);
    char *copy = escaped ? strdup(escaped) : NULL;

    curl_free(escaped);
    return copy;
}
