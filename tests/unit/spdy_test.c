/* SPDX-License-Identifier: Apache-2.0 */
/* SPDY/3.1: frames and header blocks as kubectl and a real server sent them, and what is wrong. */
#include "tests/unit/unit.h"

#include "base/buf.h"
#include "kube/spdy_frames.h"
#include "kube/spdy_headers.h"
#include "kube/transport.h"

#define HEAD                                                                                       \
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"             \
    "X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n"
#define WINDOW (256u << 20) /* what the client announces */

/* ---- the recording ---- */

/* The bytes of one direction ('<' or '>') behind the upgrade, in @out. */
static void recorded_bytes(char direction, struct buf *out)
{
    char path[512], line[16384], hex[16000], way;
    FILE *file;

    buf_init(out, 1 << 20);
    snprintf(path, sizeof(path), "%s/kubernetes-api/exec-spdy.hex", TEST_DATA);
    file = fopen(path, "r");
    if (!file)
        fail_msg("no recording %s", path);
    while (fgets(line, sizeof(line), file)) {
        unsigned byte;

        if (strstr(line, "HTTP/1.1") || sscanf(line, "%c %*u %15999s", &way, hex) != 2 ||
            way != direction)
            continue;
        for (const char *at = hex; sscanf(at, "%2x", &byte) == 1; at += 2)
            assert_true(buf_append(out, &(unsigned char){(unsigned char)byte}, 1));
    }
    fclose(file);
    assert_true(out->length > 0);
}

/* A peer that reads frames and writes down what they say. */
struct peer {
    struct spdy_reader reader;
    struct spdy_decompressor decompressor;
    char said[8192];
    uint32_t granted, granted_session; /* by WINDOW_UPDATE */
    size_t data;                       /* bytes */
};

__attribute__((format(printf, 2, 3))) static void note(struct peer *peer, const char *format, ...)
{
    size_t used = strlen(peer->said);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(peer->said + used, sizeof(peer->said) - used, format, arguments);
    va_end(arguments);
}

static bool peer_data(void *data, uint32_t stream, const unsigned char *bytes, size_t length,
                      bool last, unsigned flags)
{
    struct peer *peer = data;

    peer->data += length;
    if (length > 0 && length < 1000)
        note(peer, "%u:%.*s;", stream, (int)length, bytes);
    if (last && (flags & SPDY_FIN))
        note(peer, "%u:fin;", stream);
    return true;
}

static void note_headers(struct peer *peer, const struct spdy_control *control)
{
    struct spdy_header_walk walk = {0};
    struct spdy_header header;
    int next;

    assert_int_equal(spdy_decompress(&peer->decompressor, control->rest, control->rest_length,
                                     &walk.text, &walk.length),
                     0);
    while ((next = spdy_header_next(&walk, &header)) > 0)
        note(peer, "%.*s=%.*s;", (int)header.name_length, header.name, (int)header.value_length,
             header.value);
    assert_int_equal(next, 0);
}

static bool peer_control(void *data, const struct spdy_control *control)
{
    static const char *const names[] = {
        [SPDY_SYN_STREAM] = "syn",      [SPDY_SYN_REPLY] = "reply", [SPDY_RST_STREAM] = "rst",
        [SPDY_SETTINGS] = "settings",   [SPDY_PING] = "ping",       [SPDY_GOAWAY] = "goaway",
        [SPDY_WINDOW_UPDATE] = "window"};
    struct peer *peer = data;

    note(peer, "%s %u;", names[control->type], control->stream);
    if (control->type == SPDY_SYN_STREAM || control->type == SPDY_SYN_REPLY)
        note_headers(peer, control);
    if (control->type == SPDY_WINDOW_UPDATE)
        *(control->stream ? &peer->granted : &peer->granted_session) += control->value;
    if (control->type == SPDY_SETTINGS) {
        uint32_t id, value;

        assert_int_equal(control->value, 1);
        spdy_setting(control, 0, &id, &value);
        note(peer, "%u=%u;", id, value);
    }
    return true;
}

static const struct spdy_reader_events peer_events = {.data = peer_data, .control = peer_control};

static void peer_init(struct peer *peer)
{
    *peer = (struct peer){0};
    spdy_reader_init(&peer->reader);
}

/* Reads all of @bytes, in steps. */
static void peer_read(struct peer *peer, struct buf *bytes, size_t step)
{
    while (bytes->length > 0) {
        size_t here = step < bytes->length ? step : bytes->length;

        assert_null(spdy_reader_feed(&peer->reader, buf_bytes(bytes), here, &peer_events, peer));
        buf_take(bytes, here);
    }
}

static void peer_free(struct peer *peer)
{
    spdy_reader_free(&peer->reader);
    spdy_decompressor_free(&peer->decompressor);
}

static void test_recorded_frames(void **state)
{
    static const char client[] =
        "syn 1;streamtype=error;syn 3;streamtype=stdin;syn 5;streamtype=stdout;"
        "syn 7;streamtype=stderr;3:hello\nworld\n;3:fin;rst 5;rst 7;goaway 0;";
    static const char server[] =
        "reply 1;reply 3;reply 5;reply 7;5:hello\nworld\n;7:oops\n;7:fin;5:fin;1:{\"metadata\"";

    struct peer peer;
    struct buf bytes;

    (void)state;
    recorded_bytes('>', &bytes);
    peer_init(&peer);
    peer_read(&peer, &bytes, bytes.length);
    assert_string_equal(peer.said, client);
    peer_free(&peer);
    buf_free(&bytes);

    recorded_bytes('<', &bytes);
    peer_init(&peer);
    peer_read(&peer, &bytes, bytes.length);
    assert_memory_equal(peer.said, server, sizeof(server) - 1);
    assert_string_equal(peer.said + strlen(peer.said) - 6, "rst 1;");
    peer_free(&peer);
    buf_free(&bytes);
}

/* ---- the transport ---- */

struct wire {
    struct kube_wire *wire;
    struct buf out;
    struct peer server; /* reads what the client says */
    bool opened;
    char output[4096], errors[4096], status[4096], failed[256];
    size_t taken;
};

static void on_opened(void *data)
{
    struct wire *wire = data;

    assert_false(wire->opened);
    wire->opened = true;
}

static void on_output(void *data, enum kube_channel channel, const unsigned char *bytes,
                      size_t length)
{
    struct wire *wire = data;
    char *text = channel == KUBE_CHANNEL_STDOUT ? wire->output : wire->errors;

    wire->taken += length;
    if (length < 1000)
        snprintf(text + strlen(text), 4096 - strlen(text), "%.*s", (int)length, bytes);
}

static void on_status(void *data, const unsigned char *text, size_t length)
{
    struct wire *wire = data;

    assert_string_equal(wire->status, "");
    assert_string_equal(wire->failed, "");
    snprintf(wire->status, sizeof(wire->status), "%.*s", (int)length, text);
}

static void on_failed(void *data, enum error_kind kind, const char *why)
{
    struct wire *wire = data;

    assert_string_equal(wire->status, "");
    assert_string_equal(wire->failed, "");
    assert_int_not_equal(kind, ERROR_NONE);
    snprintf(wire->failed, sizeof(wire->failed), "%s", why);
}

static const struct kube_wire_events wire_events = {
    .opened = on_opened, .output = on_output, .status = on_status, .failed = on_failed};

/* Lets the server read what the client has said. */
static const char *hear(struct wire *wire)
{
    wire->server.said[0] = '\0';
    peer_read(&wire->server, &wire->out, 100000);
    return wire->server.said;
}

static void begin(struct wire *wire)
{
    *wire = (struct wire){0};
    buf_init(&wire->out, 4 << 20);
    peer_init(&wire->server);
    wire->wire = kube_spdy.begin(HEAD);
    assert_non_null(wire->wire);
    wire->wire->events = &wire_events;
    wire->wire->data = wire;
    wire->wire->out = &wire->out;
    kube_spdy.start(wire->wire);
}

static void end(struct wire *wire)
{
    kube_spdy.release(wire->wire);
    buf_free(&wire->out);
    peer_free(&wire->server);
}

static void tell_bytes(struct wire *wire, const struct buf *bytes)
{
    kube_spdy.receive(wire->wire, buf_bytes(bytes), bytes->length);
}

/* The server sends a control frame of these numbers. */
#define tell(wire, type, ...)                                                                      \
    tell_numbers(wire, type, (const uint32_t[]){__VA_ARGS__},                                      \
                 sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void tell_numbers(struct wire *wire, enum spdy_type type, const uint32_t *numbers,
                         size_t count)
{
    struct buf bytes;

    buf_init(&bytes, 100);
    assert_true(spdy_write_numbers(&bytes, type, numbers, count));
    tell_bytes(wire, &bytes);
    buf_free(&bytes);
}

static void tell_data(struct wire *wire, uint32_t stream, unsigned flags, const void *data,
                      size_t length)
{
    struct buf bytes;

    buf_init(&bytes, 1 << 20);
    assert_true(spdy_write_data(&bytes, stream, flags, data, length));
    tell_bytes(wire, &bytes);
    buf_free(&bytes);
}

/* The server's answers to the four streams, as recorded. */
static void tell_replies(struct wire *wire)
{
    struct buf bytes;

    recorded_bytes('<', &bytes);
    kube_spdy.receive(wire->wire, buf_bytes(&bytes), 28 + 3 * 22);
    buf_free(&bytes);
}

static void open_wire(struct wire *wire)
{
    begin(wire);
    hear(wire);
    tell_replies(wire);
    assert_true(wire->opened);
}

static void test_recorded_exec(void **state)
{
    static const char asked[] =
        "settings 0;7=268435456;window 0;syn 1;streamtype=error;syn 3;streamtype=stdin;"
        "syn 5;streamtype=stdout;syn 7;streamtype=stderr;";

    (void)state;
    for (size_t step = 1; step < 2000; step = step * 5 + 1) {
        struct wire wire;
        struct buf bytes;

        begin(&wire);
        assert_string_equal(hear(&wire), asked);
        recorded_bytes('<', &bytes);
        while (bytes.length > 0) {
            size_t here = step < bytes.length ? step : bytes.length;

            kube_spdy.receive(wire.wire, buf_bytes(&bytes), here);
            buf_take(&bytes, here);
        }
        assert_true(wire.opened);
        assert_string_equal(wire.output, "hello\nworld\n");
        assert_string_equal(wire.errors, "oops\n");
        assert_non_null(strstr(wire.status, "\"NonZeroExitCode\""));
        assert_string_equal(wire.failed, "");
        buf_free(&bytes);
        end(&wire);
    }
}

static void test_heads(void **state)
{
    static const char *const others[] = {
        "HTTP/1.1 101 X\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v3.channel.k8s.io\r\n",
        "HTTP/1.1 101 X\r\nUpgrade: SPDY/3.1\r\n",
        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n"};
    struct kube_wire *wire = kube_spdy.begin("HTTP/1.1 101 X\r\nupgrade: spdy/3.1\r\n"
                                             "x-stream-protocol-version: v5.channel.k8s.io\r\n");

    (void)state;
    assert_non_null(wire);
    kube_spdy.release(wire);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_null(kube_spdy.begin(others[i]));
}

static void test_stdin(void **state)
{
    struct wire wire;
    static char much[1 << 20];

    (void)state;
    open_wire(&wire);
    assert_int_equal(kube_spdy.send(wire.wire, "hello", 5), 0);
    assert_string_equal(hear(&wire), "3:hello;");
    /* A server that says nothing of windows keeps none. */
    assert_int_equal(kube_spdy.send(wire.wire, much, sizeof(much)), 0);
    assert_int_equal(kube_spdy.held(wire.wire), 0);
    hear(&wire);
    assert_int_equal(wire.server.data, 5 + sizeof(much));
    assert_true(kube_spdy.close_stdin(wire.wire));
    assert_string_equal(hear(&wire), "3:fin;");
    assert_int_equal(kube_spdy.send(wire.wire, "x", 1), -1);
    assert_true(kube_spdy.close_stdin(wire.wire));
    assert_string_equal(hear(&wire), "");
    end(&wire);
}

static void test_stdin_has_a_limit(void **state)
{
    struct wire wire;
    static char much[1 << 20];
    int taken = 0;

    (void)state;
    open_wire(&wire);
    while (kube_spdy.send(wire.wire, much, sizeof(much)) == 0)
        assert_in_range(++taken, 1, 4);
    assert_in_range(taken, 1, 4);
    end(&wire);
}

static void test_stdin_of_one_who_takes_no_more(void **state)
{
    struct wire wire;

    (void)state;
    open_wire(&wire);
    tell_data(&wire, 3, SPDY_FIN, "", 0); /* its own half, on which nothing ever comes */
    assert_int_equal(kube_spdy.send(wire.wire, "x", 1), 0);
    assert_string_equal(hear(&wire), "3:x;");
    tell(&wire, SPDY_RST_STREAM, 3, 5);
    assert_int_equal(kube_spdy.send(wire.wire, "x", 1), -1);
    assert_string_equal(hear(&wire), "");
    assert_string_equal(wire.failed, "");
    end(&wire);
}

static void test_windows_of_the_server(void **state)
{
    struct wire wire;
    static char much[200000];

    (void)state;
    open_wire(&wire);
    tell(&wire, SPDY_SETTINGS, 1, SPDY_SETTING_INITIAL_WINDOW, 1000);
    assert_int_equal(kube_spdy.send(wire.wire, much, sizeof(much)), 0);
    assert_true(kube_spdy.close_stdin(wire.wire));
    assert_string_equal(hear(&wire), "");
    assert_int_equal(wire.server.data, 1000);
    assert_int_equal(kube_spdy.held(wire.wire), sizeof(much) - 1000);
    /* A window may become negative: then nothing goes until it is positive again. */
    tell(&wire, SPDY_SETTINGS, 1, SPDY_SETTING_INITIAL_WINDOW, 400);
    tell(&wire, SPDY_WINDOW_UPDATE, 3, 600);
    hear(&wire);
    assert_int_equal(wire.server.data, 1000);
    tell(&wire, SPDY_WINDOW_UPDATE, 3, 1000000);
    hear(&wire);
    assert_int_equal(wire.server.data, SPDY_WINDOW); /* the session's */
    tell(&wire, SPDY_WINDOW_UPDATE, 0, 100);
    hear(&wire);
    assert_int_equal(wire.server.data, SPDY_WINDOW + 100);
    tell(&wire, SPDY_WINDOW_UPDATE, 0, 1000000);
    assert_non_null(strstr(hear(&wire), "3:fin;"));
    assert_int_equal(wire.server.data, sizeof(much));
    assert_int_equal(kube_spdy.held(wire.wire), 0);
    /* Of a stream that is none, it is no matter. */
    tell(&wire, SPDY_WINDOW_UPDATE, 99, 1);
    assert_string_equal(wire.failed, "");
    tell(&wire, SPDY_WINDOW_UPDATE, 0, 0x7fffffff);
    assert_string_equal(wire.failed, "a window that is too large");
    end(&wire);
}

/* What was taken is given back, in large steps, and no more than that. */
static void test_windows_of_the_client(void **state)
{
    struct wire wire;
    static char piece[32000];
    uint32_t before;

    (void)state;
    open_wire(&wire);
    assert_int_equal(wire.server.granted_session, WINDOW - SPDY_WINDOW);
    before = wire.server.granted_session;
    for (unsigned i = 0; i < 6000; i++) {
        tell_data(&wire, i % 4 ? 5 : 7, 0, piece, sizeof(piece));
        hear(&wire);
        assert_true(wire.server.granted_session - before <= wire.taken);
        assert_true(wire.taken - (wire.server.granted_session - before) < WINDOW);
        assert_true(wire.server.granted <= wire.taken);
        assert_true(strlen(wire.server.said) == 0 || wire.taken >= WINDOW / 2);
    }
    assert_int_equal(wire.taken, 6000 * sizeof(piece));
    assert_true(wire.server.granted > 0 && wire.server.granted_session > before);
    end(&wire);
}

static void test_pings(void **state)
{
    struct wire wire;

    (void)state;
    open_wire(&wire);
    kube_spdy.ping(wire.wire);
    kube_spdy.ping(wire.wire);
    assert_string_equal(hear(&wire), "ping 1;ping 3;");
    tell(&wire, SPDY_PING, 1); /* an answer */
    tell(&wire, SPDY_PING, 2); /* a question */
    assert_string_equal(hear(&wire), "ping 2;");
    /* Nobody is made to hold answers without end. */
    for (int i = 0; i < 1000000 && !*wire.failed; i++)
        tell(&wire, SPDY_PING, 2);
    assert_string_equal(wire.failed, "more is asked than can be answered");
    end(&wire);
}

static void test_streams_of_the_server(void **state)
{
    struct wire wire;
    struct spdy_compressor compressor = {0};
    struct buf bytes;

    (void)state;
    open_wire(&wire);
    buf_init(&bytes, 1000);
    assert_true(spdy_write_syn_stream(&bytes, &compressor, 2, "a", "b"));
    /* Its block is no continuation of the server's zlib stream. */
    tell_bytes(&wire, &bytes);
    assert_string_equal(wire.failed, "a malformed header block");
    end(&wire);

    begin(&wire);
    hear(&wire);
    spdy_compressor_free(&compressor);
    buf_take(&bytes, bytes.length);
    assert_true(spdy_write_syn_stream(&bytes, &compressor, 2, "a", "b"));
    tell_bytes(&wire, &bytes);
    assert_string_equal(hear(&wire), "rst 2;");
    assert_string_equal(wire.failed, "");
    spdy_compressor_free(&compressor);
    buf_free(&bytes);
    end(&wire);
}

static void test_ends(void **state)
{
    static const char status[] = "{\"status\":\"Success\"}";
    struct wire wire;

    (void)state;
    for (int how = 0; how < 4; how++) {
        open_wire(&wire);
        tell_data(&wire, 1, how == 0 ? SPDY_FIN : 0, status, sizeof(status) - 1);
        if (how == 1)
            tell(&wire, SPDY_RST_STREAM, 1, 5);
        if (how == 2)
            tell_data(&wire, 1, SPDY_FIN, "", 0);
        if (how == 3)
            kube_spdy.hung_up(wire.wire);
        assert_string_equal(wire.status, status);
        /* Nothing comes after it. */
        tell_data(&wire, 5, 0, "late", 4);
        assert_string_equal(wire.output, "");
        assert_int_equal(kube_spdy.send(wire.wire, "x", 1), -1);
        end(&wire);
    }
    open_wire(&wire);
    tell_data(&wire, 1, SPDY_FIN, "", 0);
    assert_string_equal(wire.failed, "the server ended it without a Status");
    end(&wire);
    open_wire(&wire);
    kube_spdy.hung_up(wire.wire); /* with nothing known: the stream's owner says so */
    assert_string_equal(wire.failed, "");
    end(&wire);
}

static void test_goes_away(void **state)
{
    struct wire wire;

    (void)state;
    open_wire(&wire);
    tell(&wire, SPDY_GOAWAY, 7, 0);
    tell_data(&wire, 5, 0, "still", 5);
    assert_string_equal(wire.output, "still");
    end(&wire);
    begin(&wire);
    tell(&wire, SPDY_GOAWAY, 0, 0);
    assert_string_equal(wire.failed, "the server goes away");
    end(&wire);
}

static void test_refused_streams(void **state)
{
    struct wire wire;

    (void)state;
    begin(&wire);
    tell(&wire, SPDY_RST_STREAM, 5, 3);
    assert_string_equal(wire.failed, "the server refused the stream \"stdout\" (RST_STREAM 3)");
    assert_false(wire.opened);
    end(&wire);
    open_wire(&wire);
    tell(&wire, SPDY_RST_STREAM, 3, SPDY_RST_FLOW_CONTROL_ERROR);
    assert_string_equal(wire.failed, "the server's window was not kept");
    end(&wire);
}

static void test_malformed(void **state)
{
    static const struct {
        unsigned char bytes[24];
        size_t length;
        const char *why;
    } cases[] = {
        {{0x80, 2, 0, 6, 0, 0, 0, 4, 0, 0, 0, 2}, 12, "a frame that is not of SPDY/3"},
        {{0x83, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 2}, 12, "a frame that is not of SPDY/3"},
        {{'H', 'T', 'T', 'P', '/', '1', '.', '1'}, 8, ""}, /* data of a stream that is not known */
        {{0, 0, 0, 0, 0, 0, 0, 1, 'x'}, 9, "a frame of no stream"},
        {{0x80, 3, 0, 2, 0, 0xff, 0xff, 0xff}, 8, "a control frame that is too long"},
        {{0x80, 3, 0, 77, 0, 0xff, 0xff, 0xff}, 8, "a control frame that is too long"},
        {{0x80, 3, 0, 77, 0, 0, 0, 1, 'x'}, 9, ""}, /* what is not known is passed over */
        {{0x80, 3, 0xff, 0xff, 0, 0, 0, 0}, 8, ""},
        {{0x80, 3, 0, 0, 0, 0, 0, 0}, 8, ""},
        {{0x80, 3, 0, 6, 0, 0, 0, 3, 0, 0, 2}, 11, "a malformed control frame"},
        {{0x80, 3, 0, 6, 0, 0, 0, 0}, 8, "a malformed control frame"},
        {{0x80, 3, 0, 3, 0, 0, 0, 4, 0, 0, 0, 1}, 12, "a malformed control frame"},
        {{0x80, 3, 0, 9, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1, 0}, 17, "a malformed control frame"},
        {{0x80, 3, 0, 1, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 0, 0}, 17, "a malformed control frame"},
        {{0x80, 3, 0, 4, 0, 0, 0, 4, 0x20, 0, 0, 0}, 12, "a malformed control frame"},
        {{0x80, 3, 0, 4, 0, 0, 0, 4, 0, 0, 0, 1}, 12, "a malformed control frame"},
        {{0x80, 3, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1}, 12, "a malformed header block"},
        {{0x80, 3, 0, 2, 0, 0, 0, 6, 0, 0, 0, 1, 'x', 'y'}, 14, "a malformed header block"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wire wire;

        begin(&wire);
        kube_spdy.receive(wire.wire, cases[i].bytes, cases[i].length);
        assert_string_equal(wire.failed, cases[i].why);
        kube_spdy.receive(wire.wire, cases[i].bytes, cases[i].length); /* is not read any more */
        end(&wire);
    }
}

/* ---- header blocks ---- */

/* Compresses bytes as the first block of a zlib stream. */
static void block_of(const unsigned char *plain, size_t length, struct buf *ret_block)
{
    z_stream zlib = {0};

    buf_init(ret_block, 1 << 20);
    assert_int_equal(deflateInit(&zlib, 9), Z_OK);
    unsigned char *room = buf_reserve(ret_block, 1 << 19);
    zlib.next_in = (unsigned char *)(uintptr_t)plain;
    zlib.avail_in = (unsigned)length;
    zlib.next_out = room;
    zlib.avail_out = 1 << 19;
    assert_int_equal(deflate(&zlib, Z_SYNC_FLUSH), Z_OK);
    buf_added(ret_block, (1 << 19) - zlib.avail_out);
    deflateEnd(&zlib);
}

/* Return: how often a header was read, -1 when the block was refused. */
static int read_block(const unsigned char *plain, size_t length)
{
    struct spdy_decompressor decompressor = {0};
    struct spdy_header_walk walk = {0};
    struct spdy_header header;
    struct buf block;
    int count = 0, next = -1;

    block_of(plain, length, &block);
    if (spdy_decompress(&decompressor, buf_bytes(&block), block.length, &walk.text, &walk.length) ==
        0)
        while ((next = spdy_header_next(&walk, &header)) > 0)
            count++;
    spdy_decompressor_free(&decompressor);
    buf_free(&block);
    return next < 0 ? -1 : count;
}

static void test_blocks(void **state)
{
    static const unsigned char good[] = {0, 0, 0, 2, 0, 0,   0, 1, 'a', 0, 0,  0,
                                         0, 0, 0, 0, 1, 'b', 0, 0, 0,   1, 'c'};
    static const unsigned char more[] = {0, 0, 0, 0, 'x'};
    static const unsigned char many[] = {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0};
    static const unsigned char wide[] = {0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 'a'};

    (void)state;
    assert_int_equal(read_block(good, sizeof(good)), 2);
    for (size_t cut = 1; cut < sizeof(good); cut++)
        assert_int_equal(read_block(good, cut), -1);
    assert_int_equal(read_block(more, sizeof(more)), -1);
    assert_int_equal(read_block(many, sizeof(many)), -1);
    assert_int_equal(read_block(wide, sizeof(wide)), -1);
}

/* The bomb stops where the room ends: nothing larger is ever allocated. */
static void test_bomb(void **state)
{
    static unsigned char zeros[200000];
    struct spdy_decompressor decompressor = {0};
    const unsigned char *text;
    size_t length;
    struct buf block;

    (void)state;
    block_of(zeros, SPDY_HEADERS_MAX - 1, &block);
    assert_int_equal(
        spdy_decompress(&decompressor, buf_bytes(&block), block.length, &text, &length), 0);
    assert_int_equal(length, SPDY_HEADERS_MAX - 1);
    spdy_decompressor_free(&decompressor);
    buf_free(&block);
    block_of(zeros, sizeof(zeros), &block);
    assert_true(block.length < 1000);
    assert_int_equal(
        spdy_decompress(&decompressor, buf_bytes(&block), block.length, &text, &length), -1);
    spdy_decompressor_free(&decompressor);
    buf_free(&block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded_frames),
        cmocka_unit_test(test_recorded_exec),
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_stdin),
        cmocka_unit_test(test_stdin_has_a_limit),
        cmocka_unit_test(test_stdin_of_one_who_takes_no_more),
        cmocka_unit_test(test_windows_of_the_server),
        cmocka_unit_test(test_windows_of_the_client),
        cmocka_unit_test(test_pings),
        cmocka_unit_test(test_streams_of_the_server),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_goes_away),
        cmocka_unit_test(test_refused_streams),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_bomb),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
