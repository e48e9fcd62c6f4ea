/* SPDX-License-Identifier: Apache-2.0 */
#include "method/relay.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "common/relay.h"
#include "kube/client.h"
#include "kube/status.h"
#include "kube/stream.h"

struct relay_channel {
    struct relay *relay;
    unsigned number;
    const struct kube_stream_events *events;
    void *data;
    struct buf words; /* of its command, each with a zero behind it; empty when it was sent */
    bool opened;      /* the owner knows */
    bool closed;      /* the owner has had its last event */
    bool paused;
};

/* A number is taken until the agent has said on both its outputs that its command has ended. */
struct slot {
    struct relay_channel *channel; /* NULL: nobody listens */
    bool taken;
    bool ended; /* one of them has said so */
};

/* One of the relay's outputs, between two of its pieces. */
struct frames {
    unsigned char head[RELAY_HEAD];
    size_t head_used;
    size_t left; /* bytes of the frame that are still to come */
    bool line;   /* what comes is no frame, up to its end */
};

struct relay {
    struct relays *of;
    struct relay *next;
    char *namespace, *pod; /* owned */
    char *secret;          /* owned; NULL: none */
    struct kube_stream *stream;
    struct loop_timer *opener; /* tells channels that were opened later */
    bool open;                 /* the exec was taken */
    bool over;
    unsigned channels; /* that are owned */
    unsigned pauses;
    struct slot slots[RELAY_CHANNELS];
    struct frames output, error;
};

struct relays {
    struct kube_client *client;
    struct relay *list;
};

struct relays *relays_new(struct kube_client *client)
{
    struct relays *relays = calloc(1, sizeof(*relays));

    if (relays)
        relays->client = client;
    return relays;
}

void relays_free(struct relays *relays)
{
    free(relays);
}

/* ---- to the agent ---- */

static int send_frame(struct relay *relay, enum relay_kind kind, unsigned number, const void *bytes,
                      size_t length)
{
    unsigned char head[RELAY_HEAD];
    struct buf frame;

    if (!relay->open || relay->over || length > RELAY_FRAME_MAX)
        return -1;
    relay_put_head(head, kind, number, length);
    buf_init(&frame, RELAY_HEAD + RELAY_FRAME_MAX);
    bool built = buf_append(&frame, head, sizeof(head)) && buf_append(&frame, bytes, length);
    int result = built ? kube_stream_send(relay->stream, buf_bytes(&frame), frame.length) : -1;
    buf_free(&frame);
    return result;
}

int relay_send(struct relay_channel *channel, const void *bytes, size_t length)
{
    if (channel->closed || !channel->opened)
        return -1;
    return send_frame(channel->relay, RELAY_INPUT, channel->number, bytes, length);
}

void relay_pause(struct relay_channel *channel, bool paused)
{
    struct relay *relay = channel->relay;

    if (channel->paused == paused)
        return;
    channel->paused = paused;
    relay->pauses += paused ? 1u : -1u;
    if (!relay->over)
        kube_stream_pause(relay->stream, relay->pauses > 0);
}

/* ---- the channels' events ---- */

static void close_channel(struct relay_channel *channel, const struct kube_exit *exit,
                          const struct error *err)
{
    if (channel->closed)
        return;
    channel->closed = true;
    relay_pause(channel, false);
    channel->events->closed(channel->data, exit, err);
}

/* The command is sent now, so that all input comes behind it. */
static void open_channel(struct relay_channel *channel)
{
    const struct kube_exit lost = {.kind = KUBE_EXIT_LOST};
    struct error err;

    if (channel->opened || channel->closed)
        return;
    channel->opened = true;
    if (send_frame(channel->relay, RELAY_OPEN, channel->number, buf_bytes(&channel->words),
                   channel->words.length) < 0) {
        error_set(&err, ERROR_INTERNAL, "the command line of an agent is too long");
        close_channel(channel, &lost, &err);
        return;
    }
    buf_free(&channel->words);
    channel->events->opened(channel->data);
}

static void open_channels(void *data)
{
    struct relay *relay = data;

    for (unsigned i = 0; relay->open && i < RELAY_CHANNELS; i++)
        if (relay->slots[i].channel)
            open_channel(relay->slots[i].channel);
}

/* ---- from the agent ---- */

static void take_exit(struct slot *slot, unsigned char code)
{
    const struct kube_exit exit = {.kind = KUBE_EXIT_CODE, .code = code};
    struct relay_channel *channel = slot->channel;

    if (!slot->ended) {
        slot->ended = true;
        return;
    }
    *slot = (struct slot){.taken = false};
    if (channel)
        close_channel(channel, &exit, NULL);
}

/* Some bytes of a frame. What is for no channel is passed over: the owner did not want it. */
static void take_bytes(struct relay *relay, const struct frames *frames, const unsigned char *bytes,
                       size_t length)
{
    unsigned number = relay_number(frames->head);
    struct slot *slot = number < RELAY_CHANNELS ? &relay->slots[number] : NULL;
    struct relay_channel *channel = slot ? slot->channel : NULL;

    if (slot && slot->taken && frames->head[0] == RELAY_EXIT)
        take_exit(slot, bytes[0]);
    else if (channel && !channel->closed && frames->head[0] == RELAY_OUTPUT)
        channel->events->output(channel->data, KUBE_CHANNEL_STDOUT, bytes, length);
    else if (channel && !channel->closed && frames->head[0] == RELAY_ERROR)
        channel->events->output(channel->data, KUBE_CHANNEL_STDERR, bytes, length);
}

/* What the relay says itself. Return: bytes that are used. */
static size_t take_line(struct frames *frames, const unsigned char *bytes, size_t length)
{
    const unsigned char *end = memchr(bytes, '\n', length);
    size_t used = end ? (size_t)(end - bytes) + 1 : length;

    frames->line = !end;
    log_debug("relay: %.*s", (int)(end ? used - 1 : used), (const char *)bytes);
    return used;
}

/* Return: bytes that are used. */
static size_t take_head(struct frames *frames, const unsigned char *bytes, size_t length)
{
    size_t part = RELAY_HEAD - frames->head_used;

    part = part < length ? part : length;
    memcpy(frames->head + frames->head_used, bytes, part);
    frames->head_used += part;
    if (frames->head_used == RELAY_HEAD)
        frames->left = relay_length(frames->head);
    return part;
}

/* Return: bytes that are used. */
static size_t take_piece(struct relay *relay, struct frames *frames, const unsigned char *bytes,
                         size_t length)
{
    if (frames->line || (frames->head_used == 0 && bytes[0] == RELAY_LINE))
        return take_line(frames, bytes, length);
    if (frames->head_used < RELAY_HEAD)
        return take_head(frames, bytes, length);
    size_t part = frames->left < length ? frames->left : length;
    frames->left -= part;
    take_bytes(relay, frames, bytes, part);
    return part;
}

static void take_frames(struct relay *relay, struct frames *frames, const unsigned char *bytes,
                        size_t length)
{
    while (length > 0) {
        size_t used = take_piece(relay, frames, bytes, length);

        if (frames->head_used == RELAY_HEAD && frames->left == 0)
            frames->head_used = 0;
        bytes += used;
        length -= used;
    }
}

/* ---- the exec's events ---- */

static void on_opened(void *data)
{
    struct relay *relay = data;

    relay->open = true;
    if (relay->secret)
        kube_stream_send(relay->stream, relay->secret, strlen(relay->secret));
    open_channels(relay);
}

static void on_output(void *data, enum kube_channel channel, const unsigned char *bytes,
                      size_t length)
{
    struct relay *relay = data;

    take_frames(relay, channel == KUBE_CHANNEL_STDOUT ? &relay->output : &relay->error, bytes,
                length);
}

/* That it ended well says nothing of a channel that did not. */
static void on_closed(void *data, const struct kube_exit *exit, const struct error *err)
{
    static const struct kube_exit lost = {.kind = KUBE_EXIT_LOST};
    struct relay *relay = data;
    struct error ended;
    bool well = exit && exit->kind == KUBE_EXIT_CODE && exit->code == 0;

    relay->over = true;
    error_set(&ended, ERROR_NETWORK, "the exec in pod \"%s\" has ended", relay->pod);
    for (unsigned i = 0; i < RELAY_CHANNELS; i++)
        if (relay->slots[i].channel)
            close_channel(relay->slots[i].channel, well ? &lost : exit, well ? &ended : err);
}

/* ---- from nothing, and back ---- */

static void relay_free(struct relay *relay)
{
    struct relay **at = &relay->of->list;

    while (*at && *at != relay)
        at = &(*at)->next;
    if (*at)
        *at = relay->next;
    kube_stream_free(relay->stream);
    loop_remove_timer(relay->opener);
    free(relay->namespace);
    free(relay->pod);
    free(relay->secret);
    free(relay);
}

static int run_relay(struct relay *relay, const struct kube_exec *exec, struct error *err)
{
    static const struct kube_stream_events events = {
        .opened = on_opened, .output = on_output, .closed = on_closed};
    const char *const command[] = {exec->command[0], "relay", NULL};
    const struct kube_exec one = {exec->namespace, exec->pod, exec->container, command};

    relay->stream = kube_stream_open(relay->of->client, &one, &events, relay, err);
    return relay->stream ? 0 : -1;
}

static struct relay *relay_new(struct relays *relays, const struct kube_exec *exec,
                               const char *secret, struct error *err)
{
    struct relay *relay = calloc(1, sizeof(*relay));

    if (!relay) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    relay->of = relays;
    relay->namespace = strdup(exec->namespace);
    relay->pod = strdup(exec->pod);
    relay->secret = secret ? strdup(secret) : NULL;
    relay->opener = loop_add_timer(kube_client_loop(relays->client), 0, open_channels, relay);
    if (!relay->namespace || !relay->pod || (secret && !relay->secret) || !relay->opener) {
        error_set(err, ERROR_INTERNAL, "out of memory");
    } else if (run_relay(relay, exec, err) == 0) {
        relay->next = relays->list;
        relays->list = relay;
        return relay;
    }
    relay_free(relay);
    return NULL;
}

/* Return: a number that is free; RELAY_CHANNELS: none is. */
static unsigned free_number(const struct relay *relay)
{
    unsigned number = 0;

    while (number < RELAY_CHANNELS && relay->slots[number].taken)
        number++;
    return number;
}

static struct relay *find(const struct relays *relays, const struct kube_exec *exec)
{
    struct relay *relay = relays->list;

    while (relay &&
           (relay->over || free_number(relay) == RELAY_CHANNELS ||
            strcmp(relay->pod, exec->pod) != 0 || strcmp(relay->namespace, exec->namespace) != 0))
        relay = relay->next;
    return relay;
}

static bool copy_words(struct relay_channel *channel, const char *const *words)
{
    bool fits = true;

    buf_init(&channel->words, RELAY_FRAME_MAX);
    for (; *words && fits; words++)
        fits = buf_append(&channel->words, *words, strlen(*words) + 1);
    return fits;
}

static struct relay_channel *channel_new(const struct kube_exec *exec,
                                         const struct kube_stream_events *events, void *data,
                                         struct error *err)
{
    struct relay_channel *channel = calloc(1, sizeof(*channel));

    if (channel && copy_words(channel, exec->command + 1)) {
        channel->events = events;
        channel->data = data;
        return channel;
    }
    if (channel)
        buf_free(&channel->words);
    free(channel);
    error_set(err, ERROR_INTERNAL, "out of memory");
    return NULL;
}

struct relay_channel *relay_open(struct relays *relays, const struct kube_exec *exec,
                                 const char *secret, const struct kube_stream_events *events,
                                 void *data, struct error *err)
{
    struct relay_channel *channel = channel_new(exec, events, data, err);
    struct relay *relay = channel ? find(relays, exec) : NULL;

    if (channel && !relay)
        relay = relay_new(relays, exec, secret, err);
    if (!relay) {
        if (channel)
            buf_free(&channel->words);
        free(channel);
        return NULL;
    }
    channel->relay = relay;
    channel->number = free_number(relay);
    relay->slots[channel->number] = (struct slot){.channel = channel, .taken = true};
    relay->channels++;
    loop_set_timer(relay->opener, 0);
    return channel;
}

void relay_close(struct relay_channel *channel)
{
    struct relay *relay = channel ? channel->relay : NULL;

    if (!channel)
        return;
    relay_pause(channel, false);
    if (relay->slots[channel->number].channel == channel) {
        relay->slots[channel->number].channel = NULL;
        if (!channel->opened || send_frame(relay, RELAY_END, channel->number, NULL, 0) < 0)
            relay->slots[channel->number].taken = channel->opened && !relay->over;
    }
    buf_free(&channel->words);
    free(channel);
    if (--relay->channels == 0)
        relay_free(relay);
}
