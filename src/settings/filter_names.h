/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names in a capture filter that the cluster knows, not the DNS of this machine: what ends in .svc,
 * .svc.cluster.local or .pod, and Services and Pods of the namespace.
 *
 * Source: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/
 */
#ifndef KSNIFF_SETTINGS_FILTER_NAMES_H
#define KSNIFF_SETTINGS_FILTER_NAMES_H

struct error;
struct kube_client;

/*
 * filter_names_mask - put an address in the place of each name of a host, so that the filter can be
 * checked before anything is asked; the length stays as it is
 * @text: NULL is allowed
 * @ret_text: owned by the caller; NULL: there are no names
 *
 * Return: 0; -1 when out of memory.
 */
int filter_names_mask(const char *text, char **ret_text, struct error *err);

/*
 * filter_names_resolve - put all their addresses in the place of the names that the cluster knows
 * @namespace: of names that do not say theirs
 * @ret_text: owned by the caller; other names are left for libpcap
 *
 * The log says what was put in. Errors: a name that can be the cluster's alone, and that it does
 * not know, that has no address, or that may not be read; those of requests.
 */
int filter_names_resolve(struct kube_client *client, const char *namespace, const char *text,
                         char **ret_text, struct error *err);

#endif
