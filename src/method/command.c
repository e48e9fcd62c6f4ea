/* SPDX-License-Identifier: Apache-2.0 */
#include "method/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "settings/filter.h"
#include "settings/settings.h"
#include "target/target.h"
#include "kube/pod.h"

static void add(struct command *command, const char *word)
{
    if (command->count < COMMAND_MAX)
        command->words[command->count++] = word;
}

/* The ring may take a quarter of the container's memory: the application needs the rest. */
static uint64_t ring_size(const struct settings *settings, uint64_t memory_limit)
{
    uint64_t size = AGENT_RING_DEFAULT;

    if (settings->buffer_size)
        return settings->buffer_size;
    if (memory_limit && memory_limit / 4 < size)
        size = memory_limit / 4;
    return size < AGENT_RING_MIN ? AGENT_RING_MIN : size;
}

static int build_tcpdump(struct command *command, const struct settings *settings)
{
    add(command, "-i");
    add(command, settings->interface_count ? settings->interfaces[0] : "any");
    add(command, "-U");
    add(command, "-w");
    add(command, "-");
    if (settings->snaplen != AGENT_SNAPLEN_MAX) {
        add(command, "-s");
        add(command, command->snaplen);
    }
    if (settings->filter.program)
        add(command, settings->filter_text);
    return 0;
}

static int build_follow(struct command *command, const struct settings *settings)
{
    add(command, "follow");
    add(command, "-k");
    add(command, settings->keylog);
    return 0;
}

static int build_agent(struct command *command, const struct settings *settings, struct error *err)
{
    add(command, "capture");
    for (size_t i = 0; i < settings->interface_count; i++) {
        add(command, "-i");
        add(command, settings->interfaces[i]);
    }
    add(command, "-s");
    add(command, command->snaplen);
    add(command, "-b");
    add(command, command->ring);
    if (settings->headers_only)
        add(command, "-H");
    if (settings->leave_own_out)
        add(command, "-O");
    if (!settings->filter.program)
        return 0;
    command->program = filter_encode(&settings->filter);
    if (!command->program)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    add(command, "-F");
    add(command, command->program);
    if (settings->filter.vlan)
        add(command, "-V");
    if (settings->filter.ethernet_only)
        add(command, "-E");
    return 0;
}

int command_build(struct command *ret_command, const struct settings *settings,
                  uint64_t memory_limit, struct error *err)
{
    struct command *command = ret_command;

    *command = (struct command){.count = 0};
    snprintf(command->snaplen, sizeof(command->snaplen), "%" PRIu32, settings->snaplen);
    snprintf(command->ring, sizeof(command->ring), "%" PRIu64, ring_size(settings, memory_limit));
    if (settings->follows_keylog)
        return build_follow(command, settings);
    return settings->tcpdump_path ? build_tcpdump(command, settings)
                                  : build_agent(command, settings, err);
}

void command_free(struct command *command)
{
    free(command->program);
    command->program = NULL;
}

/* The network is that of any of its containers; a file is one's. */
size_t command_target(const struct target *target, bool only_chosen, const char **words)
{
    size_t used = 0;

    if (*target->container->id || only_chosen) {
        words[used++] = "-C";
        words[used++] = target->container->id;
    }
    if (only_chosen)
        return used;
    for (size_t i = 0; i < target->pod->container_count && used < COMMAND_TARGET_MAX - 3; i++) {
        const struct kube_container *container = &target->pod->containers[i];

        if (container != target->container && container->running && *container->id) {
            words[used++] = "-C";
            words[used++] = container->id;
        }
    }
    words[used++] = "-P";
    words[used++] = target->pod->config_hash ? target->pod->config_hash : target->pod->uid;
    return used;
}
