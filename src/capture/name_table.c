/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entries are found by their address in a tree (search.h), and stand in a list in the order in
 * which they have got their names: what is new is its end.
 */
#include "capture/name_table.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* Whose name an address has that several have: the later in this list. */
enum rank {
    RANK_FINISHED_POD,
    RANK_API_SERVER, /* on a node of its own it has that one's address */
    RANK_SERVICE,    /* as a load balancer's there may be the nodes' addresses */
    RANK_ENDING_POD,
    RANK_POD,
    RANK_NODE,
};

struct named {
    struct named *before, *after;
    uint64_t number; /* the later it was named, the larger */
    enum rank rank;
    bool v6;
    uint8_t bytes[16];
    char *name; /* owned */
};

struct name_table {
    void *tree; /* of them, by address */
    struct named *first, *last;
    size_t count;
    uint64_t number; /* of the entry named last */
    bool full;
};

static int compare(const void *a, const void *b)
{
    const struct named *one = a, *other = b;

    if (one->v6 != other->v6)
        return one->v6 ? 1 : -1;
    return memcmp(one->bytes, other->bytes, sizeof(one->bytes));
}

struct name_table *name_table_new(void)
{
    return calloc(1, sizeof(struct name_table));
}

void name_table_free(struct name_table *table)
{
    struct named *next;

    for (struct named *entry = table ? table->first : NULL; entry; entry = next) {
        next = entry->after;
        tdelete(entry, &table->tree, compare);
        free(entry->name);
        free(entry);
    }
    free(table);
}

/* ---- entries ---- */

static void take_out(struct name_table *table, struct named *entry)
{
    *(entry->before ? &entry->before->after : &table->first) = entry->after;
    *(entry->after ? &entry->after->before : &table->last) = entry->before;
}

static void put_last(struct name_table *table, struct named *entry)
{
    entry->before = table->last;
    entry->after = NULL;
    *(table->last ? &table->last->after : &table->first) = entry;
    table->last = entry;
    entry->number = ++table->number;
}

/* Return: the new entry of this address, not in the list yet; NULL when it has no place. */
static struct named *add_entry(struct name_table *table, const struct named *address)
{
    struct named *entry;

    table->full |= table->count >= NAME_TABLE_MAX;
    if (table->full)
        return NULL;
    entry = calloc(1, sizeof(*entry));
    if (!entry)
        return NULL;
    entry->v6 = address->v6;
    memcpy(entry->bytes, address->bytes, sizeof(entry->bytes));
    if (!tsearch(entry, &table->tree, compare)) {
        free(entry);
        return NULL;
    }
    table->count++;
    return entry;
}

/* Not those that mean something else on every machine, whoever says that they are his. */
static bool is_somebodys(const struct named *address)
{
    static const uint8_t none[15];
    const uint8_t *bytes = address->bytes;

    if (address->v6)
        return memcmp(bytes, none, 15) != 0 && bytes[0] != 0xff &&
               !(bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80);
    return bytes[0] != 0 && bytes[0] != 127 && bytes[0] < 224 &&
           !(bytes[0] == 169 && bytes[1] == 254);
}

static bool read_address(const char *text, struct named *ret)
{
    *ret = (struct named){.v6 = text && strchr(text, ':')};
    return text && inet_pton(ret->v6 ? AF_INET6 : AF_INET, text, ret->bytes) == 1 &&
           is_somebodys(ret);
}

/* An address has this name, unless it has a better one. */
static void name_address(struct name_table *table, const char *text, const char *name,
                         enum rank rank)
{
    struct named address, **found;

    if (!read_address(text, &address))
        return;
    found = tfind(&address, &table->tree, compare);
    struct named *entry = found ? *found : add_entry(table, &address);
    if (!entry || (found && rank < entry->rank))
        return;
    entry->rank = rank;
    if (entry->name && strcmp(entry->name, name) == 0)
        return;
    free(entry->name);
    entry->name = strdup(name);
    if (found)
        take_out(table, entry);
    put_last(table, entry);
}

/* @key: of the address in each element; NULL: the elements are the addresses */
static void name_addresses(struct name_table *table, const json_t *list, const char *key,
                           const char *name, enum rank rank)
{
    size_t i;
    json_t *element;

    json_array_foreach(list, i, element)
    {
        const json_t *address = key ? json_object_get(element, key) : element;

        name_address(table, json_string_value(address), name, rank);
    }
}

/* ---- objects ---- */

static const json_t *at(const json_t *object, const char *first, const char *second)
{
    return json_object_get(json_object_get(object, first), second);
}

/* "name.namespace" and what follows, safe to show and of a length that files take. Return: false
 * when the object has no name. */
static bool name_of(const json_t *object, const char *end, char *out, size_t size)
{
    const char *name = json_string_value(at(object, "metadata", "name"));
    const char *namespace = json_string_value(at(object, "metadata", "namespace"));
    char raw[2 * CAPTURE_HOST_MAX];

    if (!name || !*name)
        return false;
    snprintf(raw, sizeof(raw), "%s%s%s%s", name, namespace ? "." : "", namespace ? namespace : "",
             end);
    text_escape(out, size, raw, strlen(raw));
    return true;
}

static enum rank rank_of_pod(const json_t *pod)
{
    const char *phase = json_string_value(at(pod, "status", "phase"));

    if (phase && (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0))
        return RANK_FINISHED_POD;
    return at(pod, "metadata", "deletionTimestamp") ? RANK_ENDING_POD : RANK_POD;
}

void name_table_pod(struct name_table *table, const json_t *pod)
{
    char name[CAPTURE_HOST_MAX];
    enum rank rank = rank_of_pod(pod);

    if (json_is_true(at(pod, "spec", "hostNetwork")) || !name_of(pod, "", name, sizeof(name)))
        return;
    name_address(table, json_string_value(at(pod, "status", "podIP")), name, rank);
    name_addresses(table, at(pod, "status", "podIPs"), "ip", name, rank);
}

void name_table_service(struct name_table *table, const json_t *service)
{
    char name[CAPTURE_HOST_MAX];
    const json_t *balancer = at(service, "status", "loadBalancer");

    if (!name_of(service, ".svc", name, sizeof(name)))
        return;
    /* A headless one has "None", which is no address. */
    name_address(table, json_string_value(at(service, "spec", "clusterIP")), name, RANK_SERVICE);
    name_addresses(table, at(service, "spec", "clusterIPs"), NULL, name, RANK_SERVICE);
    name_addresses(table, at(service, "spec", "externalIPs"), NULL, name, RANK_SERVICE);
    name_addresses(table, json_object_get(balancer, "ingress"), "ip", name, RANK_SERVICE);
}

void name_table_node(struct name_table *table, const json_t *node)
{
    char name[CAPTURE_HOST_MAX];
    size_t i;
    json_t *address;

    if (!name_of(node, "", name, sizeof(name)))
        return;
    json_array_foreach(at(node, "status", "addresses"), i, address)
    {
        const char *type = json_string_value(json_object_get(address, "type"));

        if (type && (strcmp(type, "InternalIP") == 0 || strcmp(type, "ExternalIP") == 0))
            name_address(table, json_string_value(json_object_get(address, "address")), name,
                         RANK_NODE);
    }
}

void name_table_api_server(struct name_table *table, const json_t *slice)
{
    size_t i;
    json_t *endpoint;

    json_array_foreach(json_object_get(slice, "endpoints"), i, endpoint)
    {
        name_addresses(table, json_object_get(endpoint, "addresses"), NULL, "kube-apiserver",
                       RANK_API_SERVER);
    }
}

/* ---- what is new ---- */

size_t name_table_next(const struct name_table *table, uint64_t *cursor,
                       struct capture_address *ret_addresses, size_t most)
{
    const struct named *entry = table->last;
    size_t count = 0;

    while (entry && entry->before && entry->before->number > *cursor)
        entry = entry->before;
    if (entry && entry->number <= *cursor)
        return 0;
    for (; entry && count < most; entry = entry->after) {
        *cursor = entry->number;
        if (!entry->name)
            continue;
        ret_addresses[count] = (struct capture_address){.v6 = entry->v6, .names = {entry->name}};
        memcpy(ret_addresses[count++].bytes, entry->bytes, sizeof(entry->bytes));
    }
    return count;
}

uint64_t name_table_last(const struct name_table *table)
{
    return table->number;
}

bool name_table_full(const struct name_table *table)
{
    return table->full;
}
