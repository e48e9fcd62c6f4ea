/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/spdy_frames.h"

#include "kube/spdy_headers.h"

#define VERSION   3
#define ID_MASK   0x7fffffffu
#define SIZE_MASK 0xffffffu

/* The payloads of control frames: numbers of 32 bits each, and whether more may follow. */
static const struct {
    uint8_t numbers;
    bool open;
} shapes[] = {
    [SPDY_SYN_STREAM] = {2, true}, /* and two bytes of priority and slot */
    [SPDY_SYN_REPLY] = {1, true},      [SPDY_RST_STREAM] = {2, false}, [SPDY_SETTINGS] = {1, true},
    [SPDY_PING] = {1, false},          [SPDY_GOAWAY] = {2, false},     [SPDY_HEADERS] = {1, true},
    [SPDY_WINDOW_UPDATE] = {2, false},
};
#define SHAPE_COUNT (sizeof(shapes) / sizeof(shapes[0]))

void spdy_reader_init(struct spdy_reader *reader)
{
    *reader = (struct spdy_reader){0};
    buf_init(&reader->payload, SPDY_CONTROL_MAX);
}

void spdy_reader_free(struct spdy_reader *reader)
{
    buf_free(&reader->payload);
}

/* ---- reading ---- */

static bool is_control(const struct spdy_reader *reader)
{
    return reader->head[0] & 0x80;
}

static unsigned type_of(const struct spdy_reader *reader)
{
    return (unsigned)reader->head[2] << 8 | reader->head[3];
}

/* A frame's first eight bytes are there. Return: NULL, or what is wrong with them. */
static const char *begin_frame(struct spdy_reader *reader)
{
    reader->left = spdy_get32(reader->head + 4) & SIZE_MASK;
    if (!is_control(reader))
        return spdy_get32(reader->head) == 0 ? "a frame of no stream" : NULL;
    if ((reader->head[0] & 0x7f) != 0 || reader->head[1] != VERSION)
        return "a frame that is not of SPDY/3";
    return reader->left > SPDY_CONTROL_MAX ? "a control frame that is too long" : NULL;
}

/* Takes a control frame's payload apart. Return: NULL, or what is wrong with it. */
static const char *read_control(const struct spdy_reader *reader, struct spdy_control *ret_control)
{
    static const char malformed[] = "a malformed control frame";
    const unsigned char *payload = buf_bytes(&reader->payload);
    unsigned type = type_of(reader);
    size_t length = reader->payload.length, fixed = 4u * shapes[type].numbers;

    if (length < fixed || (!shapes[type].open && length != fixed))
        return malformed;
    *ret_control = (struct spdy_control){.type = (enum spdy_type)type, .flags = reader->head[4]};
    if (type == SPDY_SETTINGS)
        ret_control->value = spdy_get32(payload);
    else
        ret_control->stream =
            type == SPDY_PING ? spdy_get32(payload) : spdy_get32(payload) & ID_MASK;
    if (type == SPDY_SYN_STREAM)
        fixed += 2;
    else if (shapes[type].numbers == 2)
        ret_control->value = spdy_get32(payload + 4);
    if (length < fixed)
        return malformed;
    ret_control->rest = payload + fixed;
    ret_control->rest_length = length - fixed;
    if (type == SPDY_SETTINGS && ret_control->rest_length != 8 * (uint64_t)ret_control->value)
        return malformed;
    if (type == SPDY_WINDOW_UPDATE)
        ret_control->value &= ID_MASK;
    return NULL;
}

/* A control frame's payload is whole. */
static const char *end_control(struct spdy_reader *reader, const struct spdy_reader_events *events,
                               void *data, bool *go_on)
{
    struct spdy_control control;
    unsigned type = type_of(reader);
    const char *wrong = NULL;

    /* What is not known is passed over, as the protocol wants it. */
    if (type > 0 && type < SHAPE_COUNT && shapes[type].numbers > 0) {
        wrong = read_control(reader, &control);
        if (!wrong)
            *go_on = events->control(data, &control);
    }
    reader->head_length = 0;
    buf_take(&reader->payload, reader->payload.length);
    return wrong;
}

/* Takes @length bytes of a frame's payload, which has no fewer to come. */
static const char *take_payload(struct spdy_reader *reader, const unsigned char *bytes,
                                size_t length, const struct spdy_reader_events *events, void *data,
                                bool *go_on)
{
    reader->left -= (uint32_t)length;
    if (is_control(reader)) {
        if (!buf_append(&reader->payload, bytes, length))
            return "a control frame that is too long";
        return reader->left == 0 ? end_control(reader, events, data, go_on) : NULL;
    }
    if (reader->left == 0)
        reader->head_length = 0;
    *go_on = events->data(data, spdy_get32(reader->head), bytes, length, reader->left == 0,
                          reader->head[4]);
    return NULL;
}

const char *spdy_reader_feed(struct spdy_reader *reader, const unsigned char *bytes, size_t length,
                             const struct spdy_reader_events *events, void *data)
{
    const char *wrong = NULL;
    bool go_on = true;

    while (!wrong && go_on && length > 0) {
        if (reader->head_length < sizeof(reader->head)) {
            reader->head[reader->head_length++] = *bytes++;
            length--;
            if (reader->head_length < sizeof(reader->head))
                continue;
            wrong = begin_frame(reader);
            if (wrong || reader->left > 0)
                continue;
        }
        size_t here = length < reader->left ? length : reader->left;
        wrong = take_payload(reader, bytes, here, events, data, &go_on);
        bytes += here;
        length -= here;
    }
    return wrong;
}

void spdy_setting(const struct spdy_control *settings, uint32_t index, uint32_t *ret_id,
                  uint32_t *ret_value)
{
    const unsigned char *entry = settings->rest + 8 * (size_t)index;

    *ret_id = spdy_get32(entry) & SIZE_MASK;
    *ret_value = spdy_get32(entry + 4);
}

/* ---- writing ---- */

bool spdy_write_data(struct buf *out, uint32_t stream, unsigned flags, const void *bytes,
                     size_t length)
{
    unsigned char *room = buf_reserve(out, 8 + length);

    if (!room)
        return false;
    spdy_put32(room, stream);
    spdy_put32(room + 4, flags << 24 | (uint32_t)length);
    buf_added(out, 8);
    return buf_append(out, bytes, length);
}

static void put_control(unsigned char *head, enum spdy_type type, size_t length)
{
    spdy_put32(head, 0x80000000u | VERSION << 16 | type);
    spdy_put32(head + 4, (uint32_t)length);
}

bool spdy_write_numbers(struct buf *out, enum spdy_type type, const uint32_t *numbers, size_t count)
{
    unsigned char frame[8 + 4 * 4];

    put_control(frame, type, 4 * count);
    for (size_t i = 0; i < count; i++)
        spdy_put32(frame + 8 + 4 * i, numbers[i]);
    return buf_append(out, frame, 8 + 4 * count);
}

bool spdy_write_syn_stream(struct buf *out, struct spdy_compressor *compressor, uint32_t stream,
                           const char *name, const char *value)
{
    unsigned char head[18] = {0};
    struct buf block;

    buf_init(&block, SPDY_CONTROL_MAX - 10);
    bool fits = spdy_compress(compressor, name, value, &block) == 0;
    put_control(head, SPDY_SYN_STREAM, 10 + block.length);
    spdy_put32(head + 8, stream); /* no associated stream, the highest priority */
    fits = fits && buf_append(out, head, sizeof(head)) &&
           buf_append(out, buf_bytes(&block), block.length);
    buf_free(&block);
    return fits;
}
