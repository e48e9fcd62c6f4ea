/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping a capture of a node's interfaces from feeding on itself: its stream passes there too. */
#ifndef KSNIFF_METHOD_OWN_TRAFFIC_H
#define KSNIFF_METHOD_OWN_TRAFFIC_H

#include <stdbool.h>

struct facts;
struct target;

/*
 * own_traffic_filter - the user's filter joined with one that leaves the stream's own packets out:
 * those of the kubelet's port and of the API server, by the address that we reach it at and by
 * those that the cluster knows it by, as far as we may ask
 * @facts: as preflight_ask() has asked for them; nothing is waited for
 * @text: the user's filter; NULL: none
 *
 * Return: owned by the caller, NULL when out of memory.
 */
char *own_traffic_filter(struct facts *facts, const struct target *target, const char *text);

/*
 * own_traffic_warn - the agent has found that the stream is captured in a way that nobody foresaw:
 * warn, and offer the filter that ends it
 * @carried: what follows AGENT_CARRIED (common/agent.h)
 * @text: the user's filter; NULL: none
 *
 * Return: false when @carried is nothing of the kind.
 */
bool own_traffic_warn(const char *carried, const char *text);

#endif
