/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agents of one helper over one exec (common/relay.h): a stream for each node, and not one for
 * each target. A channel is used as a stream of its own is (kube/stream.h), with the same events.
 */
#ifndef KSNIFF_METHOD_RELAY_H
#define KSNIFF_METHOD_RELAY_H

#include <stdbool.h>
#include <stddef.h>

struct error;
struct kube_client;
struct kube_exec;
struct kube_stream_events;
struct relay_channel;
struct relays;

/* relays_new - none yet. Return: freed when no channel is left; NULL when out of memory. */
struct relays *relays_new(struct kube_client *client);
/* relays_free - NULL is allowed. */
void relays_free(struct relays *relays);

/*
 * relay_open - run a command of the agent over the exec that there is in that container, or a new
 * one
 * @exec: copied; the first word of its command is the agent's path
 * @secret: line that the helper wants to hear first, with its newline; NULL: none
 * @events: as of kube_stream_open(); exit codes are those of the command. Where the exec ends
 * before the command has, its end is given to all: with KUBE_EXIT_LOST, if it had no exit code of
 * its own
 * @data: given to the events
 *
 * Return: the channel, owned by the caller; NULL with the error.
 */
struct relay_channel *relay_open(struct relays *relays, const struct kube_exec *exec,
                                 const char *secret, const struct kube_stream_events *events,
                                 void *data, struct error *err);

/* relay_close - end the command, if it runs, without ceremony; the exec with the last one. Not from
 * within an event of the same channel. NULL is allowed. */
void relay_close(struct relay_channel *channel);

/* relay_send - queue bytes for the command's standard input. Return: 0, or -1 when out of memory or
 * closed. */
int relay_send(struct relay_channel *channel, const void *bytes, size_t length);

/* relay_pause - stop, or go on, reading: the exec's other channels wait as well. */
void relay_pause(struct relay_channel *channel, bool paused);

#endif
