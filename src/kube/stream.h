/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One exec: a command in a container, with its standard streams over one connection, by WebSocket
 * or by SPDY/3.1 (kube/transport.h), whichever the server, what lies before it and the user's
 * rights take.
 */
#ifndef KSNIFF_KUBE_STREAM_H
#define KSNIFF_KUBE_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "kube/status.h"

struct kube_client;
struct kube_stream;

enum kube_channel {
    KUBE_CHANNEL_STDIN = 0,
    KUBE_CHANNEL_STDOUT = 1,
    KUBE_CHANNEL_STDERR = 2,
};

struct kube_exec {
    const char *namespace;
    const char *pod;
    const char *container;
    const char *const *command; /* NULL-terminated */
};

struct kube_stream_events {
    /* The server has taken the exec; the command is being started. */
    void (*opened)(void *data);
    /* Bytes of KUBE_CHANNEL_STDOUT or KUBE_CHANNEL_STDERR; valid only during the call. */
    void (*output)(void *data, enum kube_channel channel, const unsigned char *bytes,
                   size_t length);
    /* What was queued with kube_stream_send() is on its way: there is room for more. */
    void (*drained)(void *data);
    /*
     * The last call. @exit: how the command ended; NULL when the server did not take the exec.
     * @err: why the stream ended without a Status (with KUBE_EXIT_LOST) or was not taken.
     */
    void (*closed)(void *data, const struct kube_exit *exit, const struct error *err);
};

/*
 * kube_stream_open - ask for an exec; everything else comes as events, from the loop
 * @exec: copied
 * @data: given to the events
 *
 * stdin, stdout and stderr are always attached: the end of stdin is what ends a command whose
 * client is gone. Return: the stream, owned by the caller; NULL with the error.
 */
struct kube_stream *kube_stream_open(struct kube_client *client, const struct kube_exec *exec,
                                     const struct kube_stream_events *events, void *data,
                                     struct error *err);

/* kube_stream_free - ends the connection without ceremony if it still stands. Not from within an
 * event. NULL is allowed. */
void kube_stream_free(struct kube_stream *stream);

/* kube_stream_send - queue bytes for stdin. Return: 0, or -1 when out of memory or closed. */
int kube_stream_send(struct kube_stream *stream, const void *bytes, size_t length);

/* kube_stream_queued - bytes that kube_stream_send() took and that have not been sent yet. */
size_t kube_stream_queued(const struct kube_stream *stream);

/* kube_stream_close_stdin - the end of stdin, after what is queued. Return: false where the
 * protocol cannot say it (WebSocket, v4): then only the end of the connection does. */
bool kube_stream_close_stdin(struct kube_stream *stream);

/* kube_stream_quiet - ask for no sign of life any more: the server may have ended, and would then
 * throw away what it has not sent yet. NULL is allowed. */
void kube_stream_quiet(struct kube_stream *stream);

/* kube_stream_pause - stop, or go on, reading: the way back-pressure reaches the agent. */
void kube_stream_pause(struct kube_stream *stream, bool paused);

/* kube_stream_prefer_spdy - the client's streams are asked for by SPDY first: known rights allow
 * nothing else. */
void kube_stream_prefer_spdy(struct kube_client *client);

#endif
