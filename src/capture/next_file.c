/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/next_file.h"

#include "base/cleanup.h"
#include "base/loop.h"
#include "capture/outlet.h"
#include "capture/recorder.h"
#include "capture/rotation.h"
#include "capture/secrets.h"
#include "sink/sink.h"

/* Bytes kept free in a file for the last statistics of each interface. */
#define STATISTICS_ROOM 96

/* More blocks follow than there may be room for; a file takes them all. */
static int keep_room(struct outlet *outlet, struct error *err)
{
    return outlet->out.length < OUTLET_HIGH ? 0 : outlet_flush(outlet, err);
}

/* What stands in this file of one interface. */
static int end_interface(struct recorder_interface *row, struct error *err)
{
    struct outlet *outlet = row->share->outlet;
    const uint64_t received = row->recorded + row->dropped;
    const struct capture_statistics statistics = {.interface = row->number,
                                                  .timestamp = outlet->latest,
                                                  .received = received - row->received_before,
                                                  .dropped = row->dropped - row->dropped_before};

    row->received_before = received;
    row->dropped_before = row->dropped;
    row->number = RECORDER_NO_NUMBER;
    row->untold = true;
    if (outlet->writer.format->statistics(&outlet->writer, &statistics, err) < 0)
        return -1;
    return keep_room(outlet, err);
}

/* @all: also of which the file has statistics already */
static int end_file(struct recorder *recorder, const struct outlet *outlet, bool all,
                    struct error *err)
{
    for (size_t i = 0; i < recorder->interface_count; i++) {
        struct recorder_interface *row = &recorder->interfaces[i];

        if (row->share->outlet == outlet && row->number != RECORDER_NO_NUMBER &&
            (all || row->untold) && end_interface(row, err) < 0)
            return -1;
    }
    return 0;
}

static int begin_file(struct recorder *recorder, struct outlet *outlet, struct error *err)
{
    for (size_t i = 0; i < recorder->interface_count; i++) {
        struct recorder_interface *row = &recorder->interfaces[i];

        if (row->share->outlet == outlet && !row->ended &&
            (recorder_write_interface(row, err) < 0 || keep_room(outlet, err) < 0))
            return -1;
    }
    return 0;
}

static int begin_next(struct recorder *recorder, struct share *share, struct error *err)
{
    cleanup_free char *comment = recorder->describe(recorder->data, recorder->apart ? share : NULL);
    const struct capture_section section = {.comment = comment,
                                            .application = "kubectl-sniff " KSNIFF_VERSION};

    if (end_file(recorder, share->outlet, true, err) < 0 ||
        outlet_next(share->outlet, &section, err) < 0 ||
        recorder_write_names(recorder, share->outlet, err) < 0)
        return -1;
    return begin_file(recorder, share->outlet, err);
}

/* Return: the bytes of the file, at most, if it ends with this packet. */
static uint64_t size_with(const struct recorder *recorder, const struct share *share,
                          const struct capture_packet *packet)
{
    const struct outlet *outlet = share->outlet;

    return outlet_file_size(outlet) + recorder_room(packet) + secrets_room(recorder, share) +
           (uint64_t)outlet->writer.interface_count * STATISTICS_ROOM;
}

int next_file_make_way(struct recorder *recorder, struct share *share,
                       const struct capture_packet *packet, struct error *err)
{
    struct outlet *outlet = share->outlet;
    const struct rotation *rotation = &outlet->rotation;

    if (!rotation_is_wanted(rotation))
        return 0;
    if (rotation_is_late(rotation, loop_now()))
        return begin_next(recorder, share, err);
    if (!rotation_is_full(rotation, size_with(recorder, share, packet)))
        return 0;
    /* What is to be compressed may become less. */
    if (outlet->sink->compression && outlet_settle(outlet, err) < 0)
        return -1;
    return rotation_is_full(rotation, size_with(recorder, share, packet))
               ? begin_next(recorder, share, err)
               : 0;
}

int next_file_last(struct recorder *recorder, struct outlet *outlet, struct error *err)
{
    return end_file(recorder, outlet, false, err) < 0 ? -1 : outlet_flush(outlet, err);
}
