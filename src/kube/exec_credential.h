/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an exec credential plugin is told and what it answers. Does no I/O.
 *
 * Source: https://kubernetes.io/docs/reference/config-api/client-authentication.v1/ and .v1beta1,
 * which have the same fields.
 */
#ifndef KSNIFF_KUBE_EXEC_CREDENTIAL_H
#define KSNIFF_KUBE_EXEC_CREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kube/kubeconfig.h"

struct error;

/* An answer. Everything is owned. A token, or certificate and key, or all three. */
struct exec_credential {
    char *token; /* printable ASCII */
    struct kube_blob certificate;
    struct kube_blob key;
    bool expires;
    int64_t expiry; /* seconds since 1970, UTC */
};

/*
 * exec_credential_request - the value of $KUBERNETES_EXEC_INFO
 * @interactive: the plugin may talk to the user on standard input
 *
 * Return: JSON text owned by the caller; NULL when out of memory.
 */
char *exec_credential_request(const struct kube_config *config, bool interactive);

/*
 * exec_credential_parse - read what the plugin printed
 * @ret_credential: release with exec_credential_free()
 *
 * Errors (ERROR_CONFIG): not a complete ExecCredential of the version that was asked for. The text
 * says what is wrong and never quotes the answer, which may hold secrets.
 */
int exec_credential_parse(const struct kube_exec_plugin *plugin, const void *answer, size_t length,
                          struct exec_credential *ret_credential, struct error *err);
void exec_credential_free(struct exec_credential *credential);

/*
 * exec_credential_is_header_value - can this token stand in an HTTP header as it is? (RFC 9110,
 * section 5.5: nothing but visible characters here)
 */
bool exec_credential_is_header_value(const char *token);

#endif
