/* SPDX-License-Identifier: Apache-2.0 */
#include "target/nearest.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "kube/client.h"
#include "target/kinds.h"
#include "target/selector.h"

#define LOOKED_AT "500" /* a namespace of thousands is not read for a hint */

static void cleanup_json(json_t **json)
{
    json_decref(*json);
}

/* How far @name is from @wanted; 0: a pod of what is called so. */
static unsigned distance(const char *name, const char *wanted)
{
    size_t length = strlen(wanted);

    return strncmp(name, wanted, length) == 0 && name[length] == '-' ? 0
                                                                     : text_distance(name, wanted);
}

static const char *name_of(const json_t *object)
{
    return json_string_value(json_object_get(json_object_get(object, "metadata"), "name"));
}

/* Return: NULL when none is near; it stands in the list. */
static const json_t *nearest_of(const json_t *objects, const char *wanted)
{
    unsigned least = (unsigned)strlen(wanted) / 3 + 1; /* as far off is another name */
    const json_t *nearest = NULL;
    size_t i;
    json_t *object;

    json_array_foreach(json_object_get(objects, "items"), i, object)
    {
        const char *name = name_of(object);
        unsigned far = name ? distance(name, wanted) : least;

        if (far < least) {
            least = far;
            nearest = object;
        }
    }
    return nearest;
}

/* Return: a list, NULL where it is not to be had; owned by the caller. */
static json_t *look_at(struct kube_client *client, const struct target_kind *kind,
                       const char *namespace)
{
    cleanup_free char *path =
        namespace ? text_format("%s/namespaces/%s/%s?limit=" LOOKED_AT, kind->root, namespace,
                                kind->resource)
                  : text_format("%s/%s?limit=" LOOKED_AT, kind->root, kind->resource);
    json_t *objects = NULL;
    struct error none;

    if (path && kube_get(client, path, &objects, &none) < 0)
        log_debug("no %s of a near name can be named: %s", kind->name, none.text);
    return objects;
}

/* A Deployment's pods are called NAME-HASH-..., and have the hash as a label. */
static bool is_of_deployment(const json_t *object, const char *name)
{
    const char *hash = json_string_value(json_object_get(
        json_object_get(json_object_get(object, "metadata"), "labels"), "pod-template-hash"));
    cleanup_free char *beginning = hash ? text_format("%s-%s-", name, hash) : NULL;

    return beginning && strncmp(name_of(object), beginning, strlen(beginning)) == 0;
}

void nearest_object(struct kube_client *client, const struct target_kind *kind,
                    const char *namespace, const char *name, struct error *err)
{
    CLEANUP(cleanup_json) json_t *objects = look_at(client, kind, namespace);
    const json_t *nearest = nearest_of(objects, name);
    bool whole = nearest && is_of_deployment(nearest, name);

    if (nearest)
        error_remedy(err, "did you mean \"%s\"%s%s? list them with: kubectl get %s%s%s",
                     name_of(nearest), whole ? ", or all pods of deploy/" : "", whole ? name : "",
                     kind->resource, namespace ? " -n " : "", namespace ? namespace : "");
}

void nearest_pod(struct kube_client *client, const char *namespace, const char *name,
                 struct error *err)
{
    nearest_object(client, &target_kinds[TARGET_POD], namespace, name, err);
}

/* ---- patterns ---- */

void nearest_pattern(struct kube_client *client, const char *namespace, const char *pattern,
                     struct error *err)
{
    CLEANUP(cleanup_json) json_t *pods = NULL;
    size_t length = strcspn(pattern, "*?["), i;
    unsigned least = (unsigned)length / 3 + 1;
    cleanup_free char *wanted = text_format("%.*s", (int)length, pattern);
    cleanup_free char *nearest = NULL;
    json_t *pod;

    if (!wanted || length < 3)
        return; /* it is as near to everything */
    pods = look_at(client, &target_kinds[TARGET_POD], namespace);
    json_array_foreach(json_object_get(pods, "items"), i, pod)
    {
        const char *name = name_of(pod);
        cleanup_free char *begin = text_format("%.*s", (int)length, name ? name : "");
        unsigned far = begin ? text_distance(begin, wanted) : least;

        if (far > 0 && far < least) {
            least = far;
            free(nearest);
            nearest = steal_pointer(begin);
        }
    }
    if (nearest)
        error_remedy(err, "did you mean \"%s%s\"?", nearest, pattern + length);
}

/* ---- labels ---- */

/* The label that is nearest to what is wanted: of the same key with another value, or the other way
 * round. */
struct label_search {
    const char *key, *value;
    unsigned least;
    const char *near_key, *near_value; /* NULL: none yet */
};

static void compare_label(struct label_search *search, const char *key, const char *value)
{
    unsigned keys = text_distance(key, search->key), values = text_distance(value, search->value);
    unsigned most_of_key = (unsigned)strlen(search->key) / 3 + 1;
    unsigned most_of_value = (unsigned)strlen(search->value) / 3 + 1;

    if (keys + values == 0 || keys >= most_of_key || values >= most_of_value ||
        keys + values >= search->least)
        return;
    search->least = keys + values;
    search->near_key = key;
    search->near_value = value;
}

static void compare_labels(struct label_search *search, const json_t *pods)
{
    size_t i;
    json_t *pod, *value;
    const char *key;

    json_array_foreach(json_object_get(pods, "items"), i, pod)
    {
        json_object_foreach(json_object_get(json_object_get(pod, "metadata"), "labels"), key, value)
        {
            if (json_is_string(value))
                compare_label(search, key, json_string_value(value));
        }
    }
}

void nearest_label(struct kube_client *client, const char *namespace, const char *selector,
                   struct error *err)
{
    CLEANUP(cleanup_json)
    json_t *pods = look_at(client, &target_kinds[TARGET_POD], namespace);
    const char *key, *value;
    size_t at = 0, key_length, value_length;

    while (selector_label(selector, &at, &key, &key_length, &value, &value_length)) {
        cleanup_free char *wanted_key = text_format("%.*s", (int)key_length, key);
        cleanup_free char *wanted_value = text_format("%.*s", (int)value_length, value);
        struct label_search search = {.key = wanted_key, .value = wanted_value, .least = 100};

        if (!wanted_key || !wanted_value)
            return;
        compare_labels(&search, pods);
        if (search.near_key) {
            error_remedy(err, "did you mean \"%s=%s\"?", search.near_key, search.near_value);
            return;
        }
    }
}

bool nearest_is_named(const struct error *err)
{
    return strstr(err->remedy, "did you mean") != NULL;
}
