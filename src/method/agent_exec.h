/* SPDX-License-Identifier: Apache-2.0 */
/* The agent by exec: its executable is there, one exec runs it, and the exec's streams are its own.
 * For methods. */
#ifndef KSNIFF_METHOD_AGENT_EXEC_H
#define KSNIFF_METHOD_AGENT_EXEC_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct kube_stream_events;
struct session;

/*
 * agent_exec_open - open session->stream: an exec at session->place
 * @command: NULL-terminated
 * @events: get the session as their data
 */
int agent_exec_open(struct session *session, const char *const *command,
                    const struct kube_stream_events *events, struct error *err);

/*
 * agent_exec_start - run the agent at session->place; everything else is done here
 * @path: of the executable, in the container
 * @more: words behind those of the settings; NULL-terminated, or NULL
 * @memory_limit: bytes that the container may have; 0: no limit
 */
int agent_exec_start(struct session *session, const char *path, const char *const *more,
                     uint64_t memory_limit, struct error *err);

/* agent_exec_stop, agent_exec_heartbeat - for the table of a method. */
void agent_exec_stop(struct session *session);
/* A question for the clock is one. */
void agent_exec_heartbeat(struct session *session);

/* agent_exec_refilter - have it capture by the filter of the session's settings from now on. */
void agent_exec_refilter(struct session *session);

#endif
