/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's command line (common/agent.h), which captures or follows a key log, or tcpdump's. */
#ifndef KSNIFF_METHOD_COMMAND_H
#define KSNIFF_METHOD_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/agent.h"

struct error;
struct settings;
struct target;

#define COMMAND_MAX (2 * AGENT_INTERFACES_MAX + 16)

struct command {
    const char *words[COMMAND_MAX + 1]; /* without argv[0], NULL-terminated */
    size_t count;
    char snaplen[16];
    char ring[24];
    char *program; /* owned */
};

/*
 * command_build - what the agent, or with settings->tcpdump_path tcpdump, is to be run with
 * @memory_limit: bytes that the container it runs in may have, 0: no limit; the ring takes a part
 * @ret_command: must stay where it is; release with command_free()
 */
int command_build(struct command *ret_command, const struct settings *settings,
                  uint64_t memory_limit, struct error *err);
void command_free(struct command *command);

#define COMMAND_TARGET_MAX 36

/*
 * command_target - the options that lead an agent in a helper to a pod's network namespace: the
 * containers that run, the chosen one first, and the pod
 * @only_chosen: that container alone is meant
 * @words: room for COMMAND_TARGET_MAX; they point into the pod
 *
 * Return: how many there are.
 */
size_t command_target(const struct target *target, bool only_chosen, const char **words);

#endif
