/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/credentials.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/text.h"
#include "kube/exec_plugin.h"
#include "kube/kubeconfig_files.h"
#include "kube/oidc.h"

enum {
    MOST_TOKEN_BYTES = 64 * 1024,
    EXPIRY_MARGIN_S = 15, /* for the way to the server, and for clocks */
};

uint64_t kube_token_file_age = 60 * 1000; /* as in client-go */

struct kube_credentials {
    struct loop *loop;
    const struct kube_config *config;
    char *authorization;
    bool has_file_token;    /* authorization comes from the token file */
    uint64_t file_read;     /* when that was, loop_now() */
    struct kube_oidc *oidc; /* NULL: no auth-provider */
    bool has_answer;        /* the plugin's credentials are in answer */
    bool asking;            /* it runs, and the loop is stepped meanwhile */
    struct exec_credential answer;
};

static int out_of_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

/* Takes over @value. */
static int set_authorization(struct kube_credentials *credentials, char *value, bool *changed,
                             struct error *err)
{
    if (!value)
        return out_of_memory(err);
    if (credentials->authorization && strcmp(credentials->authorization, value) == 0) {
        free(value);
        return 0;
    }
    free(credentials->authorization);
    credentials->authorization = value;
    *changed = true;
    return 0;
}

static int set_bearer(struct kube_credentials *credentials, const char *token, bool *changed,
                      struct error *err)
{
    return set_authorization(credentials, text_format("Bearer %s", token), changed, err);
}

static int set_basic(struct kube_credentials *credentials, struct error *err)
{
    const char *name = credentials->config->username;
    const char *password = credentials->config->password;
    cleanup_free char *both = text_format("%s:%s", name ? name : "", password ? password : "");
    cleanup_free char *encoded = both ? text_base64_encode(both, strlen(both), false) : NULL;
    bool changed;

    if (!encoded)
        return out_of_memory(err);
    return set_authorization(credentials, text_format("Basic %s", encoded), &changed, err);
}

/* What stands in the configuration itself and never changes. */
static int set_fixed(struct kube_credentials *credentials, struct error *err)
{
    const struct kube_config *config = credentials->config;
    bool changed;

    if (config->token) {
        if (!exec_credential_is_header_value(config->token))
            return error_set(err, ERROR_CONFIG,
                             "the token of user \"%s\" cannot stand in an HTTP header",
                             config->user ? config->user : "");
        return set_bearer(credentials, config->token, &changed, err);
    }
    if (config->username || config->password)
        return set_basic(credentials, err);
    return 0;
}

struct kube_credentials *kube_credentials_new(struct loop *loop, const struct kube_config *config,
                                              struct error *err)
{
    struct kube_credentials *credentials = calloc(1, sizeof(*credentials));

    if (!credentials) {
        out_of_memory(err);
        return NULL;
    }
    credentials->loop = loop;
    credentials->config = config;
    if (config->oidc && !(credentials->oidc = kube_oidc_new(loop, config)))
        out_of_memory(err);
    else if (set_fixed(credentials, err) == 0)
        return credentials;
    kube_credentials_free(credentials);
    return NULL;
}

void kube_credentials_free(struct kube_credentials *credentials)
{
    if (!credentials)
        return;
    free(credentials->authorization);
    kube_oidc_free(credentials->oidc);
    exec_credential_free(&credentials->answer);
    free(credentials);
}

/* ---- token file ---- */

static int read_token_file(struct kube_credentials *credentials, bool *changed, struct error *err)
{
    const char *path = credentials->config->token_file;
    struct kube_blob content;
    cleanup_free char *owned = NULL;

    if (kube_read_file(path, MOST_TOKEN_BYTES, &content, err) < 0)
        return error_prefix(err, "token");
    owned = (char *)content.data;
    bool has_nul = strlen(owned) != content.length;
    char *token = owned + strspn(owned, " \t\r\n");
    for (size_t length = strlen(token); length > 0 && strchr(" \t\r\n", token[length - 1]);)
        token[--length] = '\0';
    if (!*token)
        return error_set(err, ERROR_CONFIG, "the token file \"%s\" is empty", path);
    if (!exec_credential_is_header_value(token) || has_nul)
        return error_set(err, ERROR_CONFIG, "the token file \"%s\" does not hold one token", path);
    return set_bearer(credentials, token, changed, err);
}

/* A file that cannot be read for a moment, while it is rotated, does no harm as long as there is a
 * token that the server has not rejected. */
static int refresh_from_file(struct kube_credentials *credentials, bool rejected, bool *changed,
                             struct error *err)
{
    uint64_t now = loop_now();
    bool fresh = credentials->has_file_token && now - credentials->file_read < kube_token_file_age;

    if (fresh && !rejected)
        return 0;
    if (read_token_file(credentials, changed, err) == 0) {
        credentials->has_file_token = true;
        credentials->file_read = now;
        return 0;
    }
    return credentials->authorization && !rejected ? 0 : -1;
}

/* ---- plugin ---- */

static bool blobs_differ(const struct kube_blob *a, const struct kube_blob *b)
{
    return a->length != b->length || (a->length && memcmp(a->data, b->data, a->length) != 0);
}

static bool has_expired(const struct exec_credential *credential)
{
    return credential->expires && credential->expiry - EXPIRY_MARGIN_S <= (int64_t)time(NULL);
}

static int refresh_from_plugin(struct kube_credentials *credentials, bool rejected, bool *changed,
                               struct error *err)
{
    struct exec_credential answer;

    if (credentials->has_answer && !rejected && !has_expired(&credentials->answer))
        return 0;
    /* Whoever asks meanwhile takes those that there are: they are renewed before they expire. */
    if (credentials->asking && credentials->has_answer)
        return 0;
    credentials->asking = true;
    int result = exec_plugin_run(credentials->loop, credentials->config, &answer, err);
    credentials->asking = false;
    if (result < 0)
        return -1;
    *changed = blobs_differ(&answer.certificate, &credentials->answer.certificate) ||
               blobs_differ(&answer.key, &credentials->answer.key);
    exec_credential_free(&credentials->answer);
    credentials->answer = answer;
    credentials->has_answer = true;
    if (answer.token)
        return set_bearer(credentials, answer.token, changed, err);
    *changed = *changed || credentials->authorization;
    free(steal_pointer(credentials->authorization));
    return 0;
}

/* ---- auth-provider ---- */

static int refresh_from_oidc(struct kube_credentials *credentials, bool rejected, bool *changed,
                             struct error *err)
{
    const char *token;

    if (kube_oidc_token(credentials->oidc, rejected, &token, err) < 0)
        return -1;
    return set_bearer(credentials, token, changed, err);
}

int kube_credentials_refresh(struct kube_credentials *credentials, bool rejected, bool *ret_changed,
                             struct error *err)
{
    bool changed = false;
    int result = 0;

    if (credentials->config->exec)
        result = refresh_from_plugin(credentials, rejected, &changed, err);
    else if (credentials->oidc)
        result = refresh_from_oidc(credentials, rejected, &changed, err);
    else if (credentials->config->token_file)
        result = refresh_from_file(credentials, rejected, &changed, err);
    if (result == 0 && ret_changed)
        *ret_changed = changed;
    return result;
}

const char *kube_credentials_authorization(const struct kube_credentials *credentials)
{
    return credentials->authorization;
}

struct kube_blob kube_credentials_certificate(const struct kube_credentials *credentials)
{
    return credentials->has_answer ? credentials->answer.certificate
                                   : credentials->config->client_certificate;
}

struct kube_blob kube_credentials_key(const struct kube_credentials *credentials)
{
    return credentials->has_answer ? credentials->answer.key : credentials->config->client_key;
}
