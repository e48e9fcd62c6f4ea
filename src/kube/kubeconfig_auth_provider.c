/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kubeconfig_auth_provider.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "kube/kubeconfig_user.h"

/* Each of the others was followed by an exec plugin. */
static int refuse(const struct kubeconfig_entry *user, const char *name, struct error *err)
{
    static const char *const remedies[][2] = {
        {"gcp", "install gke-gcloud-auth-plugin and run \"gcloud container clusters "
                "get-credentials\" again"},
        {"azure", "install kubelogin (https://github.com/Azure/kubelogin) and run \"kubelogin "
                  "convert-kubeconfig\""},
    };

    error_set(err, ERROR_CONFIG,
              "user \"%s\" logs in by the auth-provider \"%s\", which is not supported", user->name,
              name ? name : "");
    for (size_t i = 0; name && i < sizeof(remedies) / sizeof(remedies[0]); i++)
        if (strcmp(name, remedies[i][0]) == 0)
            return error_remedy(err, "%s", remedies[i][1]);
    return error_remedy(err, "use an exec credential plugin or a token in its place");
}

static int missing(const struct kubeconfig_entry *user, const char *field, struct error *err)
{
    error_set(err, ERROR_CONFIG, "the auth-provider of user \"%s\" has no %s", user->name, field);
    return error_remedy(err, "add it to its config in \"%s\"", user->path);
}

/* A path is one from the working directory, as to kubectl, or else from the file's folder. */
static int load_authority(const struct kubeconfig_entry *config, struct kube_blob *ret_authority,
                          struct error *err)
{
    static const char field[] = "idp-certificate-authority";
    cleanup_free char *data = NULL, *path = NULL;

    if (kubeconfig_string(config, config->body, "idp-certificate-authority-data", &data, err) < 0 ||
        kubeconfig_string(config, config->body, field, &path, err) < 0)
        return -1;
    bool here = !data && path && access(path, R_OK) == 0;
    return kubeconfig_load_pem(here ? path : NULL, config, field, ret_authority, err);
}

static int load_fields(const struct kubeconfig_entry *user, const json_t *provider,
                       struct kube_oidc_config *oidc, struct error *err)
{
    struct kubeconfig_entry config = *user;

    if (kubeconfig_member(user, provider, "config", JSON_OBJECT, &config.body, err) < 0 ||
        kubeconfig_string(&config, config.body, "idp-issuer-url", &oidc->issuer, err) < 0 ||
        kubeconfig_string(&config, config.body, "client-id", &oidc->client_id, err) < 0 ||
        kubeconfig_string(&config, config.body, "client-secret", &oidc->client_secret, err) < 0 ||
        kubeconfig_string(&config, config.body, "id-token", &oidc->id_token, err) < 0 ||
        kubeconfig_string(&config, config.body, "refresh-token", &oidc->refresh_token, err) < 0)
        return -1;
    if (!oidc->issuer)
        return missing(user, "idp-issuer-url", err);
    if (!oidc->client_id)
        return missing(user, "client-id", err);
    oidc->path = strdup(user->path);
    if (!oidc->path)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    return load_authority(&config, &oidc->certificate_authority, err);
}

int kubeconfig_load_oidc(const struct kubeconfig_entry *user, const json_t *provider,
                         struct kube_oidc_config **ret_oidc, struct error *err)
{
    const char *name = json_string_value(json_object_get(provider, "name"));

    if (!name || strcmp(name, "oidc") != 0)
        return refuse(user, name, err);
    struct kube_oidc_config *oidc = calloc(1, sizeof(*oidc));
    if (!oidc)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (load_fields(user, provider, oidc, err) < 0) {
        kube_oidc_config_free(oidc);
        return -1;
    }
    *ret_oidc = oidc;
    return 0;
}

int kubeconfig_reload_oidc(const char *path, const char *name, struct kube_oidc_config **ret_oidc,
                           struct error *err)
{
    struct kubeconfig_files files;
    struct kubeconfig_entry user;
    const json_t *provider = NULL;

    if (kubeconfig_files_load(path, &files, err) < 0)
        return -1;
    kubeconfig_find(&files, "user", name, &user);
    int result = kubeconfig_member(&user, user.body, "auth-provider", JSON_OBJECT, &provider, err);
    if (result == 0 && !provider)
        result = error_set(err, ERROR_CONFIG,
                           "kubeconfig \"%s\" has no auth-provider of user \"%s\"", path, name);
    if (result == 0)
        result = kubeconfig_load_oidc(&user, provider, ret_oidc, err);
    kubeconfig_files_free(&files);
    return result;
}

void kube_oidc_config_free(struct kube_oidc_config *oidc)
{
    if (!oidc)
        return;
    free(oidc->path);
    free(oidc->issuer);
    free(oidc->client_id);
    free(oidc->client_secret);
    free(oidc->id_token);
    free(oidc->refresh_token);
    free(oidc->certificate_authority.data);
    free(oidc);
}
