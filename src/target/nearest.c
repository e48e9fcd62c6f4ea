/* SPDX-License-Identifier: Apache-2.0 */
#include "target/nearest.h"

#include <jansson.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "kube/client.h"

#define PODS_LOOKED_AT "500" /* a namespace of thousands is not read for a hint */

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

/* Return: NULL when none is near; it stands in the list. */
static const char *nearest_of(const json_t *pods, const char *wanted)
{
    unsigned least = (unsigned)strlen(wanted) / 3 + 1; /* as far off is another name */
    const char *nearest = NULL;
    size_t i;
    json_t *pod;

    json_array_foreach(json_object_get(pods, "items"), i, pod)
    {
        const char *name =
            json_string_value(json_object_get(json_object_get(pod, "metadata"), "name"));
        unsigned far = name ? distance(name, wanted) : least;

        if (far < least) {
            least = far;
            nearest = name;
        }
    }
    return nearest;
}

void nearest_pod(struct kube_client *client, const char *namespace, const char *name,
                 struct error *err)
{
    CLEANUP(cleanup_json) json_t *pods = NULL;
    cleanup_free char *path =
        text_format("/api/v1/namespaces/%s/pods?limit=" PODS_LOOKED_AT, namespace);
    struct error none;

    if (!path)
        return;
    if (kube_get(client, path, &pods, &none) < 0) {
        log_debug("no pod of a near name can be named: %s", none.text);
        return;
    }
    const char *nearest = nearest_of(pods, name);

    if (nearest)
        error_remedy(err, "did you mean \"%s\"? list them with: kubectl get pods -n %s", nearest,
                     namespace);
}
