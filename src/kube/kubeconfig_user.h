/* SPDX-License-Identifier: Apache-2.0 */
/* The user's half of the configuration: credentials and impersonation. */
#ifndef KSNIFF_KUBE_KUBECONFIG_USER_H
#define KSNIFF_KUBE_KUBECONFIG_USER_H

#include "kube/kubeconfig.h"
#include "kube/kubeconfig_files.h"

/*
 * kubeconfig_load_credentials - how the user proves who it is: the flags, else what stands in @user
 * @user: may have no body
 * @config: its client certificate, token, basic and exec fields are filled in
 *
 * --token takes the place of the user's token, token file, basic auth, auth-provider and plugin; an
 * auth-provider is left out where there is a token or basic auth (client-go: it adds no second
 * Authorization), a plugin where there is anything else (client-go, plugin/pkg/client/auth/exec:
 * UpdateTransportConfig).
 */
int kubeconfig_load_credentials(const struct kube_overrides *overrides,
                                const struct kubeconfig_entry *user, struct kube_config *config,
                                struct error *err);

/* kubeconfig_load_impersonation - whom the user acts as: the flags, else what stands in @user */
int kubeconfig_load_impersonation(const struct kube_overrides *overrides,
                                  const struct kubeconfig_entry *user, struct kube_config *config,
                                  struct error *err);

/*
 * kubeconfig_load_pem - a certificate or key from wherever it is given
 * @flag_path: the path on the command line, against the working directory; or NULL
 * @field: the name of the path's field; "-data" behind it names the one with the bytes, which wins
 * @ret_blob: left alone where none is given
 */
int kubeconfig_load_pem(const char *flag_path, const struct kubeconfig_entry *entry,
                        const char *field, struct kube_blob *ret_blob, struct error *err);

#endif
