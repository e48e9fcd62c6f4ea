/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways in which an exec's channels go over one connection: a table of functions each. They do
 * no I/O: kube/stream.c owns the connection, gives them the bytes that come, and sends what they
 * have put into the buffer of what goes out.
 */
#ifndef KSNIFF_KUBE_TRANSPORT_H
#define KSNIFF_KUBE_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "kube/stream.h"

struct buf;

/* The stream protocols that are offered, whichever the transport. */
#define KUBE_PROTOCOL_V5 "v5.channel.k8s.io"
#define KUBE_PROTOCOL_V4 "v4.channel.k8s.io"

struct kube_wire_events {
    /* The server has taken the exec. */
    void (*opened)(void *data);
    /* Bytes of stdout or stderr; valid only during the call. */
    void (*output)(void *data, enum kube_channel channel, const unsigned char *bytes,
                   size_t length);
    /* The final Status, whole. Nothing comes after it. */
    void (*status)(void *data, const unsigned char *text, size_t length);
    /* It ended otherwise. @why: behind "the stream ended: ". Nothing comes after it. */
    void (*failed)(void *data, enum error_kind kind, const char *why);
};

/* What a transport knows of one connection; each puts it at the head of a struct of its own. */
struct kube_wire {
    const struct kube_wire_events *events;
    void *data;
    struct buf *out; /* what is to be sent; the stream's */
};

struct kube_transport {
    const char *name;   /* for messages: "WebSocket" */
    const char *method; /* of the request for the upgrade */

    /* Appends the header lines that ask for the upgrade. Return: false when they do not fit. */
    bool (*ask)(struct buf *request);
    /*
     * Takes the connection over.
     * @head: of the answer (101), NUL-terminated
     *
     * Return: the wire, for @release; NULL when it is no upgrade that was asked for, or out of
     * memory.
     */
    struct kube_wire *(*begin)(const char *head);
    /* Says what the client says first; "opened" may come from within. */
    void (*start)(struct kube_wire *wire);

    void (*receive)(struct kube_wire *wire, const unsigned char *bytes, size_t length);
    /* The connection has ended; what is known of the Status by then may still be one. */
    void (*hung_up)(struct kube_wire *wire);
    /* Queues bytes for stdin. Return: 0, or -1 when they do not fit. */
    int (*send)(struct kube_wire *wire, const void *bytes, size_t length);
    /* What was queued and waits for the server to make room for it: bytes that are not in @out. */
    size_t (*held)(const struct kube_wire *wire);
    /* Return: false when it cannot be said, or does not fit. */
    bool (*close_stdin)(struct kube_wire *wire);
    /* Asks the server for a sign of life. */
    void (*ping)(struct kube_wire *wire);
    void (*release)(struct kube_wire *wire);
};

extern const struct kube_transport kube_websocket, kube_spdy;

#endif
