/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kubeconfig_user.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "kube/kubeconfig_auth_provider.h"

enum { MOST_PEM_BYTES = 1024 * 1024 };

static int out_of_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

static int copy_string(const char *from, char **ret_copy, struct error *err)
{
    char *copy = strdup(from);

    if (!copy)
        return out_of_memory(err);
    *ret_copy = copy;
    return 0;
}

/* ---- certificates and keys ---- */

static int load_pem_file(const char *path, const char *field, struct kube_blob *ret_blob,
                         struct error *err)
{
    struct kube_blob blob;

    if (kube_read_file(path, MOST_PEM_BYTES, &blob, err) < 0)
        return error_prefix(err, "%s", field);
    if (!strstr((const char *)blob.data, "-----BEGIN ")) {
        free(blob.data);
        return error_set(err, ERROR_CONFIG, "%s \"%s\" is not in PEM form", field, path);
    }
    *ret_blob = blob;
    return 0;
}

static int decode_pem(const struct kubeconfig_entry *entry, const char *field, const char *text,
                      struct kube_blob *ret_blob, struct error *err)
{
    struct kube_blob blob;

    blob.data = text_base64_decode(text, strlen(text), &blob.length);
    if (!blob.data)
        return error_set(err, ERROR_CONFIG,
                         "\"%s\" of %s \"%s\" in kubeconfig \"%s\" is not base64", field,
                         entry->kind, entry->name, entry->path);
    if (!strstr((const char *)blob.data, "-----BEGIN ")) {
        free(blob.data);
        return error_set(err, ERROR_CONFIG,
                         "\"%s\" of %s \"%s\" in kubeconfig \"%s\" is not in PEM form", field,
                         entry->kind, entry->name, entry->path);
    }
    *ret_blob = blob;
    return 0;
}

int kubeconfig_load_pem(const char *flag_path, const struct kubeconfig_entry *entry,
                        const char *field, struct kube_blob *ret_blob, struct error *err)
{
    cleanup_free char *text = NULL, *path = NULL, *absolute = NULL;
    char data_field[64];

    if (flag_path)
        return load_pem_file(flag_path, field, ret_blob, err);
    snprintf(data_field, sizeof(data_field), "%s-data", field);
    if (kubeconfig_string(entry, entry->body, data_field, &text, err) < 0 ||
        kubeconfig_string(entry, entry->body, field, &path, err) < 0)
        return -1;
    if (text)
        return decode_pem(entry, data_field, text, ret_blob, err);
    if (!path)
        return 0;
    absolute = kubeconfig_path(entry, path);
    return absolute ? load_pem_file(absolute, field, ret_blob, err) : out_of_memory(err);
}

static int load_certificate(const struct kube_overrides *overrides,
                            const struct kubeconfig_entry *user, struct kube_config *config,
                            struct error *err)
{
    if (kubeconfig_load_pem(overrides->client_certificate, user, "client-certificate",
                            &config->client_certificate, err) < 0)
        return -1;
    if (!config->client_certificate.data) {
        /* A key alone says nothing; kubectl does not even look at it. */
        if (overrides->client_key)
            return error_set(err, ERROR_USAGE,
                             "--client-key is given, but there is no client certificate");
        return 0;
    }
    if (kubeconfig_load_pem(overrides->client_key, user, "client-key", &config->client_key, err) <
        0)
        return -1;
    if (!config->client_key.data)
        return error_set(err, ERROR_CONFIG,
                         "user \"%s\" has a client certificate, but no client-key or "
                         "client-key-data",
                         user->name);
    return 0;
}

/* ---- exec ---- */

static int load_args(const struct kubeconfig_entry *user, const json_t *exec,
                     struct kube_exec_plugin *plugin, struct error *err)
{
    const json_t *args;
    json_t *arg;
    size_t i;

    if (kubeconfig_member(user, exec, "args", JSON_ARRAY, &args, err) < 0)
        return -1;
    plugin->args = calloc(json_array_size(args) + 1, sizeof(*plugin->args));
    if (!plugin->args)
        return out_of_memory(err);
    json_array_foreach(args, i, arg)
    {
        if (!json_is_string(arg)) {
            error_set(err, ERROR_CONFIG,
                      "argument %zu of the credential plugin of user \"%s\" is not a string", i + 1,
                      user->name);
            return error_remedy(err, "put it between quotation marks in \"%s\"", user->path);
        }
        if (copy_string(json_string_value(arg), &plugin->args[i], err) < 0)
            return -1;
    }
    return 0;
}

static int load_env(const struct kubeconfig_entry *user, const json_t *exec,
                    struct kube_exec_plugin *plugin, struct error *err)
{
    const json_t *env;
    json_t *variable;
    size_t i;

    if (kubeconfig_member(user, exec, "env", JSON_ARRAY, &env, err) < 0)
        return -1;
    plugin->env = calloc(json_array_size(env) + 1, sizeof(*plugin->env));
    if (!plugin->env)
        return out_of_memory(err);
    json_array_foreach(env, i, variable)
    {
        struct kube_pair *pair = &plugin->env[plugin->env_count++];

        if (kubeconfig_string(user, variable, "name", &pair->name, err) < 0 ||
            kubeconfig_string(user, variable, "value", &pair->value, err) < 0)
            return error_prefix(err, "exec env");
        if (!pair->name || strchr(pair->name, '='))
            return error_set(err, ERROR_CONFIG,
                             "environment variable %zu of the credential plugin of user \"%s\" has "
                             "no valid name",
                             i + 1, user->name);
        if (!pair->value && copy_string("", &pair->value, err) < 0)
            return -1;
    }
    return 0;
}

static int check_api_version(const struct kubeconfig_entry *user,
                             const struct kube_exec_plugin *plugin, struct error *err)
{
    const char *version = plugin->api_version;

    if (version && (strcmp(version, "client.authentication.k8s.io/v1") == 0 ||
                    strcmp(version, "client.authentication.k8s.io/v1beta1") == 0))
        return 0;
    error_set(err, ERROR_CONFIG,
              version ? "the credential plugin of user \"%s\" has the apiVersion \"%s\", which is "
                        "not supported"
                      : "the credential plugin of user \"%s\" has no apiVersion%s",
              user->name, version ? version : "");
    return error_remedy(err,
                        "set it to client.authentication.k8s.io/v1 or v1beta1 in \"%s\", whichever "
                        "\"%s\" speaks",
                        user->path, plugin->command);
}

/* v1 wants the mode to be said; v1beta1, which is older than it, has a default. */
static int check_interactive_mode(const struct kubeconfig_entry *user,
                                  struct kube_exec_plugin *plugin, struct error *err)
{
    static const char *const modes[] = {"Never", "IfAvailable", "Always"};

    if (!plugin->interactive_mode) {
        if (strcmp(plugin->api_version, "client.authentication.k8s.io/v1beta1") == 0)
            return copy_string("IfAvailable", &plugin->interactive_mode, err);
        error_set(err, ERROR_CONFIG, "the credential plugin of user \"%s\" has no interactiveMode",
                  user->name);
        return error_remedy(err, "set it to Never, IfAvailable or Always in \"%s\"", user->path);
    }
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (strcmp(plugin->interactive_mode, modes[i]) == 0)
            return 0;
    error_set(err, ERROR_CONFIG,
              "the credential plugin of user \"%s\" has the unknown interactiveMode \"%s\"",
              user->name, plugin->interactive_mode);
    return error_remedy(err, "set it to Never, IfAvailable or Always in \"%s\"", user->path);
}

static int load_exec(const struct kubeconfig_entry *user, const json_t *exec,
                     struct kube_config *config, struct error *err)
{
    struct kube_exec_plugin *plugin = config->exec = calloc(1, sizeof(*plugin));

    if (!plugin)
        return out_of_memory(err);
    if (kubeconfig_string(user, exec, "apiVersion", &plugin->api_version, err) < 0 ||
        kubeconfig_string(user, exec, "command", &plugin->command, err) < 0 ||
        kubeconfig_string(user, exec, "installHint", &plugin->install_hint, err) < 0 ||
        kubeconfig_string(user, exec, "interactiveMode", &plugin->interactive_mode, err) < 0 ||
        kubeconfig_bool(user, exec, "provideClusterInfo", &plugin->provide_cluster_info, err) < 0 ||
        load_args(user, exec, plugin, err) < 0 || load_env(user, exec, plugin, err) < 0)
        return -1;
    if (!plugin->command)
        return error_set(err, ERROR_CONFIG, "the credential plugin of user \"%s\" has no command",
                         user->name);
    if (check_api_version(user, plugin, err) < 0 || check_interactive_mode(user, plugin, err) < 0)
        return -1;
    /* A bare name is looked for on PATH. */
    if (!strchr(plugin->command, '/'))
        return 0;
    char *command = kubeconfig_path(user, plugin->command);
    if (!command)
        return out_of_memory(err);
    free(plugin->command);
    plugin->command = command;
    return 0;
}

/* ---- all of it ---- */

static int load_token(const struct kube_overrides *overrides, const struct kubeconfig_entry *user,
                      struct kube_config *config, struct error *err)
{
    cleanup_free char *path = NULL;

    if (overrides->token)
        return copy_string(overrides->token, &config->token, err);
    if (kubeconfig_string(user, user->body, "token", &config->token, err) < 0 ||
        kubeconfig_string(user, user->body, "tokenFile", &path, err) < 0 ||
        kubeconfig_string(user, user->body, "username", &config->username, err) < 0 ||
        kubeconfig_string(user, user->body, "password", &config->password, err) < 0)
        return -1;
    if (path) {
        config->token_file = kubeconfig_path(user, path);
        if (!config->token_file)
            return out_of_memory(err);
    }
    if ((config->token || config->token_file) && (config->username || config->password))
        return error_set(err, ERROR_CONFIG,
                         "user \"%s\" in kubeconfig \"%s\" has both a token and a user name with "
                         "password: only one can be used",
                         user->name, user->path);
    return 0;
}

int kubeconfig_load_credentials(const struct kube_overrides *overrides,
                                const struct kubeconfig_entry *user, struct kube_config *config,
                                struct error *err)
{
    const json_t *exec, *provider;

    if (load_certificate(overrides, user, config, err) < 0 ||
        load_token(overrides, user, config, err) < 0 ||
        kubeconfig_member(user, user->body, "exec", JSON_OBJECT, &exec, err) < 0 ||
        kubeconfig_member(user, user->body, "auth-provider", JSON_OBJECT, &provider, err) < 0)
        return -1;
    if (overrides->token || overrides->client_certificate)
        return 0;
    if (provider && exec)
        return error_set(err, ERROR_CONFIG,
                         "user \"%s\" in kubeconfig \"%s\" has both an auth-provider and an exec "
                         "credential plugin: remove one",
                         user->name, user->path);
    if (provider && kubeconfig_load_oidc(user, provider, &config->oidc, err) < 0)
        return -1;
    if (provider && (config->token || config->token_file || config->username || config->password))
        kube_oidc_config_free(steal_pointer(config->oidc));
    if (!exec || config->token || config->token_file || config->username || config->password ||
        config->client_certificate.data)
        return 0;
    return load_exec(user, exec, config, err);
}

/* ---- impersonation ---- */

static int load_groups(const struct kube_overrides *overrides, const struct kubeconfig_entry *user,
                       struct kube_config *config, struct error *err)
{
    const json_t *groups;
    size_t flags = 0, count;

    while (overrides->as_groups && overrides->as_groups[flags])
        flags++;
    if (kubeconfig_member(user, user->body, "as-groups", JSON_ARRAY, &groups, err) < 0)
        return -1;
    count = flags ? flags : json_array_size(groups);
    if (count == 0)
        return 0;
    config->as_groups = calloc(count + 1, sizeof(*config->as_groups));
    if (!config->as_groups)
        return out_of_memory(err);
    for (size_t i = 0; i < count; i++) {
        const char *group =
            flags ? overrides->as_groups[i] : json_string_value(json_array_get(groups, i));

        if (!group)
            return error_set(err, ERROR_CONFIG,
                             "\"as-groups\" of user \"%s\" in kubeconfig \"%s\" is no list of "
                             "strings",
                             user->name, user->path);
        if (copy_string(group, &config->as_groups[i], err) < 0)
            return -1;
    }
    return 0;
}

static int add_extra(struct kube_config *config, const char *name, const char *value,
                     struct error *err)
{
    struct kube_pair *grown =
        realloc(config->as_extra, (config->as_extra_count + 1) * sizeof(*config->as_extra));

    if (!grown)
        return out_of_memory(err);
    config->as_extra = grown;
    struct kube_pair *pair = &grown[config->as_extra_count++];
    *pair = (struct kube_pair){.name = strdup(name), .value = strdup(value)};
    return pair->name && pair->value ? 0 : out_of_memory(err);
}

static int load_extra(const struct kubeconfig_entry *user, struct kube_config *config,
                      struct error *err)
{
    const json_t *extra;
    const char *key;
    json_t *values, *value;
    size_t i;

    if (kubeconfig_member(user, user->body, "as-user-extra", JSON_OBJECT, &extra, err) < 0)
        return -1;
    /* jansson's iterator wants a tree that may be changed; it does not change it. */
    json_object_foreach((json_t *)(uintptr_t)extra, key, values)
    {
        if (!json_is_array(values) && !json_is_null(values))
            goto wrong;
        json_array_foreach(values, i, value)
        {
            if (!json_is_string(value))
                goto wrong;
            if (add_extra(config, key, json_string_value(value), err) < 0)
                return -1;
        }
    }
    return 0;

wrong:
    return error_set(err, ERROR_CONFIG,
                     "\"as-user-extra\" of user \"%s\" in kubeconfig \"%s\" is no map of lists of "
                     "strings",
                     user->name, user->path);
}

int kubeconfig_load_impersonation(const struct kube_overrides *overrides,
                                  const struct kubeconfig_entry *user, struct kube_config *config,
                                  struct error *err)
{
    if (kubeconfig_string(user, user->body, "as", &config->as, err) < 0 ||
        kubeconfig_string(user, user->body, "as-uid", &config->as_uid, err) < 0 ||
        load_groups(overrides, user, config, err) < 0 || load_extra(user, config, err) < 0)
        return -1;
    if (overrides->as) {
        free(steal_pointer(config->as));
        if (copy_string(overrides->as, &config->as, err) < 0)
            return -1;
    }
    if (overrides->as_uid) {
        free(steal_pointer(config->as_uid));
        if (copy_string(overrides->as_uid, &config->as_uid, err) < 0)
            return -1;
    }
    if (config->as || (!config->as_uid && !config->as_groups && !config->as_extra))
        return 0;
    bool flags = overrides->as_uid || (overrides->as_groups && overrides->as_groups[0]);
    error_set(err, flags ? ERROR_USAGE : ERROR_CONFIG,
              "groups, a uid or extra fields to act as are given, but no user to act as");
    return error_remedy(err, flags ? "add --as" : "add \"as\" to the user in the kubeconfig");
}
