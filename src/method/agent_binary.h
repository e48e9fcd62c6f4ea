/* SPDX-License-Identifier: Apache-2.0 */
/* The agents and recorders that the client carries inside its own executable, one of each for each
 * architecture. */
#ifndef KSNIFF_METHOD_AGENT_BINARY_H
#define KSNIFF_METHOD_AGENT_BINARY_H

#include <stddef.h>

struct error;

struct agent_binary {
    const char *architecture; /* as Kubernetes names it: "amd64" */
    const unsigned char *bytes;
    size_t length;
};

/* Generated at build time; each ends with a row whose architecture is NULL. */
extern const struct agent_binary agent_binaries[];
extern const struct agent_binary recorder_binaries[]; /* for the same architectures */

/*
 * agent_binary_find - the agent for a machine
 * @machine: as uname -m says it ("x86_64", "aarch64", "armv7l") or as Kubernetes does ("amd64")
 *
 * Return: NULL when there is none.
 */
const struct agent_binary *agent_binary_find(const char *machine);

/* agent_binary_choose - the same. Return: NULL with the error, which says what is carried. */
const struct agent_binary *agent_binary_choose(const char *machine, struct error *err);

/* recorder_binary_find - the recorder for a machine, as agent_binary_find(). */
const struct agent_binary *recorder_binary_find(const char *machine);

#endif
