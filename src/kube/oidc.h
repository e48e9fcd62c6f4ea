/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The auth-provider "oidc": a token of an OpenID issuer, renewed there when it has expired.
 *
 * Source: client-go, plugin/pkg/client/auth/oidc; OpenID Connect Discovery 1.0, section 4;
 * RFC 6749, section 6 (refreshing) and 2.3.1 (how a client names itself); RFC 7519 ("exp").
 */
#ifndef KSNIFF_KUBE_OIDC_H
#define KSNIFF_KUBE_OIDC_H

#include <stdbool.h>
#include <stdint.h>

#include "kube/kubeconfig.h"

struct error;
struct loop;
struct kube_oidc;

/*
 * kube_oidc_new - nothing is asked yet
 * @config: with config->oidc; it and @loop must outlive it
 *
 * Return: NULL when out of memory.
 */
struct kube_oidc *kube_oidc_new(struct loop *loop, const struct kube_config *config);
void kube_oidc_free(struct kube_oidc *oidc);

/*
 * kube_oidc_token - a token that is valid now
 * @rejected: the server has not taken the present one: get another
 * @ret_token: stays ours; until the next call
 *
 * One that has expired is looked for in the kubeconfig again, where kubectl may have renewed it;
 * else the issuer is asked, with the loop being stepped, and what it gives is written into the
 * kubeconfig. That this fails is a warning: the tokens are good all the same.
 *
 * Errors: expired, and no refresh-token (ERROR_CONFIG); the issuer cannot be reached (as of a
 * request), does not take the refresh-token (ERROR_UNAUTHORIZED), or answers nonsense
 * (ERROR_PROTOCOL); ERROR_INTERRUPTED.
 */
int kube_oidc_token(struct kube_oidc *oidc, bool rejected, const char **ret_token,
                    struct error *err);

/* kube_jwt_expiry - when a JSON Web Token expires: seconds since 1970, 0 where it does not say so.
 * Its signature is the server's to check. Return: 0, or -1 when it is none. */
int kube_jwt_expiry(const char *token, int64_t *ret_expiry);

#endif
