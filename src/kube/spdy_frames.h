/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frames of SPDY/3.1, in and out of buffers. No I/O.
 *
 * Source: https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/, 2.2 and 2.6
 */
#ifndef KSNIFF_KUBE_SPDY_FRAMES_H
#define KSNIFF_KUBE_SPDY_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define SPDY_CONTROL_MAX (64u << 10) /* bytes of a control frame that is taken */
#define SPDY_DATA_MAX    (32u << 10) /* bytes of a data frame that is made */
#define SPDY_WINDOW      (64u << 10) /* of a stream and of a session, before anything else is said */

enum spdy_type {
    SPDY_DATA = 0, /* not on the wire */
    SPDY_SYN_STREAM = 1,
    SPDY_SYN_REPLY = 2,
    SPDY_RST_STREAM = 3,
    SPDY_SETTINGS = 4,
    SPDY_PING = 6,
    SPDY_GOAWAY = 7,
    SPDY_HEADERS = 8,
    SPDY_WINDOW_UPDATE = 9,
};

#define SPDY_FIN                    1 /* the flag of a stream's last frame */
#define SPDY_SETTING_INITIAL_WINDOW 7
#define SPDY_RST_REFUSED_STREAM     3
#define SPDY_RST_FLOW_CONTROL_ERROR 7

/* A control frame, whole. */
struct spdy_control {
    enum spdy_type type;
    unsigned flags;
    uint32_t stream; /* of GOAWAY: the last that was taken; of PING: its id */
    uint32_t value;  /* the status of RST_STREAM and GOAWAY, what WINDOW_UPDATE adds; the number of
                        entries of SETTINGS */
    const unsigned char *rest; /* the header block, or the entries, of 8 bytes each */
    size_t rest_length;
};

struct spdy_reader_events {
    /*
     * Bytes of a data frame, as they come: a frame may come in pieces. @last: its last piece (which
     * may have no bytes); @flags hold then. Return: false to read no further.
     */
    bool (*data)(void *data, uint32_t stream, const unsigned char *bytes, size_t length, bool last,
                 unsigned flags);
    /* Valid during the call. Return: false to read no further. */
    bool (*control)(void *data, const struct spdy_control *control);
};

/* Reads one direction. Begin with spdy_reader_init(), end with spdy_reader_free(). */
struct spdy_reader {
    unsigned char head[8];
    size_t head_length;
    uint32_t left;      /* bytes of the frame's payload still to come */
    struct buf payload; /* of a control frame, as far as it has come */
};

void spdy_reader_init(struct spdy_reader *reader);
void spdy_reader_free(struct spdy_reader *reader);

/* spdy_reader_feed - Return: NULL, or what is wrong with the bytes: then no more may be fed. */
const char *spdy_reader_feed(struct spdy_reader *reader, const unsigned char *bytes, size_t length,
                             const struct spdy_reader_events *events, void *data);

/* spdy_setting - the entry @index of a SETTINGS frame. */
void spdy_setting(const struct spdy_control *settings, uint32_t index, uint32_t *ret_id,
                  uint32_t *ret_value);

/*
 * The writers append a frame to @out. Return: false when it does not fit.
 *
 * spdy_write_data - @length: at most SPDY_DATA_MAX
 * spdy_write_numbers - a control frame whose payload are @count numbers, at most 4
 */
bool spdy_write_data(struct buf *out, uint32_t stream, unsigned flags, const void *bytes,
                     size_t length);
bool spdy_write_numbers(struct buf *out, enum spdy_type type, const uint32_t *numbers,
                        size_t count);

struct spdy_compressor;

/* spdy_write_syn_stream - opens a stream with one header. */
bool spdy_write_syn_stream(struct buf *out, struct spdy_compressor *compressor, uint32_t stream,
                           const char *name, const char *value);

#endif
