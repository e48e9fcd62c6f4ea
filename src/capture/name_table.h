/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which address belongs to whom, from the cluster's objects: pods ("web-0.shop"), Services
 * ("db.shop.svc"), nodes ("node1"), the API server ("kube-apiserver"). No I/O here.
 *
 * Names are those of the cluster's DNS as far as it has any. Where two have one address, the name
 * is that of the one it is seen of more likely: a node's before a pod's (which may have gone), a
 * live pod's before that of one that is being deleted or has finished. Pods with their node's
 * network have no address of their own.
 *
 * Source: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/
 */
#ifndef KSNIFF_CAPTURE_NAME_TABLE_H
#define KSNIFF_CAPTURE_NAME_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pcapng/item.h"

#define NAME_TABLE_MAX 65536 /* addresses: some ten megabytes of them */

struct name_table;

/* name_table_new - an empty one. Return: NULL when out of memory. */
struct name_table *name_table_new(void);
/* name_table_free - NULL is allowed. */
void name_table_free(struct name_table *table);

/*
 * name_table_pod, _service, _node - take what an object says; again when it has changed
 * name_table_api_server - the same, of the EndpointSlice of the Service "kubernetes"
 *
 * What has the wrong shape says nothing.
 */
void name_table_pod(struct name_table *table, const json_t *pod);
void name_table_service(struct name_table *table, const json_t *service);
void name_table_node(struct name_table *table, const json_t *node);
void name_table_api_server(struct name_table *table, const json_t *slice);

/*
 * name_table_next - what is new since the last time
 * @cursor: starts with 0, for all there is; kept here
 * @ret_addresses: room for @most of them; their names are good until the table is changed
 *
 * Return: how many; less than @most when there is no more.
 */
size_t name_table_next(const struct name_table *table, uint64_t *cursor,
                       struct capture_address *ret_addresses, size_t most);

/* name_table_last - the cursor behind all there is now. */
uint64_t name_table_last(const struct name_table *table);

/* name_table_full - some have been left out. */
bool name_table_full(const struct name_table *table);

#endif
