/* SPDX-License-Identifier: Apache-2.0 */
/* What Kubernetes lets objects be called. Source:
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ */
#ifndef KSNIFF_KUBE_NAME_H
#define KSNIFF_KUBE_NAME_H

#include <stdbool.h>

#define KUBE_NAME_MAX      253 /* bytes of an object's name */
#define KUBE_NAMESPACE_MAX 63  /* bytes of a namespace's */
#define KUBE_VALUE_MAX     63  /* bytes of a label's value */

/* kube_name_is_subdomain - RFC 1123 subdomain: pods, nodes, workloads. */
bool kube_name_is_subdomain(const char *text);

/* kube_name_is_label - RFC 1123 label: namespaces, containers. */
bool kube_name_is_label(const char *text);

/* kube_name_is_value - what a label may have as its value, and not "". Source:
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ */
bool kube_name_is_value(const char *text);

#endif
