/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API server is asked once in a run, whoever needs it: what we may do in a namespace, what
 * that namespace demands, the nodes, the server's own addresses. A question goes out when it is
 * asked for the first time, a few of them side by side; its answer stays until it is to be
 * forgotten.
 */
#ifndef KSNIFF_METHOD_FACTS_H
#define KSNIFF_METHOD_FACTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "kube/access.h"

struct error;
struct facts;
struct kube_client;

/* facts_new - @client: must outlive it. Return: NULL when out of memory. */
struct facts *facts_new(struct kube_client *client);
/* facts_free - nobody waits any more. NULL is allowed. */
void facts_free(struct facts *facts);

struct kube_client *facts_client(const struct facts *facts);

/* facts_forget - much may have changed: what is asked for from now on is asked anew. Until it is
 * answered, the last answer is read. */
void facts_forget(struct facts *facts);

/* A question, and its answer once that is there. Owned by the facts. */
struct fact;

/*
 * facts_right, facts_namespace, facts_node, facts_servers - ask, unless that was done before: may
 * we do this there? the Namespace; the Node; the EndpointSlice of the API servers
 *
 * Return: to be waited for, and read; NULL when out of memory, which is as good as no answer.
 */
const struct fact *facts_right(struct facts *facts, const char *namespace,
                               const struct kube_right *right);
const struct fact *facts_namespace(struct facts *facts, const char *name);
const struct fact *facts_node(struct facts *facts, const char *name);
const struct fact *facts_servers(struct facts *facts);

/* fact_access - of facts_right(); UNKNOWN until it is known, and where nobody tells. */
enum kube_access fact_access(const struct fact *fact);
/* fact_object - of the others; borrowed; NULL until it is known, and where it is not to be had. */
json_t *fact_object(const struct fact *fact);

#define FACTS_WAIT_MAX 16

/* Several facts that are waited for together. Starts with zeros; stays where it is until its end.
 */
struct facts_wait {
    const struct fact *facts[FACTS_WAIT_MAX];
    size_t count;
    struct facts *of; /* while it waits */
    void (*done)(void *data);
    void *data;
    struct facts_wait *next;
};

/* facts_wait_add - one more; before it begins. Return: @fact. */
const struct fact *facts_wait_add(struct facts_wait *wait, const struct fact *fact);

/* facts_wait_begin - call @done once, when all of them are known: at once, where they are, else as
 * an event of a request. */
void facts_wait_begin(struct facts_wait *wait, struct facts *facts, void (*done)(void *data),
                      void *data);
/* facts_wait_end - do not wait any more. One that does not is allowed. */
void facts_wait_end(struct facts_wait *wait);

#endif
