/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/opening.h"

#include <stdio.h>

#include "base/log.h"
#include "settings/settings.h"

/* "eth0, lo", or "any"; as many as fit */
static void list_interfaces(const struct settings *settings, char *out, size_t size)
{
    size_t used = 0;

    snprintf(out, size, "any");
    for (size_t i = 0; i < settings->interface_count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "",
                                 settings->interfaces[i]);
}

/* "'deploy/web', 'db'", and the labels that choose besides; as many as fit */
static void list_targets(const struct settings *settings, char *out, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; i < settings->word_count && used < size; i++)
        used +=
            (size_t)snprintf(out + used, size - used, "%s'%s'", i ? ", " : "", settings->words[i]);
    if (used < size && settings->selector)
        used += (size_t)snprintf(out + used, size - used, "%slabels '%s'", used ? ", " : "",
                                 settings->selector);
    if (used < size && settings->field_selector)
        snprintf(out + used, size - used, "%sfields '%s'", used ? ", " : "",
                 settings->field_selector);
}

static void log_sets(const struct settings *settings, const char *interfaces)
{
    char targets[400];

    list_targets(settings, targets, sizeof(targets));
    log_info("sniffing on: %s [%s%s%s, filter: '%s', interface: '%s']", targets,
             settings->all_namespaces ? "all namespaces" : "namespace: '",
             settings->all_namespaces ? "" : settings->namespace,
             settings->all_namespaces ? "" : "'",
             settings->filter_text ? settings->filter_text : "", interfaces);
}

void opening_tell(const struct settings *settings)
{
    char interfaces[400];

    list_interfaces(settings, interfaces, sizeof(interfaces));
    if (!settings->pod && !settings->node) {
        log_sets(settings, interfaces);
        return;
    }
    if (settings->pod)
        log_info("sniffing on pod: '%s' [namespace: '%s', %s%s%sfilter: '%s', interface: '%s']",
                 settings->pod, settings->namespace, settings->container ? "container: '" : "",
                 settings->container ? settings->container : "", settings->container ? "', " : "",
                 settings->filter_text ? settings->filter_text : "", interfaces);
    else
        log_info("sniffing on node: '%s' [filter: '%s', interface: '%s']", settings->node,
                 settings->filter_text ? settings->filter_text : "", interfaces);
}
