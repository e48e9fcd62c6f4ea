/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who we are to the API server. Source:
 * https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/self-subject-review-v1/
 */
#ifndef KSNIFF_RECORDING_WHO_H
#define KSNIFF_RECORDING_WHO_H

struct kube_client;

/*
 * who_am_i - the user's name, as the server says it, else as the kubeconfig does
 *
 * Return: owned by the caller, "" where nobody knows; NULL when out of memory.
 */
char *who_am_i(struct kube_client *client);

#endif
