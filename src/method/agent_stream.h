/* SPDX-License-Identifier: Apache-2.0 */
/* The way to an agent: an exec of its own, or a channel of one that it shares (relay.h). */
#ifndef KSNIFF_METHOD_AGENT_STREAM_H
#define KSNIFF_METHOD_AGENT_STREAM_H

#include <stdbool.h>
#include <stddef.h>

struct kube_stream;
struct relay_channel;

/* Zeros: there is none. */
struct agent_stream {
    struct kube_stream *exec;      /* owned */
    struct relay_channel *channel; /* owned, in its place */
};

static inline bool agent_stream_is_there(const struct agent_stream *stream)
{
    return stream->exec || stream->channel;
}

/* agent_stream_close - there is none then. Not from within one of its events. */
void agent_stream_close(struct agent_stream *stream);

/* agent_stream_send, agent_stream_pause - as kube_stream_send() and kube_stream_pause(). */
int agent_stream_send(struct agent_stream *stream, const void *bytes, size_t length);
void agent_stream_pause(struct agent_stream *stream, bool paused);

/* agent_stream_quiet - as kube_stream_quiet(). An exec that is shared does not end before us. */
void agent_stream_quiet(struct agent_stream *stream);

#endif
