/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is remembered from one call of Wireshark's to the next, since each is a program of its own
 * and most must not ask the cluster: the captures of late, which are interfaces of their own, and
 * the names that were listed last. A small file, $XDG_STATE_HOME/ksniff/extcap.json (else
 * ~/.local/state/...), for this user alone; nothing secret is in it.
 */
#ifndef KSNIFF_EXTCAP_MEMORY_H
#define KSNIFF_EXTCAP_MEMORY_H

#include <jansson.h>
#include <stdbool.h>

#include "extcap/request.h"

#define MEMORY_RECENT 5   /* captures: Wireshark asks about each of them when it starts */
#define MEMORY_NAMES  500 /* of one list */
#define MEMORY_LISTS  24

/* memory_load - Return: an object, empty where nothing is remembered, or it cannot be read; owned
 * by the caller (json_decref()). */
json_t *memory_load(void);

/* memory_save - put it in the place of the file, whole or not at all; where that fails, it is
 * forgotten. */
void memory_save(const json_t *memory);

/* memory_recent - the captures, the last one first: {"name", "display", "values": {...}}. */
const json_t *memory_recent(const json_t *memory);

/* memory_find - that interface. Return: NULL when it is none. */
const json_t *memory_find(const json_t *memory, const char *name);

/* memory_fill - what the request does not say is as it was with that interface. Borrowed from
 * @memory. */
void memory_fill(const json_t *memory, struct extcap_request *request);

/*
 * memory_add - a capture has begun: it is the last one from now on
 * @context, @namespace: that it has really used; @context may be NULL
 */
void memory_add(json_t *memory, const struct extcap_request *request, const char *context,
                const char *namespace);

/*
 * memory_list - names that were listed last
 * @request: of this kubeconfig, context and namespace, and with containers, this pod
 *
 * Return: an array of strings, NULL where there is none.
 */
const json_t *memory_list(const json_t *memory, const struct extcap_request *request,
                          enum extcap_setting setting);
/* memory_put_list - remember them; too many of them are left out. */
void memory_put_list(json_t *memory, const struct extcap_request *request,
                     enum extcap_setting setting, const json_t *names);

#endif
