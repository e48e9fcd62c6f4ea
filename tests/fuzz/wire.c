/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/wire.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "kube/transport.h"
#include "tests/fuzz/fuzz.h"

#define OUT_MAX (1u << 20)

struct state {
    bool over; /* the transport's last event has come */
};

/* Nothing comes behind the last event. */
static void check(const struct state *state)
{
    if (state->over)
        abort();
}

static void on_opened(void *data)
{
    check(data);
}

static void on_output(void *data, enum kube_channel channel, const unsigned char *bytes,
                      size_t length)
{
    unsigned char *copy = malloc(length + 1);

    check(data);
    if (channel != KUBE_CHANNEL_STDOUT && channel != KUBE_CHANNEL_STDERR)
        abort();
    if (copy && length > 0)
        memcpy(copy, bytes, length); /* every byte is there */
    free(copy);
}

static void on_status(void *data, const unsigned char *text, size_t length)
{
    struct kube_exit end;

    check(data);
    kube_exit_from_status((const char *)text, length, &end);
    ((struct state *)data)->over = true;
}

static void on_failed(void *data, enum error_kind kind, const char *why)
{
    (void)kind;
    check(data);
    if (!why)
        abort();
    ((struct state *)data)->over = true;
}

static void speak(const struct kube_transport *transport, struct kube_wire *wire, uint8_t what)
{
    if (what % 4 == 0)
        transport->send(wire, "\n", 1);
    else if (what % 4 == 1)
        transport->ping(wire);
    else if (what % 16 == 2)
        transport->close_stdin(wire);
    transport->held(wire);
}

void wire_fuzz(const struct kube_transport *transport, const char *head, const uint8_t *data,
               size_t size)
{
    static const struct kube_wire_events events = {
        .opened = on_opened, .output = on_output, .status = on_status, .failed = on_failed};
    struct kube_wire *wire = transport->begin(head);
    struct state state = {0};
    struct buf out;

    if (!wire)
        abort();
    buf_init(&out, OUT_MAX);
    wire->events = &events;
    wire->data = &state;
    wire->out = &out;
    transport->start(wire);
    for (size_t at = 1, piece; at < size && !state.over; at += piece) {
        piece = fuzz_cut(data, size, at);
        transport->receive(wire, data + at, piece);
        if (!state.over)
            speak(transport, wire, data[at]);
        if (data[at] & 1)
            buf_take(&out, out.length);
    }
    if (!state.over)
        transport->hung_up(wire);
    transport->release(wire);
    buf_free(&out);
}
