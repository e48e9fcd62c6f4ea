/* SPDX-License-Identifier: Apache-2.0 */
#include "target/set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"

#define NAMES_LENGTH 1000 /* bytes of names in a message */

void target_set_free(struct target_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->targets[i])
            target_free(set->targets[i]);
        free(set->targets[i]);
    }
    free(set->targets);
    json_decref(set->shared);
    *set = (struct target_set){0};
}

static bool is_same(const struct target *one, const struct target *other)
{
    if (!one->pod || !other->pod)
        return !one->pod && !other->pod && strcmp(one->name, other->name) == 0;
    return strcmp(one->pod->uid, other->pod->uid) == 0;
}

static bool share_interfaces(const struct target *one, const struct target *other)
{
    return one->host_network && other->host_network && *one->node_name &&
           strcmp(one->node_name, other->node_name) == 0;
}

/* Keeps in mind, by the uid, what is captured by another's interfaces. */
static void remember(struct target_set *set, const struct target *target)
{
    json_t *of_node;

    if (!set->shared)
        set->shared = json_object();
    of_node = json_object_get(set->shared, target->node_name);
    if (!of_node) {
        of_node = json_object();
        json_object_set_new(set->shared, target->node_name, of_node);
    }
    json_object_set_new(of_node, target->pod ? target->pod->uid : "", json_string(target->label));
}

bool target_set_has(const struct target_set *set, const char *uid)
{
    const char *node;
    json_t *of_node;

    for (size_t i = 0; i < set->count; i++)
        if (set->targets[i] && set->targets[i]->pod && strcmp(set->targets[i]->pod->uid, uid) == 0)
            return true;
    json_object_foreach(set->shared, node, of_node)
    {
        if (json_object_get(of_node, uid))
            return true;
    }
    return false;
}

static struct target *copy(struct target *target, struct error *err)
{
    struct target *kept = malloc(sizeof(*kept));

    if (!kept) {
        target_free(target);
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    *kept = *target;
    return kept;
}

static int append(struct target_set *set, struct target *target, struct target **ret_added,
                  struct error *err)
{
    struct target **larger = realloc(set->targets, (set->count + 1) * sizeof(struct target *));

    if (!larger) {
        target_free(target);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    set->targets = larger;
    *ret_added = copy(target, err);
    if (!*ret_added)
        return -1;
    larger[set->count++] = *ret_added;
    return 0;
}

int target_set_add(struct target_set *set, struct target *target, struct target **ret_added,
                   struct error *err)
{
    *ret_added = NULL;
    for (size_t i = 0; i < set->count; i++) {
        struct target *there = set->targets[i];

        if (!there || (!is_same(there, target) && !share_interfaces(there, target)))
            continue;
        if (!is_same(there, target)) {
            remember(set, there);
            remember(set, target);
        }
        if (there->pod && !target->pod) {
            target_free(there);
            *there = *target;
            *ret_added = there;
        } else {
            target_free(target);
        }
        return 0;
    }
    return append(set, target, ret_added, err);
}

void target_set_remove(struct target_set *set, size_t at)
{
    struct target *target = set->targets[at];

    if (target && target->host_network)
        json_object_del(set->shared, target->node_name);
    if (target)
        target_free(target);
    free(target);
    set->count--;
    memmove(set->targets + at, set->targets + at + 1, (set->count - at) * sizeof(struct target *));
}

const struct target *target_set_on_node(const struct target_set *set, const char *node)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->targets[i] && set->targets[i]->host_network &&
            strcmp(set->targets[i]->node_name, node) == 0)
            return set->targets[i];
    return NULL;
}

void target_set_tell_shared(const struct target_set *set)
{
    const char *node, *uid;
    json_t *of_node, *label;

    json_object_foreach(set->shared, node, of_node)
    {
        const struct target *captured = target_set_on_node(set, node);
        cleanup_buf struct buf names;
        bool first = true;

        buf_init(&names, NAMES_LENGTH);
        json_object_foreach(of_node, uid, label)
        {
            if (!buf_printf(&names, "%s%s", first ? "" : ", ", json_string_value(label)))
                break;
            first = false;
        }
        if (captured)
            log_info("%s have the interfaces of node '%s': they are captured once, as %s",
                     buf_string(&names), node, captured->label);
    }
}

bool target_set_spans_namespaces(const struct target_set *set, const char *more)
{
    const char *first = more;

    for (size_t i = 0; i < set->count; i++) {
        const struct target *target = set->targets[i];

        if (!target || !target->pod)
            continue;
        if (first && strcmp(first, target->namespace) != 0)
            return true;
        first = target->namespace;
    }
    return false;
}

void target_set_name_namespaces(struct target_set *set)
{
    if (!target_set_spans_namespaces(set, NULL))
        return;
    for (size_t i = 0; i < set->count; i++) {
        if (set->targets[i])
            target_name_namespace(set->targets[i]);
    }
}
