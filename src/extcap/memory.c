/* SPDX-License-Identifier: Apache-2.0 */
#include "extcap/memory.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

#define NAME_MAX_BYTES 100 /* of an interface: it becomes part of a file's name */

/* ---- the file ---- */

/* Return: its folder; owned by the caller, NULL where nobody knows a place. */
static char *folder(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

    if (state && *state == '/')
        return text_format("%s/ksniff", state);
    return home && *home ? text_format("%s/.local/state/ksniff", home) : NULL;
}

json_t *memory_load(void)
{
    cleanup_free char *place = folder();
    cleanup_free char *path = place ? text_format("%s/extcap.json", place) : NULL;
    json_error_t error;
    json_t *memory = path ? json_load_file(path, JSON_REJECT_DUPLICATES, &error) : NULL;

    if (json_is_object(memory))
        return memory;
    json_decref(memory);
    return json_object();
}

static int replace(const char *path, const json_t *memory)
{
    cleanup_free char *fresh = text_format("%s.XXXXXX", path);
    int fd = fresh ? mkstemp(fresh) : -1;

    if (fd < 0)
        return -1;
    int written = json_dumpfd(memory, fd, JSON_INDENT(1));
    if (close(fd) == 0 && written == 0 && rename(fresh, path) == 0)
        return 0;
    unlink(fresh);
    return -1;
}

void memory_save(const json_t *memory)
{
    cleanup_free char *place = folder();
    cleanup_free char *path = place ? text_format("%s/extcap.json", place) : NULL;

    if (path && (file_make_folders(place, 0700) < 0 || replace(path, memory) < 0))
        log_debug("cannot write \"%s\": %s", path, strerror(errno));
}

/* ---- captures ---- */

const json_t *memory_recent(const json_t *memory)
{
    const json_t *recent = json_object_get(memory, "recent");

    return json_is_array(recent) ? recent : NULL;
}

const json_t *memory_find(const json_t *memory, const char *name)
{
    size_t i;
    json_t *each;

    json_array_foreach(memory_recent(memory), i, each)
    {
        const char *its = json_string_value(json_object_get(each, "name"));

        if (its && name && strcmp(its, name) == 0)
            return each;
    }
    return NULL;
}

void memory_fill(const json_t *memory, struct extcap_request *request)
{
    const json_t *values = json_object_get(memory_find(memory, request->interface), "values");

    for (size_t i = 0; i < EXTCAP_SETTINGS; i++)
        if (!request->values[i])
            request->values[i] = json_string_value(json_object_get(values, extcap_rows[i].name));
}

/* "default/web deploy/shop" */
static char *targets_of(const struct extcap_request *request, const char *namespace)
{
    const char *pod = extcap_value(request, EXTCAP_POD);
    const char *more = extcap_value(request, EXTCAP_TARGETS);

    if (strcmp(pod, EXTCAP_POD_BELOW) == 0)
        pod = "";

    return text_format("%s/%s%s%s", namespace, pod, *pod && *more ? " " : "", more);
}

/* What tshark -i takes, Wireshark's preferences and its pipe are called by. */
static char *name_of(const char *context, const char *targets)
{
    char *name =
        text_format("kubernetes-%s%s%s", context ? context : "", context ? "-" : "", targets);

    for (char *c = name; c && *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '.' && *c != '-')
            *c = '-';
    if (name && strlen(name) > NAME_MAX_BYTES)
        name[NAME_MAX_BYTES] = '\0';
    return name;
}

static json_t *values_of(const struct extcap_request *request, const char *context,
                         const char *namespace)
{
    json_t *values = json_object();

    for (size_t i = 0; i < EXTCAP_SETTINGS; i++)
        if (request->values[i])
            json_object_set_new(values, extcap_rows[i].name, json_string(request->values[i]));
    if (context)
        json_object_set_new(values, "context", json_string(context));
    json_object_set_new(values, "namespace", json_string(namespace));
    return values;
}

void memory_add(json_t *memory, const struct extcap_request *request, const char *context,
                const char *namespace)
{
    cleanup_free char *targets = targets_of(request, namespace);
    cleanup_free char *name = targets ? name_of(context, targets) : NULL;
    cleanup_free char *display =
        targets ? text_format("Kubernetes: %.80s%s%.80s%s", targets, context ? " (" : "",
                              context ? context : "", context ? ")" : "")
                : NULL;
    json_t *others = json_array(), *each;
    size_t i;

    if (!name || !display)
        return;
    json_array_append_new(others, json_pack("{s:s, s:s, s:o}", "name", name, "display", display,
                                            "values", values_of(request, context, namespace)));
    json_array_foreach(memory_recent(memory), i, each)
    {
        const char *its = json_string_value(json_object_get(each, "name"));

        if (its && strcmp(its, name) != 0 && json_array_size(others) < MEMORY_RECENT)
            json_array_append(others, each);
    }
    json_object_set_new(memory, "recent", others);
}

/* ---- lists ---- */

/* What a list depends on. Return: owned by the caller. */
static char *key_of(const struct extcap_request *request, enum extcap_setting setting)
{
    bool in_namespace = setting != EXTCAP_NAMESPACE;

    return text_format("%s %s %s %s %s", extcap_rows[setting].name,
                       extcap_value(request, EXTCAP_KUBECONFIG),
                       extcap_value(request, EXTCAP_CONTEXT),
                       in_namespace ? extcap_value(request, EXTCAP_NAMESPACE) : "",
                       setting == EXTCAP_CONTAINER ? extcap_value(request, EXTCAP_POD) : "");
}

const json_t *memory_list(const json_t *memory, const struct extcap_request *request,
                          enum extcap_setting setting)
{
    cleanup_free char *key = key_of(request, setting);

    return key ? json_object_get(json_object_get(memory, "lists"), key) : NULL;
}

void memory_put_list(json_t *memory, const struct extcap_request *request,
                     enum extcap_setting setting, const json_t *names)
{
    cleanup_free char *key = key_of(request, setting);
    json_t *lists = json_object_get(memory, "lists"), *kept = json_array(), *each;
    size_t i;

    /* Too many have come together: those that are still wanted come again. */
    if (!json_is_object(lists) || json_object_size(lists) >= MEMORY_LISTS) {
        lists = json_object();
        json_object_set_new(memory, "lists", lists);
    }
    json_array_foreach(names, i, each)
    {
        if (i < MEMORY_NAMES)
            json_array_append(kept, each);
    }
    if (key)
        json_object_set_new(lists, key, kept);
    else
        json_decref(kept);
}
