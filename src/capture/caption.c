/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/caption.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "capture/member.h"
#include "kube/kubeconfig.h"
#include "method/method.h"
#include "settings/settings.h"
#include "target/target.h"

static bool is_single(struct member *const *members, size_t count)
{
    return count == 1 && !members[0]->several;
}

/* The lines of the section's comment that are about a single target. */
static char *describe_target(const struct member *member)
{
    const struct target *target = member->target;

    if (!target->pod)
        return text_format("node: %s\nmethod: %s\n", target->node_name, member->method->name);
    return text_format("namespace: %s\npod: %s\ncontainer: %s\nnode: %s\nmethod: %s\n",
                       target->namespace, target->name, target->container->name, target->node_name,
                       member->method->name);
}

/* The one whose share alone stands in a section; NULL: those of several do. */
static const struct member *member_of(struct member *const *members, size_t count,
                                      const struct share *share)
{
    if (is_single(members, count))
        return members[0];
    for (size_t i = 0; i < count; i++)
        if (share == &members[i]->track.share)
            return members[i];
    return NULL;
}

char *caption_comment(struct member *const *members, size_t count, const struct share *share,
                      const struct kube_config *config)
{
    const struct member *alone = member_of(members, count, share);
    const struct settings *settings = alone ? &alone->settings : &members[0]->settings;
    cleanup_free char *targets =
        alone ? describe_target(alone) : text_format("targets: %zu\n", count);

    return text_format("context: %s\n%s%s%s%sfilter: %s\n"
                       "versions: kubectl-sniff %s, %s",
                       config->context ? config->context : config->server, targets ? targets : "",
                       settings->fetched ? "recording: " : "",
                       settings->fetched ? settings->fetched : "", settings->fetched ? "\n" : "",
                       settings->filter_text ? settings->filter_text : "none", KSNIFF_VERSION,
                       settings->tcpdump_path ? settings->tcpdump_path
                                              : "ksniff-agent " KSNIFF_VERSION);
}

char *caption_title(struct member *const *members, size_t count)
{
    if (count == 0)
        return strdup("what comes to match");
    const struct member *first = members[0];
    const struct kube_container *container = first->target->container;

    if (!is_single(members, count))
        return text_format("%zu targets, the first: %s", count, first->prefix);
    return text_format("%s%s%s", first->prefix, container ? "/" : "",
                       container ? container->name : "");
}
