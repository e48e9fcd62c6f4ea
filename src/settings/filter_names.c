/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/filter_names.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "settings/filter_words.h"
#include "kube/client.h"

#define NAME_LIMIT 256       /* bytes: what DNS allows */
#define TEXT_LIMIT (1 << 16) /* bytes of a filter with its addresses */

enum kind { KIND_BARE, KIND_SERVICE, KIND_POD };

/* A name as Kubernetes' DNS has it. Strings point into the copy. */
struct cluster_name {
    enum kind kind;
    const char *namespace, *name;
    const char *hostname; /* of one endpoint of a Service; NULL: all */
    char copy[NAME_LIMIT];
};

struct lookup {
    struct kube_client *client;
    const char *namespace;
    enum filter_family family;
    struct buf addresses; /* "10.0.0.1 or fd00::1" */
};

/* ---- names ---- */

static bool cut_end(char *text, const char *end)
{
    size_t length = strlen(text), cut = strlen(end);

    if (length <= cut || strcmp(text + length - cut, end) != 0)
        return false;
    text[length - cut] = '\0';
    return true;
}

/* Takes the last label off. Return: NULL when there is only one. */
static const char *take_last_label(char *text)
{
    char *dot = strrchr(text, '.');

    if (!dot)
        return NULL;
    *dot = '\0';
    return dot + 1;
}

/* Return: false when it could be no name of Kubernetes'. */
static bool parse_name(const char *text, size_t length, const char *namespace,
                       struct cluster_name *ret)
{
    bool whole;

    if (length == 0 || length >= sizeof(ret->copy))
        return false;
    *ret = (struct cluster_name){.namespace = namespace, .name = ret->copy};
    for (size_t i = 0; i < length; i++) {
        ret->copy[i] = (char)tolower((unsigned char)text[i]);
        if (!isalnum((unsigned char)text[i]) && text[i] != '-' && text[i] != '.')
            return false;
    }
    cut_end(ret->copy, ".");
    whole = cut_end(ret->copy, ".svc.cluster.local") || cut_end(ret->copy, ".svc");
    ret->kind = whole ? KIND_SERVICE : KIND_BARE;
    if (!whole && (cut_end(ret->copy, ".pod.cluster.local") || cut_end(ret->copy, ".pod")))
        ret->kind = KIND_POD;
    if (ret->kind == KIND_BARE)
        return true;
    const char *last = take_last_label(ret->copy);

    ret->namespace = last ? last : namespace;
    char *dot = ret->kind == KIND_SERVICE ? strchr(ret->copy, '.') : NULL;
    if (dot) {
        *dot = '\0';
        ret->hostname = ret->copy;
        ret->name = dot + 1;
    }
    return true;
}

/* ---- addresses ---- */

/* Text of the API server's goes into a filter: nothing but addresses does. */
static bool add_address(struct lookup *lookup, const char *text)
{
    unsigned char bytes[16];
    bool v4 = text && inet_pton(AF_INET, text, bytes) == 1;
    bool v6 = text && !v4 && inet_pton(AF_INET6, text, bytes) == 1;

    if ((!v4 && !v6) || (v4 && lookup->family == FILTER_IPV6) ||
        (v6 && lookup->family == FILTER_IPV4))
        return true;
    cleanup_free char *before = text_format(" or %s ", buf_string(&lookup->addresses));
    cleanup_free char *word = text_format(" %s ", text);
    if (!before || !word)
        return false;
    return strstr(before, word) != NULL ||
           buf_printf(&lookup->addresses, "%s%s", lookup->addresses.length ? " or " : "", text);
}

/* @key: of the address in each element; NULL: the elements are the addresses */
static bool add_addresses(struct lookup *lookup, const json_t *list, const char *key)
{
    size_t i;
    json_t *element;

    json_array_foreach(
        list, i,
        element) if (!add_address(lookup, json_string_value(key ? json_object_get(element, key)
                                                                : element))) return false;
    return true;
}

static void cleanup_json(json_t **json)
{
    json_decref(*json);
}

static int out_of_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory, or too many addresses");
}

static int add_endpoints(struct lookup *lookup, const struct cluster_name *name, struct error *err)
{
    CLEANUP(cleanup_json) json_t *slices = NULL;
    cleanup_free char *path = text_format("/apis/discovery.k8s.io/v1/namespaces/%s/endpointslices?"
                                          "labelSelector=kubernetes.io%%2Fservice-name%%3D%s",
                                          name->namespace, name->name);
    size_t i, k;
    json_t *slice, *endpoint;

    if (!path)
        return out_of_memory(err);
    if (kube_get(lookup->client, path, &slices, err) < 0)
        return -1;
    json_array_foreach(json_object_get(slices, "items"), i, slice)
    {
        json_array_foreach(json_object_get(slice, "endpoints"), k, endpoint)
        {
            const char *hostname = json_string_value(json_object_get(endpoint, "hostname"));

            if (name->hostname && (!hostname || strcmp(hostname, name->hostname) != 0))
                continue;
            if (!add_addresses(lookup, json_object_get(endpoint, "addresses"), NULL))
                return out_of_memory(err);
        }
    }
    return 0;
}

/* Its own addresses, which clients see, and its endpoints', which servers see. */
static int look_up_service(struct lookup *lookup, const struct cluster_name *name,
                           struct error *err)
{
    CLEANUP(cleanup_json) json_t *service = NULL;
    cleanup_free char *path =
        text_format("/api/v1/namespaces/%s/services/%s", name->namespace, name->name);

    if (!path)
        return out_of_memory(err);
    if (kube_get(lookup->client, path, &service, err) < 0)
        return -1;
    const json_t *spec = json_object_get(service, "spec");
    const json_t *balancer = json_object_get(json_object_get(service, "status"), "loadBalancer");
    const char *external = json_string_value(json_object_get(spec, "externalName"));

    if (external) {
        error_set(err, ERROR_TARGET, "service \"%s\" has no address, it stands for \"%s\"",
                  name->name, external);
        return error_remedy(err, "name that in the filter");
    }
    if (!name->hostname &&
        (!add_address(lookup, json_string_value(json_object_get(spec, "clusterIP"))) ||
         !add_addresses(lookup, json_object_get(spec, "clusterIPs"), NULL) ||
         !add_addresses(lookup, json_object_get(spec, "externalIPs"), NULL) ||
         !add_addresses(lookup, json_object_get(balancer, "ingress"), "ip")))
        return out_of_memory(err);
    if (add_endpoints(lookup, name, err) == 0)
        return 0;
    if (lookup->addresses.length == 0 || !(err->kind == ERROR_FORBIDDEN))
        return -1;
    log_warning("the filter has no addresses of the endpoints of service '%s': %s", name->name,
                err->text);
    return 0;
}

/* Kubernetes' own form has the address in the name: 10-244-0-5.shop.pod. */
static bool add_dashed(struct lookup *lookup, const char *name)
{
    char text[NAME_LIMIT];

    for (size_t v6 = 0; v6 < 2; v6++) {
        size_t length = strlen(name);

        for (size_t i = 0; i <= length; i++)
            text[i] = name[i] != '-' ? name[i] : v6 ? ':' : '.';
        add_address(lookup, text);
    }
    return lookup->addresses.length > 0;
}

static int look_up_pod(struct lookup *lookup, const struct cluster_name *name, struct error *err)
{
    CLEANUP(cleanup_json) json_t *pod = NULL;

    if (name->kind == KIND_POD && add_dashed(lookup, name->name))
        return 0;
    cleanup_free char *path =
        text_format("/api/v1/namespaces/%s/pods/%s", name->namespace, name->name);

    if (!path)
        return out_of_memory(err);
    if (kube_get(lookup->client, path, &pod, err) < 0)
        return -1;
    const json_t *status = json_object_get(pod, "status");

    if (!add_address(lookup, json_string_value(json_object_get(status, "podIP"))) ||
        !add_addresses(lookup, json_object_get(status, "podIPs"), "ip"))
        return out_of_memory(err);
    return 0;
}

/* ---- one name ---- */

/* Is it perhaps something else's name? */
static bool is_none_of_these(const struct error *err)
{
    return err->kind == ERROR_NOT_FOUND || err->kind == ERROR_FORBIDDEN;
}

/* May a name that nothing says it of be the cluster's? Only a request can tell. Who may read no
 * Services may read pods. */
static int look_up_bare(struct lookup *lookup, const struct cluster_name *name, struct error *err)
{
    bool dotted = strchr(name->name, '.') != NULL;
    int result = dotted ? -1 : look_up_service(lookup, name, err);

    if (result < 0 && (dotted || is_none_of_these(err)))
        result = look_up_pod(lookup, name, err);
    if (result < 0 && is_none_of_these(err)) {
        log_debug("'%s' is left to the DNS of this machine: %s", name->name, err->text);
        return 0;
    }
    return result;
}

/* Return: 0, lookup->addresses being empty where the name is not the cluster's; -1. */
static int look_up(struct lookup *lookup, const char *word, size_t length, struct error *err)
{
    struct cluster_name name;
    int result;

    if (!parse_name(word, length, lookup->namespace, &name))
        return 0;
    if (name.kind == KIND_BARE)
        result = look_up_bare(lookup, &name, err);
    else if (name.kind == KIND_SERVICE)
        result = look_up_service(lookup, &name, err);
    else
        result = look_up_pod(lookup, &name, err);
    if (result == 0 && lookup->addresses.length == 0 && name.kind != KIND_BARE) {
        error_set(err, ERROR_TARGET, "it has no address yet%s",
                  lookup->family == FILTER_ANY_FAMILY ? "" : " of that kind");
        result = -1;
    }
    if (result < 0)
        return error_prefix(err, "filter: \"%.*s\"", (int)length, word);
    return 0;
}

static int put_name(struct lookup *lookup, const char *word, size_t length, struct buf *out,
                    struct error *err)
{
    size_t escape = word[0] == '\\';

    buf_init(&lookup->addresses, TEXT_LIMIT);
    int result = look_up(lookup, word + escape, length - escape, err);
    bool found = result == 0 && lookup->addresses.length > 0;
    bool many = found && strchr(buf_string(&lookup->addresses), ' ') != NULL;
    if (found)
        log_info("the filter's '%.*s' stands for %s", (int)(length - escape), word + escape,
                 buf_string(&lookup->addresses));
    if (result == 0 &&
        !(found ? buf_printf(out, many ? "(%s)" : "%s", buf_string(&lookup->addresses))
                : buf_append(out, word, length)))
        result = out_of_memory(err);
    buf_free(&lookup->addresses);
    return result;
}

/* ---- the filter ---- */

int filter_names_resolve(struct kube_client *client, const char *namespace, const char *text,
                         char **ret_text, struct error *err)
{
    struct lookup lookup = {.client = client, .namespace = namespace};
    CLEANUP(buf_free) struct buf out;
    struct filter_name name;
    size_t at = 0;

    buf_init(&out, TEXT_LIMIT);
    while (filter_next_name(text, at, &name) > 0) {
        lookup.family = name.family;
        if (!buf_append(&out, text + at, name.at - at))
            return out_of_memory(err);
        if (put_name(&lookup, text + name.at, name.length, &out, err) < 0)
            return -1;
        at = name.at + name.length;
    }
    if (!buf_append(&out, text + at, strlen(text + at)))
        return out_of_memory(err);
    *ret_text = strdup(buf_string(&out));
    return *ret_text ? 0 : out_of_memory(err);
}

int filter_names_mask(const char *text, char **ret_text, struct error *err)
{
    struct filter_name name;
    size_t at = 0;

    *ret_text = NULL;
    if (!text || filter_next_name(text, 0, &name) == 0)
        return 0;
    char *masked = strdup(text);
    if (!masked)
        return out_of_memory(err);
    for (; filter_next_name(text, at, &name) > 0; at = name.at + name.length) {
        const char *address = name.family == FILTER_IPV6 && name.length > 1 ? "::" : "1";

        memset(masked + name.at, ' ', name.length);
        memcpy(masked + name.at, address, strlen(address));
    }
    *ret_text = masked;
    return 0;
}
