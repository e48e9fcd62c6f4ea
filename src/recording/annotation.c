/* SPDX-License-Identifier: Apache-2.0 */
#include "recording/annotation.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kube/pod.h"
#include "settings/settings.h"
#include "target/target.h"

#define TEXT_MOST (200u << 10) /* the API server takes 256 KiB of annotations */

static json_t *ips_of(const struct kube_pod *pod)
{
    const json_t *addresses = json_object_get(json_object_get(pod->json, "status"), "podIPs");
    json_t *list = json_array(), *each;
    size_t i;

    json_array_foreach(addresses, i, each)
    {
        json_t *ip = json_object_get(each, "ip");

        if (ip)
            json_array_append(list, ip);
    }
    return list;
}

static json_t *target_json(const struct target *target, bool with_labels)
{
    const struct kube_pod *pod = target->pod;
    const json_t *labels = pod && with_labels
                               ? json_object_get(json_object_get(pod->json, "metadata"), "labels")
                               : NULL;

    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:o, s:o}", "namespace", target->namespace,
                     "name", target->name, "uid", pod ? pod->uid : "", "container",
                     target->container ? target->container->name : "", "node", target->node_name,
                     "hostNetwork", target->host_network, "ips", pod ? ips_of(pod) : json_array(),
                     "labels", labels ? json_deep_copy(labels) : json_object());
}

static json_t *interfaces_of(const struct settings *settings)
{
    json_t *list = json_array();

    for (size_t i = 0; i < settings->interface_count; i++)
        json_array_append_new(list, json_string(settings->interfaces[i]));
    return list;
}

static char *make(const struct settings *settings, const struct target *const *targets,
                  size_t count, const char *who, const char *when, const char *run, bool labels)
{
    const struct recording_settings *recording = &settings->recording;
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, target_json(targets[i], labels));
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:{s:I, s:I, s:s}, s:s?, s:s?, s:i, s:b, s:o, s:s?, s:I, s:o}", "by", who,
        "started", when, "run", run, "keep", "bytes", (json_int_t)recording->keep_bytes, "seconds",
        (json_int_t)recording->keep_seconds, "in", recording->in_memory ? "memory" : "disk",
        "filter", settings->filter_text, "asked", recording->asked_filter, "snaplen",
        (int)settings->snaplen, "headersOnly", settings->headers_only, "interfaces",
        interfaces_of(settings), "stopWhen", recording->stop_when_text, "after",
        (json_int_t)recording->after, "targets", list);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

    json_decref(json);
    return text;
}

/* Without the labels, of which a pod may have any number, the rest is small. */
char *annotation_text(const struct settings *settings, const struct target *const *targets,
                      size_t count, const char *who, const char *when, const char *run)
{
    char *text = make(settings, targets, count, who, when, run, true);

    if (!text || strlen(text) <= TEXT_MOST)
        return text;
    free(text);
    return make(settings, targets, count, who, when, run, false);
}
