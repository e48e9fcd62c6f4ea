/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service account that a pod has been given, for a client that runs inside of the cluster.
 *
 * Source: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/ and client-go's
 * rest.InClusterConfig.
 */
#ifndef KSNIFF_KUBE_KUBECONFIG_SERVICE_ACCOUNT_H
#define KSNIFF_KUBE_KUBECONFIG_SERVICE_ACCOUNT_H

#include <stdbool.h>

#include "kube/kubeconfig.h"

/* Where the kubelet puts token, ca.crt and namespace; only tests look elsewhere. */
extern const char *kube_service_account_directory;

/* kube_service_account_present - are the API server's address and a token there? */
bool kube_service_account_present(void);

/*
 * kube_service_account_load - fill in server, certificate authority, token file and namespace
 * @overrides: its certificate authority is left to the caller
 * @config: a namespace that is set stays
 */
int kube_service_account_load(const struct kube_overrides *overrides, struct kube_config *config,
                              struct error *err);

#endif
