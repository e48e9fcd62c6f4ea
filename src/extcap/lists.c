/* SPDX-License-Identifier: Apache-2.0 */
#include "extcap/lists.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/text.h"
#include "kube/client.h"
#include "kube/kubeconfig.h"
#include "kube/kubeconfig_files.h"
#include "kube/name.h"

#define REQUEST_MS 5000 /* somebody waits before a dialog */
#define ALL_MS     8000 /* with a credential plugin */
#define LIMIT      500  /* objects: a list that nobody reads to its end */

static void add_once(json_t *names, const char *name)
{
    size_t i;
    json_t *each;

    json_array_foreach(names, i, each)
    {
        if (strcmp(json_string_value(each), name) == 0)
            return;
    }
    json_array_append_new(names, json_string(name));
}

/* ---- the kubeconfig ---- */

json_t *lists_contexts(const char *kubeconfig, char **ret_current)
{
    struct kubeconfig_files files;
    json_t *names = json_array();

    *ret_current = NULL;
    if (kubeconfig_files_load(*kubeconfig ? kubeconfig : NULL, &files, NULL) < 0)
        return names;
    for (size_t i = 0; i < files.count; i++) {
        size_t k;
        json_t *each;

        json_array_foreach(json_object_get(files.files[i].root, "contexts"), k, each)
        {
            const char *name = json_string_value(json_object_get(each, "name"));

            if (name && *name)
                add_once(names, name);
        }
    }
    const char *current = kubeconfig_current_context(&files);

    *ret_current = current && *current ? strdup(current) : NULL;
    kubeconfig_files_free(&files);
    return names;
}

/* ---- pods and what has made them ---- */

/* A ReplicaSet of a Deployment is called by it and the hash of its template. */
static void workload_of_replica_set(const json_t *pod, const char *owner, char *out, size_t size)
{
    const json_t *labels = json_object_get(json_object_get(pod, "metadata"), "labels");
    const char *hash = json_string_value(json_object_get(labels, "pod-template-hash"));
    size_t length = strlen(owner), tail = hash ? strlen(hash) : 0;

    if (hash && tail + 1 < length && owner[length - tail - 1] == '-' &&
        strcmp(owner + length - tail, hash) == 0)
        snprintf(out, size, "deploy/%.*s", (int)(length - tail - 1), owner);
    else
        snprintf(out, size, "rs/%s", owner);
}

/* "deploy/shop"; "" where there is none that could be named. */
static void workload_of(const json_t *pod, char *out, size_t size)
{
    static const char *const kinds[][2] = {
        {"StatefulSet", "sts"}, {"DaemonSet", "ds"}, {"Job", "job"}};
    const json_t *owner =
        json_array_get(json_object_get(json_object_get(pod, "metadata"), "ownerReferences"), 0);
    const char *kind = json_string_value(json_object_get(owner, "kind"));
    const char *name = json_string_value(json_object_get(owner, "name"));

    *out = '\0';
    if (!kind || !name || !kube_name_is_subdomain(name))
        return;
    if (strcmp(kind, "ReplicaSet") == 0)
        workload_of_replica_set(pod, name, out, size);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kind, kinds[i][0]) == 0)
            snprintf(out, size, "%s/%s", kinds[i][1], name);
}

static const char *name_of(const json_t *object)
{
    const char *name =
        json_string_value(json_object_get(json_object_get(object, "metadata"), "name"));

    return name && kube_name_is_subdomain(name) ? name : NULL;
}

static bool has_ended(const json_t *pod)
{
    const char *phase = json_string_value(json_object_get(json_object_get(pod, "status"), "phase"));

    return phase && (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0);
}

static void add_containers(json_t *names, const json_t *pod)
{
    size_t i;
    json_t *each;

    json_array_foreach(json_object_get(json_object_get(pod, "spec"), "containers"), i, each)
    {
        const char *name = json_string_value(json_object_get(each, "name"));

        if (name && kube_name_is_label(name))
            add_once(names, name);
    }
}

json_t *lists_take_pods(const json_t *answer, enum extcap_setting setting, const char *pod)
{
    json_t *workloads = json_array(), *names = json_array(), *each;
    char workload[KUBE_NAME_MAX + 16];
    size_t i;

    json_array_foreach(json_object_get(answer, "items"), i, each)
    {
        const char *name = name_of(each);

        if (!name || has_ended(each))
            continue;
        workload_of(each, workload, sizeof(workload));
        if (setting == EXTCAP_CONTAINER) {
            if (strcmp(pod, name) == 0 || strcmp(pod, workload) == 0)
                add_containers(names, each);
            continue;
        }
        if (*workload)
            add_once(workloads, workload);
        json_array_append_new(names, json_string(name));
    }
    json_array_extend(workloads, names);
    json_decref(names);
    return workloads;
}

static json_t *take_namespaces(const json_t *answer)
{
    json_t *names = json_array(), *each;
    size_t i;

    json_array_foreach(json_object_get(answer, "items"), i, each)
    {
        if (name_of(each))
            json_array_append_new(names, json_string(name_of(each)));
    }
    return names;
}

bool lists_go_on(const json_t *answer)
{
    const char *next =
        json_string_value(json_object_get(json_object_get(answer, "metadata"), "continue"));

    return next && *next;
}

/* ---- the cluster ---- */

/* What takes too long is interrupted, as by the user. */
static void on_late(void *data)
{
    (void)data;
    raise(SIGTERM);
}

static int ask(struct kube_client *client, const struct extcap_request *request,
               enum extcap_setting setting, json_t **ret_names, bool *ret_more, struct error *err)
{
    cleanup_free char *namespace = kube_escape(kube_client_config(client)->namespace);
    cleanup_free char *path =
        setting == EXTCAP_NAMESPACE
            ? text_format("/api/v1/namespaces?limit=%d", LIMIT)
            : text_format("/api/v1/namespaces/%s/pods?limit=%d", namespace, LIMIT);
    json_t *answer = NULL;

    if (!path || !namespace)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (kube_get(client, path, &answer, err) < 0)
        return -1;
    *ret_names = setting == EXTCAP_NAMESPACE
                     ? take_namespaces(answer)
                     : lists_take_pods(answer, setting, extcap_value(request, EXTCAP_POD));
    *ret_more = lists_go_on(answer);
    json_decref(answer);
    return 0;
}

static int ask_in_loop(struct loop *loop, const struct extcap_request *request,
                       enum extcap_setting setting, json_t **ret_names, bool *ret_more,
                       struct error *err)
{
    const char *kubeconfig = extcap_value(request, EXTCAP_KUBECONFIG);
    const char *context = extcap_value(request, EXTCAP_CONTEXT);
    const char *namespace = extcap_value(request, EXTCAP_NAMESPACE);
    const struct kube_overrides overrides = {.kubeconfig = *kubeconfig ? kubeconfig : NULL,
                                             .context = *context ? context : NULL,
                                             .namespace = *namespace ? namespace : NULL};
    struct kube_config *config = NULL;
    struct kube_client *client = NULL;
    int result = -1;

    if (kube_config_load(&overrides, &config, err) < 0)
        return -1;
    if (kube_client_new(loop, config, REQUEST_MS, &client, err) == 0)
        result = ask(client, request, setting, ret_names, ret_more, err);
    kube_client_free(client);
    kube_config_free(config);
    return result;
}

int lists_ask(const struct extcap_request *request, enum extcap_setting setting, json_t **ret_names,
              bool *ret_more, struct error *err)
{
    struct loop *loop = loop_new(err);

    if (!loop)
        return -1;
    struct loop_timer *late = loop_add_timer(loop, ALL_MS, on_late, NULL);
    int result = ask_in_loop(loop, request, setting, ret_names, ret_more, err);

    if (result < 0 && err->kind == ERROR_INTERRUPTED)
        error_set(err, ERROR_TIMEOUT, "no answer for %d s", ALL_MS / 1000);
    loop_remove_timer(late);
    loop_free(loop);
    return result;
}
