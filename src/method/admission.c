/* SPDX-License-Identifier: Apache-2.0 */
#include "method/admission.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "method/helper.h"
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
 * The next that is more than a quota has. The refusal reads "exceeded quota: NAME, requested:
 * pods=1,limits.cpu=1, used: ...". @at: where to look on; the whole text at first. Return: whether
 * there is one.
 */
static bool next_exceeded(const char **at, char *name, size_t size)
{
    static const char before[] = ", requested: ";
    const char *quota = strstr(*at, "exceeded quota: ");
    const char *first = quota ? strstr(quota, before) : NULL;
    const char *item = first ? first + strlen(before) : **at == ',' ? *at + 1 : "";

    if (!*item || *item == ' ')
        return false;
    snprintf(name, size, "%.*s", (int)strcspn(item, "=, "), item);
    *at = item + strcspn(item, ", ");
    return true;
}

/* Does a quota count objects, however little they ask for? @out: receives what is counted */
static bool quota_counts(const char *text, char *out, size_t size)
{
    while (next_exceeded(&text, out, size))
        if (strcmp(out, "pods") == 0 || strcmp(out, "configmaps") == 0 ||
            strncmp(out, "count/", 6) == 0)
            return true;
    return false;
}

/* ---- what a recorder keeps ---- */

static const char *kept_in(const struct settings *settings)
{
    return settings->recording.in_memory ? "memory" : "ephemeral-storage";
}

static const char *other_place(const struct settings *settings)
{
    return settings->recording.in_memory ? "disk" : "memory";
}

/* Where the user has named it, it is not --keep that has asked for so much. */
static bool is_asked_for(const struct settings *settings)
{
    uint64_t unused;

    return helper_resource(settings->requests, kept_in(settings), &unused) ||
           helper_resource(settings->limits, kept_in(settings), &unused);
}

/*
 * Is it too much? LimitRange: "maximum ephemeral-storage usage per Container is 1Gi, but limit is
 * 1168Mi". Source: k8s.io/kubernetes plugin/pkg/admission/limitranger, resourcequota.
 */
static bool is_too_much(const char *text, const char *resource)
{
    char words[64], name[64];

    snprintf(words, sizeof(words), "maximum %s usage per ", resource);
    if (strstr(text, words))
        return true;
    while (next_exceeded(&text, name, sizeof(name))) {
        const char *dot = strchr(name, '.'); /* "limits.memory", or "memory" alone */

        if (strcmp(dot ? dot + 1 : name, resource) == 0)
            return true;
    }
    return false;
}

static bool keeps_too_much(const struct settings *settings, const char *text)
{
    return is_too_much(text, kept_in(settings)) && !is_asked_for(settings);
}

/* ---- remedies ---- */

static void remedy_resources(const struct settings *settings, bool records, struct error *err)
{
    if (records && keeps_too_much(settings, err->text))
        error_remedy(err,
                     "a smaller --keep asks for less, or keep it elsewhere with --keep-in %s or in "
                     "another namespace with --node-namespace",
                     other_place(settings));
    else
        error_remedy(err, "ask for other resources with --requests and --limits, or choose another "
                          "namespace with --node-namespace");
}

void admission_remedy_helper(const struct settings *settings, const char *namespace, bool records,
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
        remedy_resources(settings, records, err);
    else if (strstr(err->text, "PodSecurity"))
        error_remedy(err, "choose another namespace with --node-namespace");
}

/* "..., requested: 10485760, used: 0, capacity: 0": the kubelet does not count the disk at all,
 * which who may read nodes is spared (kube_node_counts_disk()). */
static void remedy_full_node(const struct settings *settings, const char *why, struct error *err)
{
    static const char none[] = "capacity: 0";
    const char *capacity = strstr(why, none);

    if (capacity && !isdigit((unsigned char)capacity[strlen(none)]))
        error_remedy(err,
                     "the node's kubelet gives nothing of that to any pod: keep it elsewhere "
                     "with --keep-in %s",
                     other_place(settings));
    else
        error_remedy(err,
                     "the node has not so much left beside its other pods: give a smaller --keep, "
                     "or keep it elsewhere with --keep-in %s",
                     other_place(settings));
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Source of the reasons: k8s.io/kubernetes pkg/kubelet/lifecycle/predicate.go. */
void admission_remedy_rejected(const struct settings *settings, bool records, const char *why,
                               struct error *err)
{
    static const struct {
        const char *reason, *remedy;
    } rejections[] = {
        {"OutOfcpu", "the node is full: ask for nothing with --requests cpu=0,memory=0"},
        {"OutOfmemory", "the node is full: ask for nothing with --requests cpu=0,memory=0"},
        {"OutOfpods", "the node has as many pods as it may have"},
        {"NodeAffinity", "pods of this namespace may not run on that node: choose another "
                         "namespace with --node-namespace"},
        {"its init container", "what adds that container to pods of this namespace may leave out "
                               "another one: choose it with --node-namespace"},
    };

    if (records && begins(why, "OutOf") && begins(why + strlen("OutOf"), kept_in(settings))) {
        remedy_full_node(settings, why, err);
        return;
    }
    for (size_t i = 0; i < sizeof(rejections) / sizeof(rejections[0]); i++)
        if (begins(why, rejections[i].reason))
            error_remedy(err, "%s", rejections[i].remedy);
}

void admission_remedy_ephemeral(struct error *err)
{
    if (admission_refuses(err) && !err->remedy[0] && strstr(err->text, SCC_REFUSAL))
        error_remedy(err, "OpenShift: the pod's service account, or you, must be allowed to use an "
                          "SCC that lets a container run as root, such as \"anyuid\"; or capture "
                          "from the node with -p");
}
