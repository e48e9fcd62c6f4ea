/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The credentials of the moment: what stands in the kubeconfig, what a token file says now, what an
 * exec credential plugin answered, or what an OpenID issuer gave (kube/oidc.h). Secrets are never
 * logged.
 *
 * Source of the plugin protocol:
 * https://kubernetes.io/docs/reference/config-api/client-authentication.v1/
 */
#ifndef KSNIFF_KUBE_CREDENTIALS_H
#define KSNIFF_KUBE_CREDENTIALS_H

#include <stdbool.h>
#include <stdint.h>

#include "kube/kubeconfig.h"

struct loop;
struct kube_credentials;

/* After so many milliseconds a token file is read again; only tests change it. */
extern uint64_t kube_token_file_age;

/* kube_credentials_new - nothing is read or run yet; @config and @loop must outlive it. */
struct kube_credentials *kube_credentials_new(struct loop *loop, const struct kube_config *config,
                                              struct error *err);
void kube_credentials_free(struct kube_credentials *credentials);

/*
 * kube_credentials_refresh - make sure that the credentials are usable now
 * @rejected: the server answered 401 to the present ones: read the token file again, run the plugin
 *            again, renew the id-token even if it has not expired
 * @ret_changed: did anything change? May be NULL.
 *
 * Runs a plugin inside the event loop; an interrupt ends it (ERROR_INTERRUPTED). Errors
 * (ERROR_CONFIG) name the plugin and carry its installHint or the end of its standard error.
 */
int kube_credentials_refresh(struct kube_credentials *credentials, bool rejected, bool *ret_changed,
                             struct error *err);

/* The value of the Authorization header ("Bearer ...", "Basic ..."), or NULL. Valid until the next
 * refresh, as are the two below. */
const char *kube_credentials_authorization(const struct kube_credentials *credentials);

/* PEM of the client certificate and its key; data is NULL where there is none. */
struct kube_blob kube_credentials_certificate(const struct kube_credentials *credentials);
struct kube_blob kube_credentials_key(const struct kube_credentials *credentials);

#endif
