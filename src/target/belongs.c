/* SPDX-License-Identifier: Apache-2.0 */
#include "target/belongs.h"

#include <fnmatch.h>
#include <string.h>

#include "target/source.h"

static const char *string_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

const char *belongs_uid(const json_t *object)
{
    return string_at(json_object_get(object, "metadata"), "uid");
}

const char *belongs_name(const json_t *object)
{
    return string_at(json_object_get(object, "metadata"), "name");
}

const char *belongs_controller(const json_t *object)
{
    size_t i;
    json_t *owner;

    json_array_foreach(json_object_get(json_object_get(object, "metadata"), "ownerReferences"), i,
                       owner)
    {
        if (json_is_true(json_object_get(owner, "controller")))
            return string_at(owner, "uid");
    }
    return "";
}

static const struct belongs_kind owned_kinds[] = {
    {TARGET_DEPLOYMENT, "/apis/apps/v1", "replicasets"},
    {TARGET_CRON_JOB, "/apis/batch/v1", "jobs"},
    {TARGET_SERVICE, "/apis/discovery.k8s.io/v1", "endpointslices"},
};

const struct belongs_kind *belongs_between(const struct source *source)
{
    for (size_t i = 0; i < sizeof(owned_kinds) / sizeof(owned_kinds[0]); i++)
        if (owned_kinds[i].of == source->kind->id)
            return &owned_kinds[i];
    return NULL;
}

static bool is_endpoint(const struct source *source, const json_t *pod)
{
    const char *uid;
    json_t *names;

    if (source->slices_hidden)
        return true;
    json_object_foreach(source->slices, uid, names)
    {
        if (json_object_get(names, belongs_name(pod)))
            return true;
    }
    return false;
}

static bool is_named(const struct source *source, const json_t *pod)
{
    for (size_t i = 0; i < source->name_count; i++)
        if (strcmp(source->names[i].name, belongs_name(pod)) == 0)
            return true;
    return false;
}

bool belongs_to(const struct source *source, const json_t *pod)
{
    const char *uid = belongs_uid(source->object), *controller = belongs_controller(pod);

    if (source->names)
        return is_named(source, pod);
    if (source->kind->id == TARGET_POD)
        return !source->name || fnmatch(source->name, belongs_name(pod), 0) == 0;
    if (source->kind->id == TARGET_SERVICE)
        return is_endpoint(source, pod);
    if (!*uid || !*controller)
        return false;
    if (belongs_between(source))
        controller = string_at(source->owned, controller);
    return strcmp(controller, uid) == 0;
}
