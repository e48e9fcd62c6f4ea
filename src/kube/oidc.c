/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A renewal goes on in events of the loop, from its start to its end: the issuer's description is
 * fetched, the refresh token exchanged, the kubeconfig written. So it is one renewal, however many
 * requests wait for it: a refresh token may be good for one exchange alone.
 */
#include "kube/oidc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "kube/exec_credential.h"
#include "kube/kubeconfig_auth_provider.h"
#include "kube/kubeconfig_edit.h"
#include "kube/proxy.h"
#include "kube/roots.h"
#include "kube/transfers.h"

enum {
    MOST_ANSWER_BYTES = 1024 * 1024,
    TIMEOUT_MS = 30000,
    EXPIRY_MARGIN_S = 10, /* as in client-go */
    LOCK_RETRY_MS = 50,
    LOCK_RETRIES = 100,
};

struct kube_oidc {
    struct loop *loop;
    const struct kube_config *config;
    char *id_token, *refresh_token; /* the latest; NULL: none */

    /* The renewal that is under way. */
    bool running;
    unsigned ended; /* how many have */
    struct error error;
    struct kube_transfers *transfers;
    struct kube_transfer transfer;
    struct kube_proxy proxy;
    struct curl_slist *headers;
    char *url;    /* that is asked */
    bool in_body; /* the client names itself in the body, not in a header */
    struct loop_timer *lock_timer;
    unsigned lock_tries;
};

/* ---- tokens ---- */

int kube_jwt_expiry(const char *token, int64_t *ret_expiry)
{
    const char *first = strchr(token, '.'), *second = first ? strchr(first + 1, '.') : NULL;
    size_t length = 0;

    if (!second || strchr(second + 1, '.'))
        return -1;
    /* base64url without padding, as base64. */
    cleanup_free char *text = text_format("%.*s===", (int)(second - first - 1), first + 1);
    if (!text)
        return -1;
    for (char *at = text; *at; at++)
        *at = *at == '-' ? '+' : *at == '_' ? '/' : *at;
    text[(size_t)(second - first - 1 + 3) / 4 * 4] = '\0';
    cleanup_free unsigned char *payload = text_base64_decode(text, strlen(text), &length);
    json_t *claims = payload ? json_loadb((const char *)payload, length, 0, NULL) : NULL;
    const json_t *expiry = json_object_get(claims, "exp");
    bool sound = json_is_object(claims) && (!expiry || json_is_number(expiry));

    if (sound)
        *ret_expiry = json_is_integer(expiry) ? json_integer_value(expiry)
                                              : (int64_t)json_number_value(expiry);
    json_decref(claims);
    return sound ? 0 : -1;
}

static bool is_valid(const char *token)
{
    int64_t expiry;

    return token && exec_credential_is_header_value(token) &&
           kube_jwt_expiry(token, &expiry) == 0 && expiry > (int64_t)time(NULL) + EXPIRY_MARGIN_S;
}

static const char *user_of(const struct kube_oidc *oidc)
{
    return oidc->config->user ? oidc->config->user : "";
}

/* Somebody may have logged in again, or kubectl may have renewed the tokens. */
static void read_again(struct kube_oidc *oidc)
{
    struct kube_oidc_config *now = NULL;

    if (kubeconfig_reload_oidc(oidc->config->oidc->path, user_of(oidc), &now, NULL) < 0)
        return;
    if (is_valid(now->id_token)) {
        free(oidc->id_token);
        oidc->id_token = steal_pointer(now->id_token);
    }
    if (now->refresh_token) {
        free(oidc->refresh_token);
        oidc->refresh_token = steal_pointer(now->refresh_token);
    }
    kube_oidc_config_free(now);
}

/* No valid token, and no way to another. */
static int explain_expiry(const struct kube_oidc *oidc, struct error *err)
{
    int64_t expiry;
    char when[32];

    if (!oidc->id_token) {
        error_set(err, ERROR_CONFIG,
                  "the auth-provider of user \"%s\" has neither an id-token nor a refresh-token",
                  user_of(oidc));
    } else if (kube_jwt_expiry(oidc->id_token, &expiry) < 0 ||
               !exec_credential_is_header_value(oidc->id_token)) {
        error_set(err, ERROR_CONFIG, "the id-token of user \"%s\" is no JSON Web Token",
                  user_of(oidc));
    } else {
        time_t seconds = (time_t)expiry;
        struct tm utc;

        strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC",
                 gmtime_r(&seconds, &utc) ? &utc : &(struct tm){.tm_mday = 1});
        error_set(err, ERROR_CONFIG, "the id-token of user \"%s\" has expired (%s)%s",
                  user_of(oidc), when,
                  oidc->refresh_token ? "" : ", and there is no refresh-token");
    }
    return error_remedy(err, "log in again, so that \"%s\" has a new one",
                        oidc->config->oidc->path);
}

/* ---- the end of a renewal ---- */

static void drop_transfer(struct kube_oidc *oidc)
{
    if (oidc->transfer.easy) {
        kube_transfers_remove(oidc->transfers, oidc->transfer.easy);
        curl_easy_cleanup(oidc->transfer.easy);
    }
    oidc->transfer.easy = NULL;
    buf_free(&oidc->transfer.answer);
    curl_slist_free_all(steal_pointer(oidc->headers));
    free(steal_pointer(oidc->url));
    kube_proxy_free(&oidc->proxy);
}

/* It is over, with the error where there is one. */
static void end(struct kube_oidc *oidc)
{
    drop_transfer(oidc);
    loop_remove_timer(steal_pointer(oidc->lock_timer));
    oidc->running = false;
    oidc->ended++;
}

static void on_lock_timer(void *data)
{
    struct kube_oidc *oidc = data;
    const struct kube_pair pairs[] = {{(char *)(uintptr_t) "id-token", oidc->id_token},
                                      {(char *)(uintptr_t) "refresh-token", oidc->refresh_token}};
    bool locked = false;
    struct error err = {0};
    int result = kubeconfig_store(oidc->config->oidc->path, user_of(oidc), pairs, 2, &locked, &err);

    if (locked && ++oidc->lock_tries < LOCK_RETRIES) {
        loop_set_timer(oidc->lock_timer, LOCK_RETRY_MS);
        return;
    }
    if (result < 0)
        log_warning("the renewed tokens of user \"%s\" are not kept: %s%s%s%s", user_of(oidc),
                    err.text, err.remedy[0] ? " (" : "", err.remedy, err.remedy[0] ? ")" : "");
    end(oidc);
}

static void store(struct kube_oidc *oidc)
{
    oidc->lock_tries = 0;
    oidc->lock_timer = loop_add_timer(oidc->loop, 0, on_lock_timer, oidc);
    if (!oidc->lock_timer)
        end(oidc);
}

/* ---- asking the issuer ---- */

static void fetch(struct kube_oidc *oidc, const char *url, const char *body,
                  kube_transfer_fn *finished);

static int issuer_error(const struct kube_oidc *oidc, CURLcode code, const char *detail,
                        struct error *err)
{
    const char *issuer = oidc->config->oidc->issuer;

    if (!detail || !*detail)
        detail = curl_easy_strerror(code);
    if (kube_proxy_error(&oidc->proxy, oidc->transfer.easy, code, detail, issuer, err))
        return -1;
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
        error_set(err, ERROR_TLS, "the certificate of the issuer \"%s\" is not trusted: %s", issuer,
                  detail);
        return error_remedy(err, "check idp-certificate-authority in \"%s\"",
                            oidc->config->oidc->path);
    }
    error_set(err, code == CURLE_OPERATION_TIMEDOUT ? ERROR_TIMEOUT : ERROR_NETWORK,
              "cannot renew the token of user \"%s\" at the issuer \"%s\": %s", user_of(oidc),
              issuer, detail);
    return error_remedy(err, "check the network and idp-issuer-url in \"%s\"",
                        oidc->config->oidc->path);
}

static const char *string_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* The issuer does not answer as it should; RFC 6749, section 5.2, has the words for why. */
static int refused(const struct kube_oidc *oidc, long status, const json_t *answer,
                   struct error *err)
{
    const char *error = string_at(answer, "error");
    const char *description = string_at(answer, "error_description");

    error_set(err, status >= 500 ? ERROR_SERVER : ERROR_UNAUTHORIZED,
              "the issuer \"%s\" does not renew the token of user \"%s\": HTTP %ld%s%s%s%s",
              oidc->config->oidc->issuer, user_of(oidc), status, *error ? ", " : "", error,
              *description ? ": " : "", description);
    return error_remedy(err, status >= 500 ? "try again in a moment" : "log in again");
}

static int nonsense(const struct kube_oidc *oidc, const char *what, struct error *err)
{
    error_set(err, ERROR_PROTOCOL, "the issuer \"%s\" %s", oidc->config->oidc->issuer, what);
    return error_remedy(err, "check idp-issuer-url in \"%s\"", oidc->config->oidc->path);
}

/* Return: the answer's JSON, to be released, with its status; NULL with the error when none came.
 */
static json_t *take_answer(struct kube_oidc *oidc, CURLcode code, const char *detail,
                           long *ret_status)
{
    const struct buf *answer = &oidc->transfer.answer;

    if (code != CURLE_OK) {
        issuer_error(oidc, code, detail, &oidc->error);
        return NULL;
    }
    curl_easy_getinfo(oidc->transfer.easy, CURLINFO_RESPONSE_CODE, ret_status);
    log_trace("%s: HTTP %ld, %zu bytes", oidc->url, *ret_status, answer->length);
    json_t *json = json_loadb((const char *)buf_bytes(answer), answer->length, 0, NULL);
    return json ? json : json_null();
}

static void exchange(struct kube_oidc *oidc, const char *endpoint);

static int keep_tokens(struct kube_oidc *oidc, const json_t *answer, struct error *err)
{
    const char *id_token = string_at(answer, "id_token");
    const char *refresh_token = string_at(answer, "refresh_token");

    if (!*id_token) {
        nonsense(oidc, "renews tokens without giving an id_token", err);
        return error_remedy(err, "log in again with the scope \"openid\"");
    }
    if (!is_valid(id_token))
        return nonsense(oidc, "gives an id_token that is not valid now", err);
    char *id = strdup(id_token), *refresh = *refresh_token ? strdup(refresh_token) : NULL;
    if (!id || (*refresh_token && !refresh)) {
        free(id);
        free(refresh);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    free(oidc->id_token);
    oidc->id_token = id;
    if (refresh) {
        free(oidc->refresh_token);
        oidc->refresh_token = refresh;
    }
    return 0;
}

static void on_exchanged(void *data, CURLcode code, const char *detail)
{
    struct kube_oidc *oidc = data;
    long status = 0;
    json_t *answer = take_answer(oidc, code, detail, &status);

    if (!answer) {
        end(oidc);
    } else if (status >= 200 && status < 300) {
        oidc->error = (struct error){0};
        if (keep_tokens(oidc, answer, &oidc->error) < 0)
            end(oidc);
        else
            store(oidc);
    } else if (!oidc->in_body && status < 500) {
        /* Issuers differ in how a client has to name itself: both ways are tried, as by client-go.
         */
        cleanup_free char *endpoint = steal_pointer(oidc->url);

        refused(oidc, status, answer, &oidc->error);
        oidc->in_body = true;
        exchange(oidc, endpoint);
    } else {
        /* Where only the client's name is wrong this time, the first answer tells more. */
        if (!oidc->in_body || strcmp(string_at(answer, "error"), "invalid_client") != 0)
            refused(oidc, status, answer, &oidc->error);
        end(oidc);
    }
    json_decref(answer);
}

static char *client_header(const struct kube_oidc_config *config)
{
    char *id = curl_easy_escape(NULL, config->client_id, 0);
    char *secret = curl_easy_escape(NULL, config->client_secret ? config->client_secret : "", 0);
    cleanup_free char *both = id && secret ? text_format("%s:%s", id, secret) : NULL;
    cleanup_free char *encoded = both ? text_base64_encode(both, strlen(both), false) : NULL;

    curl_free(id);
    curl_free(secret);
    return encoded ? text_format("Authorization: Basic %s", encoded) : NULL;
}

static char *exchange_body(const struct kube_oidc *oidc)
{
    const struct kube_oidc_config *config = oidc->config->oidc;
    char *token = curl_easy_escape(NULL, oidc->refresh_token, 0);
    char *id = curl_easy_escape(NULL, config->client_id, 0);
    char *secret = config->client_secret ? curl_easy_escape(NULL, config->client_secret, 0) : NULL;
    char *body = NULL;

    if (token && id)
        body = text_format("grant_type=refresh_token&refresh_token=%s%s%s%s%s", token,
                           oidc->in_body ? "&client_id=" : "", oidc->in_body ? id : "",
                           oidc->in_body && secret ? "&client_secret=" : "",
                           oidc->in_body && secret ? secret : "");
    curl_free(token);
    curl_free(id);
    curl_free(secret);
    return body;
}

static void exchange(struct kube_oidc *oidc, const char *endpoint)
{
    cleanup_free char *body = exchange_body(oidc);

    if (body) {
        fetch(oidc, endpoint, body, on_exchanged);
        return;
    }
    error_set(&oidc->error, ERROR_INTERNAL, "out of memory");
    end(oidc);
}

static void on_described(void *data, CURLcode code, const char *detail)
{
    struct kube_oidc *oidc = data;
    long status = 0;
    json_t *answer = take_answer(oidc, code, detail, &status);
    const char *endpoint = string_at(answer, "token_endpoint");

    if (!answer) {
        end(oidc);
    } else if (status != 200) {
        refused(oidc, status, answer, &oidc->error);
        if (status < 500)
            nonsense(oidc, "has no /.well-known/openid-configuration", &oidc->error);
        end(oidc);
    } else if (!*endpoint) {
        nonsense(oidc, "names no token_endpoint", &oidc->error);
        end(oidc);
    } else {
        exchange(oidc, endpoint);
    }
    json_decref(answer);
}

/* ---- requests ---- */

static int set_up(struct kube_oidc *oidc, const char *body, struct error *err)
{
    const struct kube_oidc_config *config = oidc->config->oidc;
    CURL *easy = oidc->transfer.easy;
    cleanup_free char *header = body && !oidc->in_body ? client_header(config) : NULL;
    struct kube_roots roots;

    if (kube_proxy_choose(NULL, oidc->url, &oidc->proxy, err) < 0 ||
        kube_roots_load(&config->certificate_authority, &roots, err) < 0)
        return -1;
    kube_proxy_apply(&oidc->proxy, easy);
    kube_roots_apply(&roots, &config->certificate_authority, easy);
    kube_roots_free(&roots);
    oidc->headers = curl_slist_append(NULL, "Accept: application/json");
    if (header)
        oidc->headers = curl_slist_append(oidc->headers, header);
    curl_easy_setopt(easy, CURLOPT_URL, oidc->url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, oidc->headers);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "kubectl-sniff/" KSNIFF_VERSION);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
    if (body) {
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, body);
    } else {
        curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
        curl_easy_setopt(easy, CURLOPT_MAXREDIRS, 10L);
    }
    return 0;
}

/* The next request of the renewal, in the place of the one before. @body: posted; NULL: a GET. */
static void fetch(struct kube_oidc *oidc, const char *url, const char *body,
                  kube_transfer_fn *finished)
{
    drop_transfer(oidc);
    oidc->url = strdup(url);
    oidc->transfer =
        (struct kube_transfer){.easy = curl_easy_init(), .finished = finished, .data = oidc};
    buf_init(&oidc->transfer.answer, MOST_ANSWER_BYTES);
    if (!oidc->url || !oidc->transfer.easy) {
        error_set(&oidc->error, ERROR_INTERNAL, "out of memory");
        end(oidc);
    } else if (set_up(oidc, body, &oidc->error) < 0) {
        end(oidc);
    } else {
        kube_transfer_keep_answer(&oidc->transfer);
        kube_transfers_add(oidc->transfers, &oidc->transfer);
    }
}

static void begin(struct kube_oidc *oidc)
{
    const char *issuer = oidc->config->oidc->issuer;
    size_t length = strlen(issuer);
    cleanup_free char *url =
        text_format("%.*s/.well-known/openid-configuration",
                    (int)(length > 0 && issuer[length - 1] == '/' ? length - 1 : length), issuer);

    oidc->running = true;
    oidc->in_body = false;
    oidc->error = (struct error){0};
    log_debug("renewing the token of user \"%s\" at \"%s\"", user_of(oidc), issuer);
    fetch(oidc, url ? url : "", NULL, on_described);
}

/* ---- the public side ---- */

static char *copy(const char *text)
{
    return text ? strdup(text) : NULL;
}

struct kube_oidc *kube_oidc_new(struct loop *loop, const struct kube_config *config)
{
    struct kube_oidc *oidc = calloc(1, sizeof(*oidc));

    if (!oidc)
        return NULL;
    oidc->loop = loop;
    oidc->config = config;
    oidc->id_token = copy(config->oidc->id_token);
    oidc->refresh_token = copy(config->oidc->refresh_token);
    oidc->transfers = kube_transfers_new(loop);
    if (oidc->transfers)
        return oidc;
    kube_oidc_free(oidc);
    return NULL;
}

void kube_oidc_free(struct kube_oidc *oidc)
{
    if (!oidc)
        return;
    drop_transfer(oidc);
    loop_remove_timer(oidc->lock_timer);
    kube_transfers_free(oidc->transfers);
    free(oidc->id_token);
    free(oidc->refresh_token);
    free(oidc);
}

/* Waits for the end of the renewal, which may be there already. */
static int wait_for_end(struct kube_oidc *oidc, struct error *err)
{
    for (unsigned ended = oidc->ended; oidc->running && ended == oidc->ended;) {
        if (loop_interrupted(oidc->loop)) {
            error_set(&oidc->error, ERROR_INTERRUPTED,
                      "interrupted while waiting for the issuer \"%s\"",
                      oidc->config->oidc->issuer);
            end(oidc);
            break;
        }
        loop_step(oidc->loop, -1);
    }
    if (oidc->error.kind == ERROR_NONE)
        return 0;
    if (err)
        *err = oidc->error;
    return -1;
}

int kube_oidc_token(struct kube_oidc *oidc, bool rejected, const char **ret_token,
                    struct error *err)
{
    cleanup_free char *before = copy(oidc->id_token);
    bool renewing = oidc->running;

    if (!renewing && (rejected || !is_valid(oidc->id_token))) {
        read_again(oidc);
        bool other = !before || !oidc->id_token || strcmp(before, oidc->id_token) != 0;

        renewing = oidc->refresh_token && ((rejected && !other) || !is_valid(oidc->id_token));
        if (renewing)
            begin(oidc);
    }
    if (renewing && wait_for_end(oidc, err) < 0)
        return -1;
    if (!is_valid(oidc->id_token))
        return explain_expiry(oidc, err);
    *ret_token = oidc->id_token;
    return 0;
}
