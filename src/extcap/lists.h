/* SPDX-License-Identifier: Apache-2.0 */
/* What there is to choose from: contexts from the kubeconfig, the rest from the cluster. */
#ifndef KSNIFF_EXTCAP_LISTS_H
#define KSNIFF_EXTCAP_LISTS_H

#include <jansson.h>
#include <stdbool.h>

#include "extcap/request.h"

struct error;

/*
 * lists_contexts - the names of all contexts, each once
 * @kubeconfig: only this file; "": those that kubectl reads
 * @ret_current: the one that holds where none is chosen, owned by the caller (free()); NULL: none
 *
 * No file, or one that cannot be read, has none. Return: an array of strings, owned by the caller.
 */
json_t *lists_contexts(const char *kubeconfig, char **ret_current);

/*
 * lists_ask - ask the cluster, for some seconds at most
 * @setting: EXTCAP_NAMESPACE; EXTCAP_POD (the pods of the request's namespace that have not ended,
 * behind the workloads that have made them: "deploy/shop"); EXTCAP_CONTAINER (of the request's pod)
 * @ret_names: an array of strings, owned by the caller
 * @ret_more: there are more than were asked for
 *
 * Return: 0; -1 with the error.
 */
int lists_ask(const struct extcap_request *request, enum extcap_setting setting, json_t **ret_names,
              bool *ret_more, struct error *err);

/* lists_go_on - are there more than the answer has? */
bool lists_go_on(const json_t *answer);

/* lists_take_pods - the same of an answer: @setting is EXTCAP_POD or EXTCAP_CONTAINER, @pod the one
 * that is chosen, or its workload. Return: owned by the caller. */
json_t *lists_take_pods(const json_t *answer, enum extcap_setting setting, const char *pod);

#endif
