/* SPDX-License-Identifier: Apache-2.0 */
/*
 * users[].user.auth-provider: of those there were, client-go has only oidc left.
 * Source: client-go, plugin/pkg/client/auth.
 */
#ifndef KSNIFF_KUBE_KUBECONFIG_AUTH_PROVIDER_H
#define KSNIFF_KUBE_KUBECONFIG_AUTH_PROVIDER_H

#include <jansson.h>

#include "kube/kubeconfig.h"
#include "kube/kubeconfig_files.h"

/*
 * kubeconfig_load_oidc - read an auth-provider
 * @provider: of @user
 * @ret_oidc: owned by the caller, release with kube_oidc_config_free()
 *
 * Errors (ERROR_CONFIG): another provider, with what has followed it as the remedy; a field that is
 * missing or no string.
 */
int kubeconfig_load_oidc(const struct kubeconfig_entry *user, const json_t *provider,
                         struct kube_oidc_config **ret_oidc, struct error *err);

/* kubeconfig_reload_oidc - the same of the user @name of a file, as it is now. */
int kubeconfig_reload_oidc(const char *path, const char *name, struct kube_oidc_config **ret_oidc,
                           struct error *err);

/* kube_oidc_config_free - NULL is allowed. */
void kube_oidc_config_free(struct kube_oidc_config *oidc);

#endif
