/* SPDX-License-Identifier: Apache-2.0 */
/* What admission says to our objects: quotas, limits, Pod Security, OpenShift's constraints; and a
 * node's kubelet. */
#ifndef KSNIFF_METHOD_ADMISSION_H
#define KSNIFF_METHOD_ADMISSION_H

#include <stdbool.h>

struct error;
struct settings;

/* admission_refuses - was it admission, and not RBAC, which names the right that is needed? Who
 * refuses words it as he likes. */
bool admission_refuses(const struct error *err);

/*
 * admission_remedy_helper, admission_remedy_ephemeral - add what can be done about it, where the
 * error is one of admission's and its words are known
 * @namespace: of the helper pod
 * @records: it is a recorder, whose --keep takes of the node's disk or memory
 */
void admission_remedy_helper(const struct settings *settings, const char *namespace, bool records,
                             struct error *err);
void admission_remedy_ephemeral(struct error *err);

/* admission_remedy_rejected - the same, where the node's kubelet has refused the helper pod. @why:
 * its reason and message, as helper_state() has them */
void admission_remedy_rejected(const struct settings *settings, bool records, const char *why,
                               struct error *err);

#endif
