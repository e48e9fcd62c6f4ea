/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream goes through: connecting (curl) -> upgrading (an HTTP/1.1 request written by hand) ->
 * opening and open (a transport's frames, see kube/transport.h) -> closed. libcurl stays the owner
 * of the connection, TLS included.
 *
 * An upgrade that is refused over one transport is asked for over the other: rights, servers and
 * proxies differ in which they take, and kubectl does the same. The one that was taken is the first
 * that the client's next stream tries.
 */
#include "kube/stream.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "kube/client.h"
#include "kube/foreign.h"
#include "kube/json.h"
#include "kube/transport.h"
#include "kube/upgrade.h"

#define INPUT_SIZE   (16u << 10) /* bytes read from TLS at once: what a record holds at most */
#define READS_A_TURN 32          /* then the loop gets its turn: signals, timers, other streams */
#define OUTPUT_MAX   (4u << 20)  /* bytes queued: the request, or frames */
#define REST_MS      10          /* see rest() */
#define REST_FROM    1024        /* bytes of a turn */
#define REST_BELOW   (256u << 10)
#define PING_MS      25000 /* between pings: load balancers cut what is idle */
#define PONG_MS      20000 /* no byte for this long after a ping: the peer is gone */
#define UPGRADE_MS   30000 /* for the answer to the upgrade */

enum stream_state {
    CONNECTING,
    UPGRADING,
    RESTARTING, /* on_turn() starts again: not amid the events of the old connection */
    OPENING,    /* upgraded, but the transport has more to ask for */
    OPEN,
    CLOSED
};

/* What the server said to the upgrade over one transport, if it refused. */
struct refusal {
    const struct kube_transport *transport; /* NULL: it was not refused */
    int weight;                             /* how much it says: enum weight */
    struct error error;
};

struct kube_stream {
    struct kube_client *client;
    struct loop *loop;
    struct kube_stream_events events;
    void *data;
    enum stream_state state;
    char *path; /* of the request, query included */
    const struct kube_transport *transport;
    struct refusal refusal; /* of the transport that was tried first */
    bool rejected;          /* the credentials were: they are renewed at the restart */
    bool retried;           /* and have been renewed once */

    CURL *handle;
    struct loop_fd *watch;
    struct loop_timer *turn; /* go on reading, or start again */
    struct loop_timer *ping;
    bool pinged;
    bool heard; /* any byte since the last ping */
    bool paused;
    bool resting; /* not asking whether more has come, until it is our turn */

    struct buf out;    /* the upgrade or frames, as far as they are not sent */
    struct buf answer; /* to the upgrade, as far as it has come */

    struct kube_wire *wire; /* the transport's; NULL before the upgrade */
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

/* Return: bytes read, 0 when it would block, -1 when the connection is gone. */
static ssize_t connection_receive(struct kube_stream *stream, void *out, size_t size)
{
    size_t got = 0;
    CURLcode code = curl_easy_recv(stream->handle, out, size, &got);

    if (code == CURLE_AGAIN)
        return 0;
    if (code != CURLE_OK || got == 0)
        return -1;
    stream->heard = true;
    return (ssize_t)got;
}

static void update_events(struct kube_stream *stream)
{
    short events = 0;

    if (!stream->watch || stream->state == CLOSED)
        return;
    if (!stream->paused && !stream->resting)
        events |= POLLIN;
    if (stream->out.length > 0)
        events |= POLLOUT;
    loop_set_events(stream->watch, events);
}

/* ---- events of the transport ---- */

static void on_wire_opened(void *data)
{
    struct kube_stream *stream = data;

    if (stream->state != OPENING)
        return;
    stream->state = OPEN;
    loop_set_timer(stream->ping, PING_MS);
    kube_client_set_transport(stream->client, stream->transport);
    stream->events.opened(stream->data);
}

static void on_wire_output(void *data, enum kube_channel channel, const unsigned char *bytes,
                           size_t length)
{
    struct kube_stream *stream = data;

    if (stream->state == OPEN)
        stream->events.output(stream->data, channel, bytes, length);
}

static void on_wire_status(void *data, const unsigned char *text, size_t length)
{
    struct kube_stream *stream = data;
    struct kube_exit exit;

    if (kube_exit_from_status((const char *)text, length, &exit) < 0)
        lose(stream, ERROR_PROTOCOL, "its Status cannot be read");
    else
        finish(stream, &exit, NULL);
}

static void on_wire_failed(void *data, enum error_kind kind, const char *why)
{
    lose(data, kind, why);
}

static const struct kube_wire_events wire_events = {
    .opened = on_wire_opened,
    .output = on_wire_output,
    .status = on_wire_status,
    .failed = on_wire_failed,
};

/* The connection is gone, or what was on it is at its end. */
static void hang_up(struct kube_stream *stream)
{
    if (stream->wire && stream->state != CLOSED)
        stream->transport->hung_up(stream->wire);
    lose(stream, ERROR_NETWORK, "the connection was closed");
}

/* ---- the upgrade ---- */

static int write_upgrade(struct kube_stream *stream)
{
    struct buf *out = &stream->out;

    buf_take(out, out->length);
    return buf_printf(out, "%s %s%s HTTP/1.1\r\n", stream->transport->method,
                      kube_client_base_path(stream->client), stream->path) &&
                   kube_client_headers(stream->client, out) && stream->transport->ask(out) &&
                   buf_append(out, "\r\n", 2)
               ? 0
               : -1;
}

static void restart(struct kube_stream *stream)
{
    stream->state = RESTARTING;
    loop_set_events(stream->watch, 0);
    loop_stop_timer(stream->ping); /* a plugin may ask somebody to log in */
    loop_set_timer(stream->turn, 0);
}

/* How much a refusal says, from little to much. */
enum weight {
    NO_ANSWER,
    NO_STATUS,     /* by a proxy */
    WANTS_UPGRADE, /* a Status of an API server that saw no upgrade in the request */
    STATUS,
    KUBELETS, /* nobody on the way has refused it: the other transport gets no further */
};

static enum weight weigh(const struct kube_upgrade *upgrade)
{
    json_t *status = kube_json_read(buf_bytes(&upgrade->body), upgrade->body.length);
    const char *kind = json_string_value(json_object_get(status, "kind"));
    const char *message = json_string_value(json_object_get(status, "message"));
    enum weight weight = STATUS;
    char words[80];

    kube_foreign_words(words, sizeof(words), (const char *)buf_bytes(&upgrade->body),
                       upgrade->body.length);
    if (!status && kube_foreign_is_kubelet(words))
        weight = KUBELETS;
    else if (!kind || strcmp(kind, "Status") != 0)
        weight = NO_STATUS;
    else if (message && strcmp(message, "Upgrade request required") == 0)
        weight = WANTS_UPGRADE;
    json_decref(status);
    return weight;
}

/* Neither transport was taken: tells what says most; of equals, what SPDY was told, whose one right
 * is enough. */
static void give_up(struct kube_stream *stream, struct refusal *last)
{
    struct refusal *first = &stream->refusal;
    bool first_counts = first->weight > last->weight ||
                        (first->weight == last->weight && first->transport == &kube_spdy);
    struct refusal *told = first_counts ? first : last;

    finish_lost(stream, &told->error);
}

/* What one transport was refused with; the other may do better. */
static void refuse(struct kube_stream *stream, struct refusal *refusal)
{
    refusal->transport = stream->transport;
    if (stream->refusal.transport) {
        give_up(stream, refusal);
        return;
    }
    stream->refusal = *refusal;
    stream->transport = stream->transport == &kube_spdy ? &kube_websocket : &kube_spdy;
    log_debug("exec over %s was refused: %s; trying %s", refusal->transport->name,
              refusal->error.text, stream->transport->name);
    restart(stream);
}

/* The answer is no upgrade. What is said here is told only if the other transport is refused too.
 */
static void on_refused(struct kube_stream *stream, const struct kube_upgrade *upgrade)
{
    const struct kube_config *config = kube_client_config(stream->client);
    struct refusal refusal = {.weight = weigh(upgrade)};
    struct error *err = &refusal.error;
    long code = upgrade->code;

    if (code == 401 && !stream->retried) {
        stream->retried = stream->rejected = true;
        restart(stream);
        return;
    }
    kube_error_from_answer(config, stream->transport->method, stream->path, code,
                           (const char *)buf_bytes(&upgrade->body), upgrade->body.length, err);
    if (code == 403 && upgrade->body.length == 0) {
        error_set(err, ERROR_REFUSED,
                  "the server \"%s\" takes exec neither over WebSocket nor over SPDY",
                  config->server);
        error_remedy(err, "it speaks neither " KUBE_PROTOCOL_V5 " nor " KUBE_PROTOCOL_V4
                          ": do without the proxy before it, if there is one");
    } else if (refusal.weight <= WANTS_UPGRADE && (code == 200 || code == 400 || code == 426)) {
        error_remedy(err, "the server, or a proxy before it, takes neither WebSockets nor SPDY: "
                          "have the proxy let upgrades through, or do without it");
    }
    if (code == 401 || refusal.weight == KUBELETS)
        finish_lost(stream, err);
    else
        refuse(stream, &refusal);
}

/* Some proxies end the connection where they do not know what is asked for. */
static void on_no_answer(struct kube_stream *stream)
{
    struct refusal refusal = {.weight = NO_ANSWER};

    error_set(&refusal.error, ERROR_NETWORK, "the stream of \"%s\" ended: no answer to the upgrade",
              kube_client_config(stream->client)->server);
    refuse(stream, &refusal);
}

/* The connection is the transport's from here on. */
static void on_upgraded(struct kube_stream *stream, const struct kube_upgrade *upgrade)
{
    stream->wire = stream->transport->begin(upgrade->head);
    if (!stream->wire) {
        lose(stream, ERROR_PROTOCOL, "the server chose a protocol that was not offered");
        return;
    }
    stream->wire->events = &wire_events;
    stream->wire->data = stream;
    stream->wire->out = &stream->out;
    stream->state = OPENING;
    stream->transport->start(stream->wire);
    /* Frames may have come with the head. */
    if (upgrade->rest > 0)
        stream->transport->receive(
            stream->wire, buf_bytes(&stream->answer) + stream->answer.length - upgrade->rest,
            upgrade->rest);
}

/* Reads the answer as far as it has come. */
static void read_answer(struct kube_stream *stream, bool ended)
{
    struct kube_upgrade upgrade = {0};
    enum kube_upgrade_state state = kube_upgrade_read(&stream->answer, ended, &upgrade);

    if (state == KUBE_UPGRADE_MALFORMED)
        lose(stream, ERROR_PROTOCOL, "the answer to the upgrade is not HTTP/1.1");
    else if (state == KUBE_UPGRADE_COMING && ended)
        on_no_answer(stream);
    if (state != KUBE_UPGRADE_WHOLE)
        return;
    /* The query is long: the command stands in it. */
    log_trace("%s %.*s: HTTP %ld", stream->transport->method, (int)strcspn(stream->path, "?"),
              stream->path, upgrade.code);
    if (upgrade.code == 101)
        on_upgraded(stream, &upgrade);
    else
        on_refused(stream, &upgrade);
    kube_upgrade_free(&upgrade);
}

/* ---- events of the connection ---- */

static void take_input(struct kube_stream *stream, const unsigned char *bytes, size_t length)
{
    if (stream->state != UPGRADING)
        stream->transport->receive(stream->wire, bytes, length);
    else if (!buf_append(&stream->answer, bytes, length))
        lose(stream, ERROR_PROTOCOL, "the answer to the upgrade is too long");
    else
        read_answer(stream, false);
}

static bool is_reading(const struct kube_stream *stream)
{
    return (stream->state == UPGRADING || stream->state == OPENING || stream->state == OPEN) &&
           !stream->paused;
}

/*
 * What keeps coming is left to gather for a moment, and then read in one go: to be woken for each
 * frame costs more than to read it. After a few bytes, or none, the next is waited for at once, so
 * that a single packet is not late; where much has gathered, there is more by now.
 */
static void rest(struct kube_stream *stream, size_t got)
{
    if (stream->state != OPEN || stream->paused || got < REST_FROM || got >= REST_BELOW)
        return;
    stream->resting = true;
    loop_set_timer(stream->turn, REST_MS);
}

static void receive(struct kube_stream *stream)
{
    unsigned char input[INPUT_SIZE]; /* not the stream's: a hundred of them share it */
    size_t all = 0;

    stream->resting = false;
    for (int i = 0; i < READS_A_TURN; i++) {
        if (!is_reading(stream))
            return;
        ssize_t got = connection_receive(stream, input, sizeof(input));
        if (got == 0) {
            rest(stream, all);
            return;
        }
        if (got > 0) {
            all += (size_t)got;
            take_input(stream, input, (size_t)got);
        } else if (stream->state == UPGRADING) {
            read_answer(stream, true);
        } else {
            hang_up(stream);
        }
    }
    /* What TLS has decrypted already does not show in poll(). */
    if (is_reading(stream))
        loop_set_timer(stream->turn, 0);
}

static void transmit(struct kube_stream *stream)
{
    bool some = stream->out.length > 0;

    while (stream->out.length > 0) {
        ssize_t sent = connection_send(stream, buf_bytes(&stream->out), stream->out.length);

        if (sent < 0)
            hang_up(stream);
        if (sent <= 0)
            return;
        buf_take(&stream->out, (size_t)sent);
    }
    /* An agent went up, perhaps: what follows are pings. */
    buf_free(&stream->out);
    if (some && stream->state == OPEN && kube_stream_queued(stream) == 0 && stream->events.drained)
        stream->events.drained(stream->data);
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
    if (stream->rejected && kube_client_refresh(stream->client, true, &changed, &err) < 0) {
        finish_lost(stream, &err);
    } else if (stream->rejected && !changed) {
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
        stream->transport->ping(stream->wire);
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
    stream->rejected = false;
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
    stream->transport = kube_client_transport(client);
    if (!stream->transport)
        stream->transport = &kube_websocket;
    buf_init(&stream->out, OUTPUT_MAX);
    buf_init(&stream->answer, KUBE_UPGRADE_MAX);
    stream->path = exec_path(exec);
    stream->turn = loop_add_timer(stream->loop, 0, on_turn, stream);
    stream->ping = loop_add_timer(stream->loop, 0, on_ping, stream);
    if (!stream->path || !stream->turn || !stream->ping) {
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
    if (stream->wire)
        stream->transport->release(stream->wire);
    loop_remove_timer(stream->turn);
    loop_remove_timer(stream->ping);
    buf_free(&stream->out);
    buf_free(&stream->answer);
    free(stream->path);
    free(stream);
}

int kube_stream_send(struct kube_stream *stream, const void *bytes, size_t length)
{
    if (stream->state != OPEN || stream->transport->send(stream->wire, bytes, length) < 0)
        return -1;
    update_events(stream);
    return 0;
}

size_t kube_stream_queued(const struct kube_stream *stream)
{
    return stream->state == OPEN ? stream->out.length + stream->transport->held(stream->wire) : 0;
}

bool kube_stream_close_stdin(struct kube_stream *stream)
{
    if (stream->state != OPEN || !stream->transport->close_stdin(stream->wire))
        return false;
    update_events(stream);
    return true;
}

void kube_stream_prefer_spdy(struct kube_client *client)
{
    kube_client_set_transport(client, &kube_spdy);
}

void kube_stream_quiet(struct kube_stream *stream)
{
    if (stream && stream->state == OPEN)
        loop_stop_timer(stream->ping);
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
