/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An exec over WebSocket: v5.channel.k8s.io and v4.channel.k8s.io, k8s.io/apimachinery
 * pkg/util/remotecommand and k8s.io/apiserver pkg/util/wsstream. The first byte of each message is
 * its channel: 0 stdin, 1 stdout, 2 stderr, 3 the final Status, 255 (v5) CLOSE of the channel that
 * the next byte names. wslay does the frames.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <wslay/wslay.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/system.h"
#include "base/text.h"
#include "kube/transport.h"
#include "kube/upgrade.h"

#define STATUS_MAX (256u << 10) /* bytes of the final Status */

enum { CHANNEL_STATUS = 3, CHANNEL_CLOSE = 255 };

struct websocket {
    struct kube_wire wire;
    wslay_event_context_ptr frames;
    const unsigned char *input; /* what has come and is not read yet */
    size_t left;
    bool v5;
    bool stdin_closed;
    bool over;   /* the last event was sent */
    int channel; /* of the message being received; -1: its first byte is still to come */
    bool control;
    struct buf status;
};

static bool ask(struct buf *request)
{
    unsigned char nonce[16];
    cleanup_free char *key = NULL;

    if (system_random(nonce, sizeof(nonce)) < 0)
        return false;
    key = text_base64_encode(nonce, sizeof(nonce), false);
    return key &&
           buf_printf(request,
                      "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"
                      "Sec-WebSocket-Protocol: " KUBE_PROTOCOL_V5 ", " KUBE_PROTOCOL_V4 "\r\n",
                      key);
}

static void fail(struct websocket *socket, enum error_kind kind, const char *why)
{
    if (!socket->over)
        socket->wire.events->failed(socket->wire.data, kind, why);
    socket->over = true;
}

/* ---- wslay's callbacks ---- */

static ssize_t on_read(wslay_event_context_ptr frames, uint8_t *out, size_t length, int flags,
                       void *data)
{
    struct websocket *socket = data;

    (void)flags;
    if (socket->left == 0) {
        wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    if (length > socket->left)
        length = socket->left;
    memcpy(out, socket->input, length);
    socket->input += length;
    socket->left -= length;
    return (ssize_t)length;
}

static ssize_t on_write(wslay_event_context_ptr frames, const uint8_t *bytes, size_t length,
                        int flags, void *data)
{
    struct websocket *socket = data;

    (void)flags;
    if (buf_append(socket->wire.out, bytes, length))
        return (ssize_t)length;
    wslay_event_set_error(frames, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static int on_mask(wslay_event_context_ptr frames, uint8_t *out, size_t length, void *data)
{
    (void)frames;
    (void)data;
    return system_random(out, length);
}

static void on_start(wslay_event_context_ptr frames,
                     const struct wslay_event_on_frame_recv_start_arg *arg, void *data)
{
    struct websocket *socket = data;

    (void)frames;
    log_trace("frame in: opcode %u, %llu bytes", arg->opcode,
              (unsigned long long)arg->payload_length);
    socket->control = arg->opcode >= WSLAY_CONNECTION_CLOSE;
    if (!socket->control && arg->opcode != WSLAY_CONTINUATION_FRAME)
        socket->channel = -1;
}

static void on_chunk(wslay_event_context_ptr frames,
                     const struct wslay_event_on_frame_recv_chunk_arg *arg, void *data)
{
    struct websocket *socket = data;
    const uint8_t *bytes = arg->data;
    size_t length = arg->data_length;

    (void)frames;
    if (socket->control || socket->over || length == 0)
        return;
    if (socket->channel < 0) {
        socket->channel = *bytes++;
        length--;
    }
    if (length == 0)
        return;
    if (socket->channel == KUBE_CHANNEL_STDOUT || socket->channel == KUBE_CHANNEL_STDERR)
        socket->wire.events->output(socket->wire.data, (enum kube_channel)socket->channel, bytes,
                                    length);
    else if (socket->channel == CHANNEL_STATUS && !buf_append(&socket->status, bytes, length))
        fail(socket, ERROR_PROTOCOL, "its Status is too long");
}

static void on_message(wslay_event_context_ptr frames,
                       const struct wslay_event_on_msg_recv_arg *arg, void *data)
{
    struct websocket *socket = data;

    (void)frames;
    if (socket->over)
        return;
    if (arg->opcode == WSLAY_CONNECTION_CLOSE) {
        fail(socket, ERROR_NETWORK, "the server closed it");
    } else if (!wslay_is_ctrl_frame(arg->opcode) && socket->channel == CHANNEL_STATUS) {
        socket->over = true;
        socket->wire.events->status(socket->wire.data, buf_bytes(&socket->status),
                                    socket->status.length);
    }
}

/* ---- the transport's table ---- */

static void release(struct kube_wire *wire)
{
    struct websocket *socket = (struct websocket *)wire;

    if (socket->frames)
        wslay_event_context_free(socket->frames);
    buf_free(&socket->status);
    free(socket);
}

static struct kube_wire *begin(const char *head)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_read,
        .send_callback = on_write,
        .genmask_callback = on_mask,
        .on_frame_recv_start_callback = on_start,
        .on_frame_recv_chunk_callback = on_chunk,
        .on_msg_recv_callback = on_message,
    };
    char protocol[64], upgrade[32];
    struct websocket *socket = calloc(1, sizeof(*socket));

    kube_upgrade_header(head, "Upgrade", upgrade, sizeof(upgrade));
    kube_upgrade_header(head, "Sec-WebSocket-Protocol", protocol, sizeof(protocol));
    if (!socket)
        return NULL;
    buf_init(&socket->status, STATUS_MAX);
    socket->channel = -1;
    socket->v5 = strcmp(protocol, KUBE_PROTOCOL_V5) == 0;
    if (strcasecmp(upgrade, "websocket") != 0 ||
        (!socket->v5 && strcmp(protocol, KUBE_PROTOCOL_V4) != 0) ||
        wslay_event_context_client_init(&socket->frames, &callbacks, socket) != 0) {
        release(&socket->wire);
        return NULL;
    }
    wslay_event_config_set_no_buffering(socket->frames, 1);
    return &socket->wire;
}

static void start(struct kube_wire *wire)
{
    wire->events->opened(wire->data);
}

static int flush(struct websocket *socket)
{
    return wslay_event_want_write(socket->frames) ? wslay_event_send(socket->frames) : 0;
}

static void receive(struct kube_wire *wire, const unsigned char *bytes, size_t length)
{
    struct websocket *socket = (struct websocket *)wire;

    socket->input = bytes;
    socket->left = length;
    if (wslay_event_recv(socket->frames) != 0)
        fail(socket, ERROR_PROTOCOL, "a malformed frame");
    else if (flush(socket) != 0) /* answers to pings */
        fail(socket, ERROR_PROTOCOL, "too many pings");
}

static void hung_up(struct kube_wire *wire)
{
    (void)wire;
}

static int queue_message(struct websocket *socket, int channel, const void *bytes, size_t length)
{
    cleanup_free uint8_t *message = malloc(length + 1);
    const struct wslay_event_msg framed = {
        .opcode = WSLAY_BINARY_FRAME, .msg = message, .msg_length = length + 1};

    if (!message)
        return -1;
    message[0] = (uint8_t)channel;
    if (length)
        memcpy(message + 1, bytes, length);
    if (wslay_event_queue_msg(socket->frames, &framed) != 0 || flush(socket) != 0)
        return -1;
    log_trace("frame out: channel %d, %zu bytes", channel, length);
    return 0;
}

static int send_bytes(struct kube_wire *wire, const void *bytes, size_t length)
{
    struct websocket *socket = (struct websocket *)wire;

    return socket->stdin_closed ? -1 : queue_message(socket, KUBE_CHANNEL_STDIN, bytes, length);
}

static size_t held(const struct kube_wire *wire)
{
    (void)wire;
    return 0;
}

static bool close_stdin(struct kube_wire *wire)
{
    static const unsigned char channel = KUBE_CHANNEL_STDIN;
    struct websocket *socket = (struct websocket *)wire;

    if (socket->v5 && !socket->stdin_closed)
        socket->stdin_closed = queue_message(socket, CHANNEL_CLOSE, &channel, 1) == 0;
    return socket->stdin_closed;
}

static void ping(struct kube_wire *wire)
{
    static const uint8_t nothing[] = "";
    const struct wslay_event_msg message = {.opcode = WSLAY_PING, .msg = nothing};
    struct websocket *socket = (struct websocket *)wire;

    wslay_event_queue_msg(socket->frames, &message);
    flush(socket);
}

const struct kube_transport kube_websocket = {
    .name = "WebSocket",
    .method = "GET",
    .ask = ask,
    .begin = begin,
    .start = start,
    .receive = receive,
    .hung_up = hung_up,
    .send = send_bytes,
    .held = held,
    .close_stdin = close_stdin,
    .ping = ping,
    .release = release,
};
