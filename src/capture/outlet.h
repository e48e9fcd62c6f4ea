/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a recorder's blocks go: a sink, the section that is being written into it, and what it has
 * not taken yet. A recorder has one for all its targets, or one for each of them (-o '%p.pcapng').
 */
#ifndef KSNIFF_CAPTURE_OUTLET_H
#define KSNIFF_CAPTURE_OUTLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "capture/rotation.h"
#include "pcapng/writer.h"

struct error;
struct settings;
struct share;
struct sink;

/* Bytes: more is not taken from the agents until the sink took some. */
#define OUTLET_HIGH (512u << 10)

struct outlet {
    struct sink *sink;
    bool begun; /* the sink is open */
    struct buf out;
    struct capture_writer writer;
    struct buf ends; /* of packets that the sink may not have taken: one entry each */
    struct rotation rotation;
    uint64_t names;   /* the cursor of those that stand in this section */
    uint64_t secrets; /* the same of secrets */
    uint64_t latest;  /* time stamp of the last packet, nanoseconds since 1970 */
};

/* outlet_init - @sink: borrowed, like @settings for the call */
void outlet_init(struct outlet *outlet, struct sink *sink, const struct settings *settings);
void outlet_free(struct outlet *outlet);

/* outlet_begin - open the sink, and write the section's head. */
int outlet_begin(struct outlet *outlet, const struct capture_section *section, struct error *err);

/*
 * outlet_next - end this file, and begin the next one with a section of its own
 *
 * The file that is one too many is removed then. On failure this one ends where it is.
 */
int outlet_next(struct outlet *outlet, const struct capture_section *section, struct error *err);

/* outlet_flush - give the sink what it takes. On failure, what it has not taken is gone. */
int outlet_flush(struct outlet *outlet, struct error *err);

/* outlet_make_room - give it what is there, if that is much. Return: 1 when there is room for more
 * blocks; 0 when the sink takes no more now; -1 with the error. */
int outlet_make_room(struct outlet *outlet, struct error *err);

/* outlet_settle - as outlet_flush(), until its size is known. */
int outlet_settle(struct outlet *outlet, struct error *err);

/* outlet_size, outlet_file_size - bytes of all that it has been given, and of the file among them
 * that is open, at most; after outlet_settle() exactly. */
uint64_t outlet_size(const struct outlet *outlet);
uint64_t outlet_file_size(const struct outlet *outlet);

/* outlet_packet - write a packet of @share, its interface numbered as in this section. */
int outlet_packet(struct outlet *outlet, const struct capture_packet *packet,
                  const struct share *share, struct error *err);

/* outlet_unwritten - as recorder_unwritten(). */
uint64_t outlet_unwritten(const struct outlet *outlet, const struct share *share);

#endif
