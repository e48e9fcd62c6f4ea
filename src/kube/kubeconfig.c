/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kubeconfig.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "kube/kubeconfig_auth_provider.h"
#include "kube/kubeconfig_files.h"
#include "kube/kubeconfig_service_account.h"
#include "kube/kubeconfig_user.h"

/* Under this name a cluster carries what its users' exec plugins want to know. */
#define EXEC_EXTENSION "client.authentication.k8s.io/exec"

static int out_of_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

static void free_strings(char **strings)
{
    for (char **at = strings; at && *at; at++)
        free(*at);
    free(strings);
}

static void free_pairs(struct kube_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(pairs[i].name);
        free(pairs[i].value);
    }
    free(pairs);
}

static void free_plugin(struct kube_exec_plugin *plugin)
{
    if (!plugin)
        return;
    free(plugin->api_version);
    free(plugin->command);
    free_strings(plugin->args);
    free_pairs(plugin->env, plugin->env_count);
    free(plugin->install_hint);
    free(plugin->interactive_mode);
    free(plugin);
}

void kube_config_free(struct kube_config *config)
{
    if (!config)
        return;
    free(config->context);
    free(config->cluster);
    free(config->user);
    free(config->namespace);
    free(config->server);
    free(config->tls_server_name);
    free(config->proxy_url);
    free(config->certificate_authority.data);
    free(config->cluster_extension);
    free(config->client_certificate.data);
    free(config->client_key.data);
    free(config->token);
    free(config->token_file);
    free(config->username);
    free(config->password);
    free_plugin(config->exec);
    kube_oidc_config_free(config->oidc);
    free(config->as);
    free(config->as_uid);
    free_strings(config->as_groups);
    free_pairs(config->as_extra, config->as_extra_count);
    free(config);
}

/* ---- which context, cluster and user ---- */

/* Replaces *string by a copy of @value, unless that is NULL. */
static int override_string(char **string, const char *value, struct error *err)
{
    if (!value)
        return 0;
    char *copy = strdup(value);
    if (!copy)
        return out_of_memory(err);
    free(*string);
    *string = copy;
    return 0;
}

static int select_names(const struct kubeconfig_files *files,
                        const struct kube_overrides *overrides, struct kube_config *config,
                        struct error *err)
{
    const char *name = overrides->context ? overrides->context : kubeconfig_current_context(files);
    struct kubeconfig_entry context;

    if (name) {
        if (!kubeconfig_find(files, "context", name, &context))
            return kubeconfig_not_found(files, "context", name, err);
        if (override_string(&config->context, name, err) < 0 ||
            kubeconfig_string(&context, context.body, "cluster", &config->cluster, err) < 0 ||
            kubeconfig_string(&context, context.body, "user", &config->user, err) < 0 ||
            kubeconfig_string(&context, context.body, "namespace", &config->namespace, err) < 0)
            return -1;
    }
    if (override_string(&config->cluster, overrides->cluster, err) < 0 ||
        override_string(&config->user, overrides->user, err) < 0 ||
        override_string(&config->namespace, overrides->namespace, err) < 0)
        return -1;
    return 0;
}

/* Nothing says which server: tell why, for the files that there are. */
static int no_cluster(const struct kubeconfig_files *files, const struct kube_config *config,
                      struct error *err)
{
    if (config->context)
        return error_set(err, ERROR_CONFIG, "context \"%s\" names no cluster", config->context);
    if (files->count > 0) {
        error_set(err, ERROR_CONFIG, "the kubeconfig selects no context");
        return error_remedy(
            err, "choose one with --context, or for good with \"kubectl config use-context\"");
    }
    if (files->missing)
        error_set(err, ERROR_CONFIG, "no kubeconfig: %s does not exist", files->missing);
    else
        error_set(err, ERROR_CONFIG, "no kubeconfig");
    return error_remedy(err, "set KUBECONFIG or --kubeconfig to the file of your cluster");
}

/* ---- the cluster ---- */

static bool has_blank_or_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || *text == 0x7f)
            return true;
    return false;
}

/* Cuts query, fragment and final slashes off: kubectl uses scheme, host and path. */
static int normalize_server(char *server, const char *cluster, struct error *err)
{
    const char *host = strncasecmp(server, "https://", 8) == 0  ? server + 8
                       : strncasecmp(server, "http://", 7) == 0 ? server + 7
                                                                : NULL;

    const char *scheme = strstr(server, "://");
    const char *authority = scheme ? scheme + 3 : server;

    /* A password in the address would be seen in every message about the server. */
    if (memchr(authority, '@', strcspn(authority, "/?#"))) {
        error_set(err, ERROR_CONFIG, "the server of cluster \"%s\" has a user name in its URL",
                  cluster);
        return error_remedy(err, "put user name and password into the user's entry");
    }
    if (!host || has_blank_or_control(server) || strcspn(host, "/?#") == 0) {
        error_set(err, ERROR_CONFIG, "the server \"%s\" is no http or https URL", server);
        if (!scheme && *server && !has_blank_or_control(server))
            return error_remedy(err, "did you mean \"https://%s\"?", server);
        return -1;
    }
    server[strcspn(server, "?#")] = '\0';
    for (size_t length = strlen(server); server + length > host && server[length - 1] == '/';)
        server[--length] = '\0';
    for (char *at = server; *at != ':'; at++)
        *at = (char)tolower((unsigned char)*at);
    return 0;
}

/* The URL may hold a password: it never stands in a message. */
static int check_proxy(const char *url, const char *cluster, struct error *err)
{
    static const char *const schemes[] = {"http", "https", "socks5", "socks5h"};
    const char *end = strstr(url, "://");

    for (size_t i = 0; end && i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (strlen(schemes[i]) == (size_t)(end - url) &&
            strncasecmp(url, schemes[i], (size_t)(end - url)) == 0 && end[3] && end[3] != '/' &&
            !has_blank_or_control(url))
            return 0;
    error_set(err, ERROR_CONFIG, "the proxy-url of cluster \"%s\" is no proxy's URL", cluster);
    return error_remedy(err, "write it as http://, https://, socks5:// or socks5h://HOST:PORT");
}

static int load_extension(const struct kubeconfig_entry *cluster, struct kube_config *config,
                          struct error *err)
{
    const json_t *extensions;
    json_t *extension;
    size_t i;

    if (kubeconfig_member(cluster, cluster->body, "extensions", JSON_ARRAY, &extensions, err) < 0)
        return -1;
    json_array_foreach(extensions, i, extension)
    {
        const char *name = json_string_value(json_object_get(extension, "name"));
        const json_t *value = json_object_get(extension, "extension");

        if (!name || strcmp(name, EXEC_EXTENSION) != 0 || !value || json_is_null(value))
            continue;
        config->cluster_extension = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        return config->cluster_extension ? 0 : out_of_memory(err);
    }
    return 0;
}

/* How far to trust the server. Each flag takes the place of what the file says about both. */
static int load_trust(const struct kube_overrides *overrides,
                      const struct kubeconfig_entry *cluster, struct kube_config *config,
                      struct error *err)
{
    bool insecure;

    if (kubeconfig_bool(cluster, cluster->body, "insecure-skip-tls-verify", &insecure, err) < 0)
        return -1;
    if (overrides->insecure_skip_tls_verify && overrides->certificate_authority)
        return error_set(err, ERROR_USAGE,
                         "--certificate-authority and --insecure-skip-tls-verify contradict each "
                         "other");
    if (overrides->insecure_skip_tls_verify) {
        config->insecure_skip_tls_verify = true;
        return 0;
    }
    if (kubeconfig_load_pem(overrides->certificate_authority, cluster, "certificate-authority",
                            &config->certificate_authority, err) < 0)
        return -1;
    config->insecure_skip_tls_verify = insecure && !overrides->certificate_authority;
    if (config->insecure_skip_tls_verify && config->certificate_authority.data)
        return error_set(err, ERROR_CONFIG,
                         "cluster \"%s\" in kubeconfig \"%s\" has both a certificate-authority and "
                         "insecure-skip-tls-verify: remove one",
                         cluster->name, cluster->path);
    return 0;
}

static int load_cluster(const struct kube_overrides *overrides,
                        const struct kubeconfig_entry *cluster, struct kube_config *config,
                        struct error *err)
{
    if (kubeconfig_string(cluster, cluster->body, "server", &config->server, err) < 0 ||
        kubeconfig_string(cluster, cluster->body, "tls-server-name", &config->tls_server_name,
                          err) < 0 ||
        kubeconfig_string(cluster, cluster->body, "proxy-url", &config->proxy_url, err) < 0 ||
        load_extension(cluster, config, err) < 0)
        return -1;
    /* The name in the certificate belongs to the server that the file names. */
    if (overrides->server)
        free(steal_pointer(config->tls_server_name));
    if (override_string(&config->server, overrides->server, err) < 0 ||
        override_string(&config->tls_server_name, overrides->tls_server_name, err) < 0)
        return -1;
    if (!config->server)
        return error_set(err, ERROR_CONFIG, "cluster \"%s\" in kubeconfig \"%s\" has no server",
                         cluster->name, cluster->path);
    if (normalize_server(config->server, cluster->name, err) < 0 ||
        (config->proxy_url && check_proxy(config->proxy_url, cluster->name, err) < 0))
        return -1;
    return load_trust(overrides, cluster, config, err);
}

/* ---- all of it ---- */

/* Without TLS everybody on the way could read the credentials: kubectl sends none then. */
static bool may_send_credentials(const struct kube_config *config)
{
    return strncmp(config->server, "https://", 8) == 0;
}

static int load_user(const struct kube_overrides *overrides, const struct kubeconfig_entry *user,
                     struct kube_config *config, struct error *err)
{
    if (may_send_credentials(config) &&
        kubeconfig_load_credentials(overrides, user, config, err) < 0)
        return -1;
    return kubeconfig_load_impersonation(overrides, user, config, err);
}

static int resolve_files(const struct kubeconfig_files *files,
                         const struct kube_overrides *overrides, struct kube_config *config,
                         struct error *err)
{
    struct kubeconfig_entry cluster = {.kind = "cluster", .name = ""};
    struct kubeconfig_entry user = {.kind = "user", .name = ""};

    if (!config->cluster && !overrides->server)
        return no_cluster(files, config, err);
    if (config->cluster && !kubeconfig_find(files, "cluster", config->cluster, &cluster))
        return kubeconfig_not_found(files, "cluster", config->cluster, err);
    bool needed = overrides->user || (!overrides->token && !overrides->client_certificate);
    if (config->user && !kubeconfig_find(files, "user", config->user, &user) && needed)
        return kubeconfig_not_found(files, "user", config->user, err);
    if (load_cluster(overrides, &cluster, config, err) < 0)
        return -1;
    return load_user(overrides, &user, config, err);
}

static int resolve_in_cluster(const struct kube_overrides *overrides, struct kube_config *config,
                              struct error *err)
{
    struct kubeconfig_entry none = {.kind = "user", .name = "service account"};

    if (overrides->user) {
        error_set(err, ERROR_CONFIG, "user \"%s\" does not exist: there is no kubeconfig",
                  overrides->user);
        return -1;
    }
    if (kube_service_account_load(overrides, config, err) < 0)
        return -1;
    if (overrides->insecure_skip_tls_verify || overrides->certificate_authority) {
        free(config->certificate_authority.data);
        config->certificate_authority = (struct kube_blob){.data = NULL};
        if (load_trust(overrides, &none, config, err) < 0)
            return -1;
    }
    if (override_string(&config->tls_server_name, overrides->tls_server_name, err) < 0)
        return -1;
    if (overrides->token)
        free(steal_pointer(config->token_file));
    return load_user(overrides, &none, config, err);
}

int kube_config_load(const struct kube_overrides *overrides, struct kube_config **ret_config,
                     struct error *err)
{
    struct kubeconfig_files files;
    struct kube_config *config = calloc(1, sizeof(*config));
    int result;

    if (!config)
        return out_of_memory(err);
    if (kubeconfig_files_load(overrides->kubeconfig, &files, err) < 0) {
        kube_config_free(config);
        return -1;
    }
    result = select_names(&files, overrides, config, err);
    if (result == 0) {
        bool nothing = !config->context && !config->cluster && !overrides->server;

        result = nothing && kube_service_account_present()
                     ? resolve_in_cluster(overrides, config, err)
                     : resolve_files(&files, overrides, config, err);
    }
    if (result == 0 && !config->namespace)
        result = override_string(&config->namespace, "default", err);
    kubeconfig_files_free(&files);
    if (result < 0)
        kube_config_free(config);
    else
        *ret_config = config;
    return result;
}
