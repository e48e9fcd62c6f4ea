/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard output, or a file: pcapng blocks (common/pcapng.h) built in one buffer and written in
 * large pieces. A block is added whole or not at all.
 */
#ifndef KSNIFF_AGENT_OUTPUT_H
#define KSNIFF_AGENT_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/agent.h"

struct interface;
struct link_header;
struct packet;

#define OUTPUT_WRITE 262144u /* bytes pending that are written without waiting for more */
#define OUTPUT_SIZE  (OUTPUT_WRITE + AGENT_SNAPLEN_MAX + 4096u)

struct output {
    int fd;
    size_t sent;      /* bytes of the buffer that have been written */
    uint64_t written; /* bytes, ever */
    size_t used;      /* bytes of the buffer that hold blocks */
    bool blocked;     /* the reader took nothing at the last try */
    bool closed;      /* there is no reader any more */
    int old_flags;    /* of the descriptor, to be put back; -1: unchanged */
    uint8_t buffer[OUTPUT_SIZE];
};

/* output_open - make standard output non-blocking if it is a pipe or a socket. */
void output_open(struct output *output);
/* output_close - put the descriptor's flags back: others may share it. */
void output_close(struct output *output);

static inline size_t output_pending(const struct output *output)
{
    return output->used - output->sent;
}

/* output_has_room - is there room for one more packet of any length? */
bool output_has_room(const struct output *output);

/* output_flush - write as much as the reader takes. */
void output_flush(struct output *output);

/* output_flush_some - the same of the first @most bytes that are pending. */
void output_flush_some(struct output *output, size_t most);

/* output_section - @comment: NULL: none */
void output_section(struct output *output, const char *comment);
void output_interface(struct output *output, const struct interface *interface, uint32_t snaplen);

/*
 * output_packet - add a packet, with the VLAN tag that the kernel stripped put back
 * @header: stands in place of its own; NULL: the packet as it comes
 * @data: where the bytes as they are written stand afterwards; may be NULL
 *
 * Call output_has_room() first. Return: bytes captured, the tag's included.
 */
uint32_t output_packet(struct output *output, const struct interface *interface,
                       const struct packet *packet, const struct link_header *header,
                       uint32_t snaplen, const uint8_t **data);

/* output_original - a packet's length on the wire, the stripped VLAN tag or the header included. */
uint32_t output_original(const struct interface *interface, const struct packet *packet,
                         const struct link_header *header);

/* output_undo - take the block added last back; @before is output->used of then. */
void output_undo(struct output *output, size_t before);

/* output_secrets - add lines of a TLS key log. Call output_has_room() first.
 * @length: bytes, at most AGENT_SNAPLEN_MAX */
void output_secrets(struct output *output, const char *lines, size_t length);

struct output_statistics {
    uint64_t started; /* nanoseconds since 1970 */
    uint64_t received;
    uint64_t dropped;
    bool last;           /* nothing follows them: with the end's time */
    const char *comment; /* NULL: none */
};

void output_statistics(struct output *output, const struct interface *interface,
                       const struct output_statistics *statistics);

#endif
