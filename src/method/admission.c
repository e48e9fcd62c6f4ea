/* SPDX-License-Identifier: Apache-2.0 */
#include "method/admission.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "settings/settings.h"

/* OpenShift's admission of pods, in all its versions. */
#define SCC_REFUSAL "unable to validate against any security context constraint"

bool admission_refuses(const struct error *err)
{
    return err->kind == ERROR_INVALID || (err->kind == ERROR_FORBIDDEN && !err->remedy[0]);
}

static bool says_any(const struct error *err, const char *const *words)
{
    for (; *words; words++)
        if (strstr(err->text, *words))
            return true;
    return false;
}

/*
 * Does the refusal say that a quota counts objects, however little they ask for? It reads
 * "exceeded quota: NAME, requested: pods=1,limits.cpu=1, used: ...".
 * @out: receives what is counted
 */
static bool quota_counts(const char *text, char *out, size_t size)
{
    static const char before[] = ", requested: ";
    const char *quota = strstr(text, "exceeded quota: ");
    const char *item = quota ? strstr(quota, before) : NULL;

    if (!item)
        return false;
    item += strlen(before);
    for (size_t length; *item && *item != ' '; item += length + (item[length] == ',')) {
        size_t name = strcspn(item, "=, ");

        if ((name == 4 && strncmp(item, "pods", name) == 0) ||
            (name == 10 && strncmp(item, "configmaps", name) == 0) ||
            strncmp(item, "count/", 6) == 0) {
            snprintf(out, size, "%.*s", (int)name, item);
            return true;
        }
        length = strcspn(item, ", ");
    }
    return false;
}

void admission_remedy_helper(const struct settings *settings, const char *namespace,
                             struct error *err)
{
    static const char *const resources[] = {"quota", "usage per", "limit to request ratio",
                                            "resources.", NULL};
    char counted[64];

    if (!admission_refuses(err) || err->remedy[0])
        return;
    if (strstr(err->text, SCC_REFUSAL))
        error_remedy(err,
                     "OpenShift: you, or a service account named with -s, must be allowed to use "
                     "the SCC \"privileged\": oc adm policy add-scc-to-user privileged -z %s -n %s",
                     settings->service_account ? settings->service_account : "NAME", namespace);
    else if (strstr(err->text, "service account"))
        error_remedy(err, "%s with -s", settings->service_account ? "name another" : "name one");
    else if (quota_counts(err->text, counted, sizeof(counted)))
        error_remedy(err,
                     "the quota counts %s, however little they ask for: have it raised, remove one "
                     "that is not needed, or choose another namespace with --node-namespace",
                     counted);
    else if (says_any(err, resources))
        error_remedy(err, "ask for other resources with --requests and --limits, or choose another "
                          "namespace with --node-namespace");
    else if (strstr(err->text, "PodSecurity"))
        error_remedy(err, "choose another namespace with --node-namespace");
}

void admission_remedy_ephemeral(struct error *err)
{
    if (admission_refuses(err) && !err->remedy[0] && strstr(err->text, SCC_REFUSAL))
        error_remedy(err, "OpenShift: the pod's service account, or you, must be allowed to use an "
                          "SCC that lets a container run as root, such as \"anyuid\"; or capture "
                          "from the node with -p");
}
