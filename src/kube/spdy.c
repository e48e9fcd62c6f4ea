/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An exec over SPDY/3.1, which is upgraded to by a POST and so needs the right "create" alone.
 *
 * The client opens four streams, each named by the header "streamtype": error, stdin, stdout and
 * stderr. On "error" comes the final Status, whose end is that stream's. stdin is half-closed by
 * FIN. Source: k8s.io/apimachinery pkg/util/remotecommand and pkg/util/httpstream/spdy (stream
 * protocol v4; v5 changes nothing here).
 *
 * Windows: kubelets and runtimes (moby/spdystream) keep none. They send no WINDOW_UPDATE and no
 * SETTINGS, pass over ours, and leave back-pressure to TCP. A server that does keep them says so
 * before the streams stand, by SETTINGS or WINDOW_UPDATE; its windows are obeyed from then on. Ours
 * are announced to everybody, and are given back in steps as what came has been taken: while the
 * stream is paused nothing is read, and so nothing given back. The steps are so large because a
 * server that has ended throws away what it has not sent when anything comes from us.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/log.h"
#include "kube/spdy_frames.h"
#include "kube/spdy_headers.h"
#include "kube/transport.h"
#include "kube/upgrade.h"

#define STATUS_MAX (256u << 10) /* bytes of the final Status */
#define STDIN_MAX  (2u << 20)   /* bytes queued for stdin; the stream takes as much and more */
#define WINDOW     (256u << 20) /* bytes that a server may send ahead, of a stream and of all */
#define WINDOW_END 0x7fffffff   /* no window may be larger */

/* In the order in which they are opened; as kubectl has them. */
enum { ERROR, STDIN, STDOUT, STDERR, STREAMS };

static const char *const stream_names[STREAMS] = {"error", "stdin", "stdout", "stderr"};

struct stream {
    bool replied;
    bool ended;     /* the server sends nothing more on it */
    uint32_t taken; /* bytes of its window that have not been given back */
};

struct spdy {
    struct kube_wire wire;
    struct spdy_reader reader;
    struct spdy_decompressor decompressor;
    struct stream streams[STREAMS];
    uint32_t taken; /* as of a stream, of all of them */
    bool opened;
    bool over; /* the last event was sent */
    struct buf status;

    struct buf pending; /* of stdin: what its windows leave no room for */
    bool stdin_ending, stdin_ended;
    bool windows; /* the server keeps them: */
    int64_t initial_window, stdin_window, session_window;
    uint32_t ping_id;
};

static bool ask(struct buf *request)
{
    /* A line for each: not every server reads several in one. */
    return buf_printf(request, "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n"
                               "X-Stream-Protocol-Version: " KUBE_PROTOCOL_V5 "\r\n"
                               "X-Stream-Protocol-Version: " KUBE_PROTOCOL_V4 "\r\n");
}

static uint32_t id_of(int stream)
{
    return 2 * (uint32_t)stream + 1;
}

/* Return: which of our streams it is, or -1. */
static int stream_of(uint32_t id)
{
    return id % 2 == 1 && id / 2 < STREAMS ? (int)(id / 2) : -1;
}

static void fail(struct spdy *spdy, enum error_kind kind, const char *why)
{
    if (!spdy->over)
        spdy->wire.events->failed(spdy->wire.data, kind, why);
    spdy->over = true;
}

static void write_numbers(struct spdy *spdy, enum spdy_type type, const uint32_t *numbers,
                          size_t count)
{
    if (!spdy_write_numbers(spdy->wire.out, type, numbers, count))
        fail(spdy, ERROR_PROTOCOL, "more is asked than can be answered");
}

static void update_window(struct spdy *spdy, uint32_t id, uint32_t more)
{
    const uint32_t numbers[] = {id, more};

    write_numbers(spdy, SPDY_WINDOW_UPDATE, numbers, 2);
}

/* ---- stdin ---- */

/* How many bytes may be sent now. */
static size_t room(const struct spdy *spdy)
{
    int64_t window =
        spdy->stdin_window < spdy->session_window ? spdy->stdin_window : spdy->session_window;

    if (!spdy->windows || window > SPDY_DATA_MAX)
        return SPDY_DATA_MAX;
    return window > 0 ? (size_t)window : 0;
}

/* Sends what the windows allow. */
static void pump(struct spdy *spdy)
{
    size_t length;

    while (spdy->pending.length > 0 && (length = room(spdy)) > 0) {
        if (length > spdy->pending.length)
            length = spdy->pending.length;
        if (!spdy_write_data(spdy->wire.out, id_of(STDIN), 0, buf_bytes(&spdy->pending), length)) {
            fail(spdy, ERROR_INTERNAL, "out of memory");
            return;
        }
        buf_take(&spdy->pending, length);
        spdy->stdin_window -= (int64_t)length;
        spdy->session_window -= (int64_t)length;
    }
    if (spdy->pending.length == 0)
        buf_free(&spdy->pending);
    if (spdy->stdin_ending && !spdy->stdin_ended && spdy->pending.length == 0)
        spdy->stdin_ended = spdy_write_data(spdy->wire.out, id_of(STDIN), SPDY_FIN, "", 0);
}

/* The server takes no more of it. */
static void forget_stdin(struct spdy *spdy)
{
    buf_take(&spdy->pending, spdy->pending.length);
    spdy->stdin_ending = spdy->stdin_ended = true;
}

static int send_bytes(struct kube_wire *wire, const void *bytes, size_t length)
{
    struct spdy *spdy = (struct spdy *)wire;

    if (spdy->over || spdy->stdin_ending ||
        length + spdy->pending.length + wire->out->length > STDIN_MAX ||
        !buf_append(&spdy->pending, bytes, length))
        return -1;
    log_trace("frame out: stdin, %zu bytes", length);
    pump(spdy);
    return 0;
}

static size_t held(const struct kube_wire *wire)
{
    return ((const struct spdy *)wire)->pending.length;
}

static bool close_stdin(struct kube_wire *wire)
{
    struct spdy *spdy = (struct spdy *)wire;

    spdy->stdin_ending = true;
    pump(spdy);
    return true;
}

/* ---- what comes ---- */

/* The server sends nothing more on a stream; it may go on taking what we send. */
static void on_stream_end(struct spdy *spdy, int stream)
{
    spdy->streams[stream].ended = true;
    if (stream != ERROR || spdy->over)
        return;
    if (spdy->status.length == 0) {
        fail(spdy, ERROR_NETWORK, "the server ended it without a Status");
        return;
    }
    spdy->over = true;
    spdy->wire.events->status(spdy->wire.data, buf_bytes(&spdy->status), spdy->status.length);
}

/* Bytes were taken: gives their room back once it is half of a window. */
static void give_back(struct spdy *spdy, int stream, size_t length)
{
    struct stream *of = &spdy->streams[stream];

    spdy->taken += (uint32_t)length;
    if (spdy->taken >= WINDOW / 2) {
        update_window(spdy, 0, spdy->taken);
        spdy->taken = 0;
    }
    of->taken += (uint32_t)length;
    if (of->taken >= WINDOW / 2 && !of->ended) {
        update_window(spdy, id_of(stream), of->taken);
        of->taken = 0;
    }
}

static bool on_data(void *data, uint32_t id, const unsigned char *bytes, size_t length, bool last,
                    unsigned flags)
{
    struct spdy *spdy = data;
    int stream = stream_of(id);

    if (last)
        log_trace("frame in: data of stream %u", id);
    if (stream < 0 || spdy->streams[stream].ended)
        return true; /* of what has been given up */
    if (length > 0 && (stream == STDOUT || stream == STDERR))
        spdy->wire.events->output(spdy->wire.data,
                                  stream == STDOUT ? KUBE_CHANNEL_STDOUT : KUBE_CHANNEL_STDERR,
                                  bytes, length);
    else if (stream == ERROR && !buf_append(&spdy->status, bytes, length))
        fail(spdy, ERROR_PROTOCOL, "its Status is too long");
    give_back(spdy, stream, length);
    if (last && (flags & SPDY_FIN))
        on_stream_end(spdy, stream);
    return !spdy->over;
}

/* All four streams stand. */
static void look_whether_open(struct spdy *spdy)
{
    for (int i = 0; i < STREAMS; i++) {
        if (!spdy->streams[i].replied)
            return;
    }
    if (spdy->opened)
        return;
    spdy->opened = true;
    spdy->wire.events->opened(spdy->wire.data);
}

static void on_reply(struct spdy *spdy, const struct spdy_control *reply)
{
    int stream = stream_of(reply->stream);

    if (stream < 0)
        return;
    spdy->streams[stream].replied = true;
    look_whether_open(spdy);
    if (reply->flags & SPDY_FIN)
        on_stream_end(spdy, stream);
}

static void on_reset(struct spdy *spdy, const struct spdy_control *reset)
{
    int stream = stream_of(reset->stream);
    char why[80];

    if (stream < 0)
        return;
    if (!spdy->streams[stream].replied) {
        snprintf(why, sizeof(why), "the server refused the stream \"%s\" (RST_STREAM %u)",
                 stream_names[stream], reset->value);
        fail(spdy, ERROR_PROTOCOL, why);
    } else if (reset->value == SPDY_RST_FLOW_CONTROL_ERROR) {
        fail(spdy, ERROR_PROTOCOL, "the server's window was not kept");
    } else {
        if (stream == STDIN)
            forget_stdin(spdy);
        if (!spdy->streams[stream].ended)
            on_stream_end(spdy, stream);
    }
}

/* A window grows, or shrinks by a new setting. */
static void change_window(struct spdy *spdy, int64_t *window, int64_t by)
{
    spdy->windows = true;
    *window += by;
    if (*window > WINDOW_END)
        fail(spdy, ERROR_PROTOCOL, "a window that is too large");
    else
        pump(spdy);
}

static void on_settings(struct spdy *spdy, const struct spdy_control *settings)
{
    for (uint32_t i = 0; i < settings->value; i++) {
        uint32_t id, value;

        spdy_setting(settings, i, &id, &value);
        if (id != SPDY_SETTING_INITIAL_WINDOW || value > WINDOW_END)
            continue;
        int64_t by = (int64_t)value - spdy->initial_window;
        spdy->initial_window = value;
        change_window(spdy, &spdy->stdin_window, by);
    }
}

static void on_window_update(struct spdy *spdy, const struct spdy_control *update)
{
    if (update->stream == 0)
        change_window(spdy, &spdy->session_window, update->value);
    else if (update->stream == id_of(STDIN))
        change_window(spdy, &spdy->stdin_window, update->value);
    else
        spdy->windows = true;
}

/* The server opens no streams to us: what it may mean by one is refused. */
static void on_syn_stream(struct spdy *spdy, const struct spdy_control *control)
{
    const uint32_t numbers[] = {control->stream, SPDY_RST_REFUSED_STREAM};

    write_numbers(spdy, SPDY_RST_STREAM, numbers, 2);
}

static void on_ping(struct spdy *spdy, const struct spdy_control *control)
{
    if (control->stream % 2 == 0) /* one of the server's own; odd: the answer to ours */
        write_numbers(spdy, SPDY_PING, &control->stream, 1);
}

/* It takes no new streams, and ends those that it has not taken yet. */
static void on_goaway(struct spdy *spdy, const struct spdy_control *control)
{
    log_debug("the server goes away (GOAWAY %u)", control->value);
    if (!spdy->opened)
        fail(spdy, ERROR_NETWORK, "the server goes away");
}

/* Their contents say nothing here, but every block must be read: the next one builds on it. */
static void on_headers(struct spdy *spdy, const struct spdy_control *control)
{
    struct spdy_header_walk walk = {0};
    struct spdy_header header;
    int next = -1;

    if (spdy_decompress(&spdy->decompressor, control->rest, control->rest_length, &walk.text,
                        &walk.length) == 0) {
        do
            next = spdy_header_next(&walk, &header);
        while (next > 0);
    }
    if (next < 0)
        fail(spdy, ERROR_PROTOCOL, "a malformed header block");
}

static bool on_control(void *data, const struct spdy_control *control)
{
    static void (*const handlers[])(struct spdy *, const struct spdy_control *) = {
        [SPDY_SYN_STREAM] = on_syn_stream,
        [SPDY_SYN_REPLY] = on_reply,
        [SPDY_RST_STREAM] = on_reset,
        [SPDY_SETTINGS] = on_settings,
        [SPDY_PING] = on_ping,
        [SPDY_GOAWAY] = on_goaway,
        [SPDY_WINDOW_UPDATE] = on_window_update,
    };
    struct spdy *spdy = data;

    log_trace("frame in: control %d, stream %u, %u", control->type, control->stream,
              control->value);
    if (control->type == SPDY_SYN_STREAM || control->type == SPDY_SYN_REPLY ||
        control->type == SPDY_HEADERS)
        on_headers(spdy, control);
    if (!spdy->over && handlers[control->type])
        handlers[control->type](spdy, control);
    return !spdy->over;
}

static void receive(struct kube_wire *wire, const unsigned char *bytes, size_t length)
{
    static const struct spdy_reader_events events = {.data = on_data, .control = on_control};
    struct spdy *spdy = (struct spdy *)wire;

    if (spdy->over)
        return;
    const char *wrong = spdy_reader_feed(&spdy->reader, bytes, length, &events, spdy);
    if (wrong)
        fail(spdy, ERROR_PROTOCOL, wrong);
}

/* A server that ends the connection in place of the stream has still said how the command ended. */
static void hung_up(struct kube_wire *wire)
{
    struct spdy *spdy = (struct spdy *)wire;

    if (!spdy->streams[ERROR].ended && spdy->status.length > 0)
        on_stream_end(spdy, ERROR);
}

/* ---- the transport's table ---- */

static void release(struct kube_wire *wire)
{
    struct spdy *spdy = (struct spdy *)wire;

    spdy_reader_free(&spdy->reader);
    spdy_decompressor_free(&spdy->decompressor);
    buf_free(&spdy->status);
    buf_free(&spdy->pending);
    free(spdy);
}

static struct kube_wire *begin(const char *head)
{
    char protocol[64], upgrade[32];
    struct spdy *spdy = calloc(1, sizeof(*spdy));

    kube_upgrade_header(head, "Upgrade", upgrade, sizeof(upgrade));
    kube_upgrade_header(head, "X-Stream-Protocol-Version", protocol, sizeof(protocol));
    if (!spdy)
        return NULL;
    spdy_reader_init(&spdy->reader);
    buf_init(&spdy->status, STATUS_MAX);
    buf_init(&spdy->pending, STDIN_MAX);
    spdy->initial_window = spdy->stdin_window = spdy->session_window = SPDY_WINDOW;
    if (strcasecmp(upgrade, "SPDY/3.1") == 0 &&
        (strcmp(protocol, KUBE_PROTOCOL_V5) == 0 || strcmp(protocol, KUBE_PROTOCOL_V4) == 0))
        return &spdy->wire;
    release(&spdy->wire);
    return NULL;
}

static void start(struct kube_wire *wire)
{
    static const uint32_t settings[] = {1, SPDY_SETTING_INITIAL_WINDOW, WINDOW};
    struct spdy_compressor compressor = {0}; /* no more headers follow */
    struct spdy *spdy = (struct spdy *)wire;
    bool fits = spdy_write_numbers(wire->out, SPDY_SETTINGS, settings, 3);

    update_window(spdy, 0, WINDOW - SPDY_WINDOW);
    for (int i = 0; i < STREAMS; i++)
        fits = fits && spdy_write_syn_stream(wire->out, &compressor, id_of(i), "streamtype",
                                             stream_names[i]);
    spdy_compressor_free(&compressor);
    if (!fits)
        fail(spdy, ERROR_INTERNAL, "out of memory");
}

static void ping(struct kube_wire *wire)
{
    struct spdy *spdy = (struct spdy *)wire;
    uint32_t id = 2 * spdy->ping_id++ + 1;

    write_numbers(spdy, SPDY_PING, &id, 1);
}

const struct kube_transport kube_spdy = {
    .name = "SPDY",
    .method = "POST",
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
