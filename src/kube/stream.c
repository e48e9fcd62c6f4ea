/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream goes through: connecting (curl) -> upgrading (an HTTP/1.1 request written by hand, since
 * Debian's libcurl 7.88 has no WebSocket) -> open (wslay's frames) -> closed. libcurl stays the
 * owner of the connection, TLS included; wslay does no I/O of its own.
 */
#include "kube/stream.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <wslay/wslay.h>

#if defined(__APPLE__) || (defined(__GLIBC__) && __GLIBC__ >= 2)
#include <sys/random.h>
#endif

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "kube/client.h"
#include "kube/foreign.h"

#define INPUT_SIZE       (64u << 10) /* bytes read from TLS at once */
#define READS_A_TURN     32 /* then the loop gets its turn: signals, timers, other streams */
#define HEADERS_MAX      (128u << 10) /* bytes of an answer to the upgrade, body included */
#define BODY_MAX         (16u << 10)  /* of it, bytes of the body that are waited for */
#define STATUS_MAX       (256u << 10) /* bytes of the final Status */
#define PING_MS          25000        /* between pings: load balancers cut what is idle */
#define PONG_MS          20000        /* no byte for this long after a ping: the peer is gone */
#define UPGRADE_MS       30000        /* for the answer to the upgrade */
#define STREAM_PROTOCOLS "v5.channel.k8s.io, v4.channel.k8s.io"

enum stream_state { CONNECTING, UPGRADING, RESTARTING, OPEN, CLOSED };

struct kube_stream {
    struct kube_client *client;
    struct loop *loop;
    struct kube_stream_events events;
    void *data;
    enum stream_state state;
    char *path; /* of the request, query included */
    bool retried;

    CURL *handle;
    struct loop_fd *watch;
    int fd;                  /* curl's */
    struct loop_timer *turn; /* go on reading, or start again */
    struct loop_timer *ping;
    bool pinged;
    bool heard; /* any byte since the last ping */
    bool paused;

    struct buf request; /* the upgrade, as far as it is not sent */
    struct buf answer;  /* the answer to it, as far as it has come */

    wslay_event_context_ptr frames;
    unsigned char *input; /* INPUT_SIZE bytes as they come from TLS */
    size_t input_length, input_used;
    bool v5;
    bool input_ended;
    bool stdin_closed;
    int channel; /* of the message being received; -1: its first byte is still to come */
    bool control;
    struct buf status;
};

/* ---- the end ---- */

static void close_connection(struct kube_stream *stream)
{
    loop_remove_fd(stream->watch);
    stream->watch = NULL;
    kube_client_disconnect(stream->client, stream->handle);
    stream->handle = NULL;
}

static void finish(struct kube_stream *stream, const struct kube_exit *exit,
                   const struct error *err)
{
    if (stream->state == CLOSED)
        return;
    stream->state = CLOSED;
    loop_stop_timer(stream->ping);
    loop_stop_timer(stream->turn);
    if (stream->watch)
        loop_set_events(stream->watch, 0);
    stream->events.closed(stream->data, exit, err);
}

/* The stream broke off: before the command was started, or after. */
static void finish_lost(struct kube_stream *stream, const struct error *err)
{
    const struct kube_exit lost = {.kind = KUBE_EXIT_LOST, .code = -1};

    finish(stream, stream->state == OPEN ? &lost : NULL, err);
}

static void lose(struct kube_stream *stream, enum error_kind kind, const char *why)
{
    struct error err;

    error_set(&err, kind, "the stream of \"%s\" ended: %s",
              kube_client_config(stream->client)->server, why);
    finish_lost(stream, &err);
}

/* ---- bytes in and out of the connection ---- */

/* Return: bytes written, 0 when it would block, -1 when the connection is gone. */
static ssize_t connection_send(struct kube_stream *stream, const void *bytes, size_t length)
{
    size_t sent = 0;
    CURLcode code = curl_easy_send(stream->handle, bytes, length, &sent);

    if (code == CURLE_AGAIN)
        return 0;
    return code == CURLE_OK ? (ssize_t)sent : -1;
}

/* Fills stream->input. Return: bytes read, 0 when it would block, -1 when the connection is gone.
 */
static ssize_t connection_receive(struct kube_stream *stream)
{
    size_t got = 0;
    CURLcode code = curl_easy_recv(stream->handle, stream->input, INPUT_SIZE, &got);

    if (code == CURLE_AGAIN)
        return 0;
    if (code != CURLE_OK || got == 0)
        return -1;
    stream->heard = true;
    stream->input_length = got;
    stream->input_used = 0;
    return (ssize_t)got;
}

static void update_events(struct kube_stream *stream)
{
    short events = 0;

    if (!stream->watch || stream->state == CLOSED)
        return;
    if (!stream->paused)
        events |= POLLIN;
    if (stream->request.length > 0 || (stream->frames && wslay_event_want_write(stream->frames)))
        events |= POLLOUT;
    loop_set_events(stream->watch, events);
}

/* ---- frames ---- */

static ssize_t on_frame_read(wslay_event_context_ptr frames, uint8_t *out, size_t length, int flags,
                             void *data)
{
    struct kube_stream *stream = data;
    size_t left = stream->input_length - stream->input_used;

    (void)flags;
    if (left == 0) {
        wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    if (length > left)
        length = left;
    memcpy(out, stream->input + stream->input_used, length);
    stream->input_used += length;
    return (ssize_t)length;
}

static ssize_t on_frame_write(wslay_event_context_ptr frames, const uint8_t *bytes, size_t length,
                              int flags, void *data)
{
    struct kube_stream *stream = data;
    ssize_t sent = connection_send(stream, bytes, length);

    (void)flags;
    if (sent > 0)
        return sent;
    wslay_event_set_error(frames, sent == 0 ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static int on_mask(wslay_event_context_ptr frames, uint8_t *out, size_t length, void *data)
{
    (void)frames;
    (void)data;
    return getentropy(out, length);
}

static void on_frame_start(wslay_event_context_ptr frames,
                           const struct wslay_event_on_frame_recv_start_arg *arg, void *data)
{
    struct kube_stream *stream = data;

    (void)frames;
    log_trace("frame in: opcode %u, %llu bytes", arg->opcode,
              (unsigned long long)arg->payload_length);
    stream->control = arg->opcode >= WSLAY_CONNECTION_CLOSE;
    if (!stream->control && arg->opcode != WSLAY_CONTINUATION_FRAME)
        stream->channel = -1;
}

static void on_frame_chunk(wslay_event_context_ptr frames,
                           const struct wslay_event_on_frame_recv_chunk_arg *arg, void *data)
{
    struct kube_stream *stream = data;
    const uint8_t *bytes = arg->data;
    size_t length = arg->data_length;

    (void)frames;
    if (stream->control || stream->state != OPEN || length == 0)
        return;
    if (stream->channel < 0) {
        stream->channel = *bytes++;
        length--;
    }
    if (length == 0)
        return;
    if (stream->channel == KUBE_CHANNEL_STDOUT || stream->channel == KUBE_CHANNEL_STDERR)
        stream->events.output(stream->data, (enum kube_channel)stream->channel, bytes, length);
    else if (stream->channel == KUBE_CHANNEL_STATUS && !buf_append(&stream->status, bytes, length))
        lose(stream, ERROR_PROTOCOL, "its Status is too long");
}

static void on_message(wslay_event_context_ptr frames,
                       const struct wslay_event_on_msg_recv_arg *arg, void *data)
{
    struct kube_stream *stream = data;
    struct kube_exit exit;

    (void)frames;
    if (arg->opcode == WSLAY_CONNECTION_CLOSE) {
        stream->input_ended = true;
        return;
    }
    if (stream->state != OPEN || wslay_is_ctrl_frame(arg->opcode) ||
        stream->channel != KUBE_CHANNEL_STATUS)
        return;
    if (kube_exit_from_status((const char *)buf_bytes(&stream->status), stream->status.length,
                              &exit) < 0) {
        lose(stream, ERROR_PROTOCOL, "its Status cannot be read");
        return;
    }
    finish(stream, &exit, NULL);
}

static int start_frames(struct kube_stream *stream)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_frame_read,
        .send_callback = on_frame_write,
        .genmask_callback = on_mask,
        .on_frame_recv_start_callback = on_frame_start,
        .on_frame_recv_chunk_callback = on_frame_chunk,
        .on_msg_recv_callback = on_message,
    };

    if (wslay_event_context_client_init(&stream->frames, &callbacks, stream) != 0)
        return -1;
    wslay_event_config_set_no_buffering(stream->frames, 1);
    stream->channel = -1;
    return 0;
}

static void send_frames(struct kube_stream *stream)
{
    size_t before = wslay_event_get_queued_msg_length(stream->frames);

    if (wslay_event_want_write(stream->frames) && wslay_event_send(stream->frames) != 0) {
        lose(stream, ERROR_NETWORK, "the connection was closed");
        return;
    }
    if (before > 0 && wslay_event_get_queued_msg_length(stream->frames) == 0 &&
        stream->events.drained)
        stream->events.drained(stream->data);
}

/* ---- the upgrade ---- */

static int write_upgrade(struct kube_stream *stream)
{
    unsigned char nonce[16];
    cleanup_free char *key = NULL;

    if (getentropy(nonce, sizeof(nonce)) < 0)
        return -1;
    key = text_base64_encode(nonce, sizeof(nonce), false);
    buf_take(&stream->request, stream->request.length);
    return key &&
                   buf_printf(&stream->request, "GET %s%s HTTP/1.1\r\n",
                              kube_client_base_path(stream->client), stream->path) &&
                   kube_client_headers(stream->client, &stream->request) &&
                   buf_printf(&stream->request,
                              "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"
                              "Sec-WebSocket-Protocol: " STREAM_PROTOCOLS "\r\n\r\n",
                              key)
               ? 0
               : -1;
}

/* Finds a header in the NUL-terminated head of an answer. Return: false when it is not there. */
static bool find_header(const char *head, const char *name, char *out, size_t size)
{
    size_t name_length = strlen(name);

    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, name_length) != 0 || line[name_length] != ':')
            continue;
        const char *value = line + name_length + 1;
        value += strspn(value, " \t");
        snprintf(out, size, "%.*s", (int)strcspn(value, "\r\n"), value);
        return true;
    }
    return false;
}

/* The answer is no upgrade: wait for its body, as much of it as a message needs, then say why. */
static void refuse(struct kube_stream *stream, const char *head, size_t head_length, long code,
                   bool ended)
{
    CLEANUP(buf_free) struct buf joined;
    struct error err;

    buf_init(&joined, BODY_MAX);
    if (!kube_foreign_body(head, (const char *)buf_bytes(&stream->answer) + head_length,
                           stream->answer.length - head_length, &joined) &&
        !ended && joined.length < BODY_MAX)
        return;
    const char *body = (const char *)buf_bytes(&joined);
    size_t length = joined.length;
    if (code == 401 && !stream->retried) {
        /* on_turn() renews the credentials and starts again: not here, amid the old connection. */
        stream->state = RESTARTING;
        stream->retried = true;
        loop_set_events(stream->watch, 0);
        loop_stop_timer(stream->ping); /* a plugin may ask somebody to log in */
        loop_set_timer(stream->turn, 0);
        return;
    }
    if (code == 403 && length == 0) {
        error_set(&err, ERROR_SERVER, "the server \"%s\" does not take exec over WebSocket",
                  kube_client_config(stream->client)->server);
        error_remedy(&err, "it speaks none of " STREAM_PROTOCOLS);
    } else if (code == 200 || code == 400 || code == 426) {
        kube_error_from_answer(kube_client_config(stream->client), "GET", stream->path, code, body,
                               length, &err);
        if (err.kind == ERROR_REFUSED)
            error_remedy(&err, "the server, or a proxy before it, does not take WebSockets");
    } else {
        kube_error_from_answer(kube_client_config(stream->client), "GET", stream->path, code, body,
                               length, &err);
    }
    finish_lost(stream, &err);
}

/* Reads the answer as far as it has come. */
static void read_answer(struct kube_stream *stream, bool ended)
{
    const char *text = buf_string(&stream->answer);
    const char *end = text ? strstr(text, "\r\n\r\n") : NULL;
    char protocol[64] = "", upgrade[32] = "";
    long code = 0;

    if (!end) {
        if (ended || !text)
            lose(stream, ERROR_NETWORK, "no answer to the upgrade");
        return;
    }
    size_t head_length = (size_t)(end - text) + 4;
    cleanup_free char *head = strndup(text, head_length);
    if (!head || sscanf(head, "HTTP/1.%*1[01] %3ld", &code) != 1) {
        lose(stream, ERROR_PROTOCOL, "the answer to the upgrade is not HTTP/1.1");
        return;
    }
    /* The query is long: the command stands in it. */
    log_trace("GET %.*s: HTTP %ld", (int)strcspn(stream->path, "?"), stream->path, code);
    if (code != 101) {
        refuse(stream, head, head_length, code, ended);
        return;
    }
    find_header(head, "Upgrade", upgrade, sizeof(upgrade));
    find_header(head, "Sec-WebSocket-Protocol", protocol, sizeof(protocol));
    stream->v5 = strcmp(protocol, "v5.channel.k8s.io") == 0;
    if (strcasecmp(upgrade, "websocket") != 0 ||
        (!stream->v5 && strcmp(protocol, "v4.channel.k8s.io") != 0) || start_frames(stream) < 0) {
        lose(stream, ERROR_PROTOCOL, "the server chose a protocol that was not offered");
        return;
    }
    stream->state = OPEN;
    loop_set_timer(stream->ping, PING_MS);
    stream->events.opened(stream->data);
    /* Frames may have come with the head. */
    stream->input_used = 0;
    stream->input_length = stream->answer.length - head_length;
    memcpy(stream->input, buf_bytes(&stream->answer) + head_length, stream->input_length);
    buf_free(&stream->answer);
    if (wslay_event_recv(stream->frames) != 0)
        lose(stream, ERROR_PROTOCOL, "a malformed frame");
}

/* ---- events of the connection ---- */

static void take_input(struct kube_stream *stream)
{
    if (stream->state == UPGRADING) {
        if (!buf_append(&stream->answer, stream->input, stream->input_length))
            lose(stream, ERROR_PROTOCOL, "the answer to the upgrade is too long");
        else
            read_answer(stream, false);
    } else if (wslay_event_recv(stream->frames) != 0) {
        lose(stream, ERROR_PROTOCOL, "a malformed frame");
    }
}

static void receive(struct kube_stream *stream)
{
    for (int i = 0; i < READS_A_TURN; i++) {
        if ((stream->state != OPEN && stream->state != UPGRADING) || stream->paused)
            return;
        ssize_t got = connection_receive(stream);
        if (got == 0)
            return;
        if (got < 0 && stream->state == UPGRADING) {
            read_answer(stream, true);
            return;
        }
        if (got < 0) {
            lose(stream, ERROR_NETWORK, "the connection was closed");
            return;
        }
        take_input(stream);
        if (stream->state == OPEN && stream->input_ended) {
            lose(stream, ERROR_NETWORK, "the server closed it");
            return;
        }
    }
    /* What TLS has decrypted already does not show in poll(). */
    loop_set_timer(stream->turn, 0);
}

static void transmit(struct kube_stream *stream)
{
    while (stream->request.length > 0) {
        ssize_t sent = connection_send(stream, buf_bytes(&stream->request), stream->request.length);

        if (sent < 0)
            lose(stream, ERROR_NETWORK, "the connection was closed");
        if (sent <= 0)
            return;
        buf_take(&stream->request, (size_t)sent);
    }
    if (stream->frames && stream->state == OPEN)
        send_frames(stream);
}

static void on_ready(void *data, int fd, short revents)
{
    struct kube_stream *stream = data;

    (void)fd;
    if (revents & POLLOUT)
        transmit(stream);
    if (revents & (POLLIN | POLLHUP | POLLERR))
        receive(stream);
    update_events(stream);
}

static int start(struct kube_stream *stream, struct error *err);

/* The connection stands: send the upgrade on it. */
static void on_connected(void *data, CURLcode code, const char *detail)
{
    struct kube_stream *stream = data;
    curl_socket_t fd = CURL_SOCKET_BAD;
    struct error err;

    if (code != CURLE_OK) {
        kube_client_error(stream->client, stream->handle, code, detail, &err);
        finish_lost(stream, &err);
        return;
    }
    curl_easy_getinfo(stream->handle, CURLINFO_ACTIVESOCKET, &fd);
    if (fd != CURL_SOCKET_BAD)
        stream->watch = loop_add_fd(stream->loop, fd, POLLIN | POLLOUT, on_ready, stream);
    if (!stream->watch || write_upgrade(stream) < 0) {
        lose(stream, ERROR_INTERNAL, "out of memory");
        return;
    }
    stream->state = UPGRADING;
    loop_set_timer(stream->ping, UPGRADE_MS);
}

/* It is our turn again: more of what TLS holds, or a new start with new credentials. */
static void on_turn(void *data)
{
    struct kube_stream *stream = data;
    bool changed = false;
    struct error err;

    if (stream->state != RESTARTING) {
        receive(stream);
        update_events(stream);
        return;
    }
    if (kube_client_refresh(stream->client, true, &changed, &err) < 0) {
        finish_lost(stream, &err);
    } else if (!changed) {
        read_answer(stream, true); /* it stands */
    } else {
        close_connection(stream);
        buf_take(&stream->answer, stream->answer.length);
        if (start(stream, &err) < 0)
            finish_lost(stream, &err);
    }
}

static void on_ping(void *data)
{
    static const uint8_t nothing[] = "";
    const struct wslay_event_msg ping = {.opcode = WSLAY_PING, .msg = nothing, .msg_length = 0};
    struct kube_stream *stream = data;
    struct error err;

    if (stream->state != OPEN) {
        error_set(&err, ERROR_TIMEOUT, "no answer from the server \"%s\" to the exec in time",
                  kube_client_config(stream->client)->server);
        finish_lost(stream, &err);
        return;
    }
    /* While we do not read, silence is our own. */
    if (stream->pinged && !stream->heard && !stream->paused) {
        lose(stream, ERROR_TIMEOUT, "nothing has come from the server, not even to a ping");
        return;
    }
    stream->pinged = !stream->pinged;
    if (stream->pinged) {
        stream->heard = false;
        wslay_event_queue_msg(stream->frames, &ping);
        update_events(stream);
    }
    loop_set_timer(stream->ping, stream->pinged ? PONG_MS : PING_MS);
}

/* ---- the public side ---- */

static char *exec_path(const struct kube_exec *exec)
{
    CLEANUP(buf_free) struct buf path;
    cleanup_free char *container = kube_escape(exec->container);

    buf_init(&path, 1u << 20);
    if (!container || !buf_printf(&path,
                                  "/api/v1/namespaces/%s/pods/%s/exec?container=%s&stdin=true"
                                  "&stdout=true&stderr=true",
                                  exec->namespace, exec->pod, container))
        return NULL;
    for (const char *const *argument = exec->command; *argument; argument++) {
        cleanup_free char *escaped = kube_escape(*argument);

        if (!escaped || !buf_printf(&path, "&command=%s", escaped))
            return NULL;
    }
    const char *text = buf_string(&path);
    return text ? strdup(text) : NULL;
}

static int start(struct kube_stream *stream, struct error *err)
{
    stream->state = CONNECTING;
    stream->handle = kube_client_connect(stream->client, on_connected, stream, err);
    return stream->handle ? 0 : -1;
}

struct kube_stream *kube_stream_open(struct kube_client *client, const struct kube_exec *exec,
                                     const struct kube_stream_events *events, void *data,
                                     struct error *err)
{
    struct kube_stream *stream = calloc(1, sizeof(*stream));

    if (!stream) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    stream->client = client;
    stream->loop = kube_client_loop(client);
    stream->events = *events;
    stream->data = data;
    stream->channel = -1;
    buf_init(&stream->request, 2u << 20);
    buf_init(&stream->answer, HEADERS_MAX);
    buf_init(&stream->status, STATUS_MAX);
    stream->path = exec_path(exec);
    stream->input = malloc(INPUT_SIZE);
    stream->turn = loop_add_timer(stream->loop, 0, on_turn, stream);
    stream->ping = loop_add_timer(stream->loop, 0, on_ping, stream);
    if (!stream->path || !stream->input || !stream->turn || !stream->ping) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        goto failed;
    }
    loop_stop_timer(stream->turn);
    loop_stop_timer(stream->ping);
    if (kube_client_refresh(client, false, NULL, err) < 0 || start(stream, err) < 0)
        goto failed;
    return stream;

failed:
    kube_stream_free(stream);
    return NULL;
}

void kube_stream_free(struct kube_stream *stream)
{
    if (!stream)
        return;
    stream->state = CLOSED;
    close_connection(stream);
    if (stream->frames)
        wslay_event_context_free(stream->frames);
    loop_remove_timer(stream->turn);
    loop_remove_timer(stream->ping);
    buf_free(&stream->request);
    buf_free(&stream->answer);
    buf_free(&stream->status);
    free(stream->input);
    free(stream->path);
    free(stream);
}

static int queue_message(struct kube_stream *stream, enum kube_channel channel, const void *bytes,
                         size_t length)
{
    cleanup_free uint8_t *message = malloc(length + 1);
    const struct wslay_event_msg framed = {
        .opcode = WSLAY_BINARY_FRAME, .msg = message, .msg_length = length + 1};

    if (!message || stream->state != OPEN)
        return -1;
    message[0] = (uint8_t)channel;
    if (length)
        memcpy(message + 1, bytes, length);
    if (wslay_event_queue_msg(stream->frames, &framed) != 0)
        return -1;
    log_trace("frame out: channel %d, %zu bytes", channel, length);
    update_events(stream);
    return 0;
}

int kube_stream_send(struct kube_stream *stream, const void *bytes, size_t length)
{
    if (stream->stdin_closed)
        return -1;
    return queue_message(stream, KUBE_CHANNEL_STDIN, bytes, length);
}

size_t kube_stream_queued(const struct kube_stream *stream)
{
    return stream->frames ? wslay_event_get_queued_msg_length(stream->frames) : 0;
}

bool kube_stream_close_stdin(struct kube_stream *stream)
{
    static const unsigned char channel = KUBE_CHANNEL_STDIN;

    if (!stream->v5 || stream->stdin_closed)
        return stream->stdin_closed;
    if (queue_message(stream, KUBE_CHANNEL_CLOSE, &channel, 1) < 0)
        return false;
    stream->stdin_closed = true;
    return true;
}

void kube_stream_pause(struct kube_stream *stream, bool paused)
{
    if (stream->paused == paused)
        return;
    stream->paused = paused;
    stream->heard = true;
    if (!paused && stream->state == OPEN)
        loop_set_timer(stream->turn, 0);
    update_events(stream);
}
