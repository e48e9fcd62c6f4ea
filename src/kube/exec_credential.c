/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/exec_credential.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

/* ---- the question ---- */

static int set_string(json_t *object, const char *name, const char *value)
{
    return value ? json_object_set_new(object, name, json_string(value)) : 0;
}

/* spec.cluster: the cluster as the kubeconfig has it, its files replaced by what is in them. */
static json_t *describe_cluster(const struct kube_config *config)
{
    const struct kube_blob *authority = &config->certificate_authority;
    cleanup_free char *data = NULL;
    json_t *cluster = json_object();
    int failed = set_string(cluster, "server", config->server);

    failed |= set_string(cluster, "tls-server-name", config->tls_server_name);
    failed |= set_string(cluster, "proxy-url", config->proxy_url);
    if (config->insecure_skip_tls_verify)
        failed |= json_object_set_new(cluster, "insecure-skip-tls-verify", json_true());
    if (authority->data) {
        data = text_base64_encode(authority->data, authority->length, false);
        failed |= data ? set_string(cluster, "certificate-authority-data", data) : -1;
    }
    if (config->cluster_extension)
        failed |= json_object_set_new(cluster, "config",
                                      json_loads(config->cluster_extension, JSON_DECODE_ANY, NULL));
    if (!failed)
        return cluster;
    json_decref(cluster);
    return NULL;
}

char *exec_credential_request(const struct kube_config *config, bool interactive)
{
    json_t *spec = json_pack("{s:b}", "interactive", interactive);
    json_t *request = json_pack("{s:s, s:s, s:O}", "kind", "ExecCredential", "apiVersion",
                                config->exec->api_version, "spec", spec);
    char *text = NULL;
    int failed = 0;

    if (config->exec->provide_cluster_info)
        failed = json_object_set_new(spec, "cluster", describe_cluster(config));
    if (request && !failed)
        text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    json_decref(spec);
    return text;
}

/* ---- the answer ---- */

bool exec_credential_is_header_value(const char *token)
{
    if (!*token)
        return false;
    for (; *token; token++)
        if ((unsigned char)*token <= ' ' || (unsigned char)*token >= 0x7f)
            return false;
    return true;
}

/* A string of the status: NULL where it is absent, null or empty; -1 where it is no string. */
static int status_string(const json_t *status, const char *name, const char **ret_text,
                         struct error *err)
{
    const json_t *value = json_object_get(status, name);

    if (value && !json_is_null(value) && !json_is_string(value))
        return error_set(err, ERROR_CONFIG, "it answered with a \"%s\" that is no string", name);
    *ret_text = json_string_length(value) ? json_string_value(value) : NULL;
    return 0;
}

static int copy_pem(const char *text, const char *name, struct kube_blob *ret_blob,
                    struct error *err)
{
    if (!strstr(text, "-----BEGIN "))
        return error_set(err, ERROR_CONFIG, "it answered with a \"%s\" that is not in PEM form",
                         name);
    ret_blob->data = (unsigned char *)strdup(text);
    ret_blob->length = strlen(text);
    return ret_blob->data ? 0 : error_set(err, ERROR_INTERNAL, "out of memory");
}

static int read_status(const json_t *status, struct exec_credential *credential, struct error *err)
{
    const char *token = NULL, *certificate = NULL, *key = NULL, *expiry = NULL;

    if (!json_is_object(status))
        return error_set(err, ERROR_CONFIG, "it answered without a status");
    if (status_string(status, "token", &token, err) < 0 ||
        status_string(status, "clientCertificateData", &certificate, err) < 0 ||
        status_string(status, "clientKeyData", &key, err) < 0 ||
        status_string(status, "expirationTimestamp", &expiry, err) < 0)
        return -1;
    if (!token && !certificate && !key)
        return error_set(err, ERROR_CONFIG,
                         "it answered with neither a token nor a client certificate");
    if (!certificate != !key)
        return error_set(err, ERROR_CONFIG,
                         "it answered with only one of client certificate and key");
    if (token && !exec_credential_is_header_value(token))
        return error_set(err, ERROR_CONFIG,
                         "it answered with a token that cannot stand in an HTTP header");
    if (expiry && text_parse_time(expiry, &credential->expiry) < 0)
        return error_set(err, ERROR_CONFIG,
                         "it answered with the expirationTimestamp \"%s\", which is no RFC 3339 "
                         "time",
                         expiry);
    credential->expires = expiry != NULL;
    if (certificate &&
        (copy_pem(certificate, "clientCertificateData", &credential->certificate, err) < 0 ||
         copy_pem(key, "clientKeyData", &credential->key, err) < 0))
        return -1;
    if (token && !(credential->token = strdup(token)))
        return error_set(err, ERROR_INTERNAL, "out of memory");
    return 0;
}

static int read_answer(const struct kube_exec_plugin *plugin, const json_t *answer,
                       struct exec_credential *credential, struct error *err)
{
    const char *kind = json_string_value(json_object_get(answer, "kind"));
    const char *version = json_string_value(json_object_get(answer, "apiVersion"));

    if (!kind || strcmp(kind, "ExecCredential") != 0)
        return error_set(err, ERROR_CONFIG, "it did not answer with an ExecCredential");
    if (!version || strcmp(version, plugin->api_version) != 0) {
        error_set(err, ERROR_CONFIG, "it answered in version \"%s\", not in \"%s\"",
                  version ? version : "", plugin->api_version);
        return error_remedy(err, "set the exec apiVersion in the kubeconfig to the one that the "
                                 "plugin speaks");
    }
    return read_status(json_object_get(answer, "status"), credential, err);
}

int exec_credential_parse(const struct kube_exec_plugin *plugin, const void *answer, size_t length,
                          struct exec_credential *ret_credential, struct error *err)
{
    struct exec_credential credential = {.token = NULL};
    json_error_t problem;
    json_t *tree = json_loadb(answer, length, 0, &problem);
    int result;

    /* problem.text quotes the answer. */
    if (!tree)
        return error_set(err, ERROR_CONFIG, "its answer is not JSON (line %d, column %d)",
                         problem.line, problem.column);
    result = read_answer(plugin, tree, &credential, err);
    json_decref(tree);
    if (result < 0)
        exec_credential_free(&credential);
    else
        *ret_credential = credential;
    return result;
}

void exec_credential_free(struct exec_credential *credential)
{
    free(credential->token);
    free(credential->certificate.data);
    free(credential->key.data);
    *credential = (struct exec_credential){.token = NULL};
}
