/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handles share TLS sessions, so that the stream that follows the first request resumes instead
 * of shaking hands anew.
 */
#include "kube/client.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "kube/client_state.h"
#include "kube/credentials.h"
#include "kube/read_ahead.h"
#include "kube/status.h"
#include "kube/transfers.h"

#define CONNECT_TIMEOUT_MS 30000L
#define DOUBTFUL_MS        10000

/* ---- what it knows ---- */

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

const struct kube_transport *kube_client_transport(const struct kube_client *client)
{
    return client->transport;
}

void kube_client_set_transport(struct kube_client *client, const struct kube_transport *transport)
{
    client->transport = transport;
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

void kube_client_set_up(struct kube_client *client, CURL *easy)
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

char *kube_escape(const char *text)
{
    char *escaped = curl_easy_escape(NULL, text, 0);
    char *copy = escaped ? strdup(escaped) : NULL;

    curl_free(escaped);
    return copy;
}

/* ---- failures ---- */

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
    kube_client_set_up(client, easy);
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
