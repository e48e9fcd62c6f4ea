/* SPDX-License-Identifier: Apache-2.0 */
#include "method/agent_stream.h"

#include "kube/stream.h"
#include "method/relay.h"

void agent_stream_close(struct agent_stream *stream)
{
    kube_stream_free(stream->exec);
    relay_close(stream->channel);
    *stream = (struct agent_stream){.exec = NULL};
}

int agent_stream_send(struct agent_stream *stream, const void *bytes, size_t length)
{
    return stream->channel ? relay_send(stream->channel, bytes, length)
                           : kube_stream_send(stream->exec, bytes, length);
}

void agent_stream_quiet(struct agent_stream *stream)
{
    kube_stream_quiet(stream->exec);
}

void agent_stream_pause(struct agent_stream *stream, bool paused)
{
    if (stream->channel)
        relay_pause(stream->channel, paused);
    else
        kube_stream_pause(stream->exec, paused);
}
