/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/track.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

#define MAP_MAX (TRACK_DEVICES_MAX * sizeof(uint32_t)) /* bytes */

/* One interface of the section, and what agents say of it. */
struct track_device {
    uint32_t index;    /* in the section */
    uint32_t agent;    /* the last that has named it */
    uint64_t given;    /* packets */
    uint64_t received; /* by this agent, as its statistics say, */
    uint64_t dropped;
    uint64_t received_before; /* and by those before it */
    uint64_t dropped_before;
};

#define NOWHERE UINT32_MAX /* the device of an interface of which nothing is written */

void track_init(struct track *track)
{
    buf_init(&track->devices, TRACK_DEVICES_MAX * sizeof(struct track_device));
    buf_init(&track->map, MAP_MAX);
    buf_init(&track->held_bytes, CAPTURE_PACKET_MAX);
}

void track_free(struct track *track)
{
    buf_free(&track->devices);
    buf_free(&track->map);
    buf_free(&track->held_bytes);
}

/* ---- devices ---- */

static size_t device_count(const struct track *track)
{
    return track->devices.length / sizeof(struct track_device);
}

/* The bytes are the buffer's, which begins where malloc() has put it. */
static struct track_device *device_at(const struct track *track, size_t number)
{
    return (struct track_device *)(void *)(track->devices.data + track->devices.start) + number;
}

/* @name: the interface's in the section */
static bool is_same(const struct track *track, const struct track_device *device,
                    const struct capture_interface *interface, const char *name)
{
    const struct recorder_interface *known = &track->recorder->interfaces[device->index];

    return device->agent != track->agent && known->linktype == interface->linktype &&
           known->snaplen == interface->snaplen && known->has_mac == interface->has_mac &&
           memcmp(known->mac, interface->mac, sizeof(known->mac)) == 0 &&
           strcmp(known->name, name) == 0;
}

/* Return: the device's number; NOWHERE: nothing is written any more. */
static uint32_t add_device(struct track *track, const struct capture_interface *interface)
{
    struct track_device device = {.agent = track->agent};

    /* An agent that has no end of them shall not make the file grow without end. */
    if (track->devices.length + sizeof(device) > track->devices.maximum)
        return NOWHERE;
    int64_t index = recorder_interface(track->recorder, &track->share, interface);
    device.index = (uint32_t)index;
    if (index < 0 || !buf_append(&track->devices, &device, sizeof(device)))
        return NOWHERE;
    return (uint32_t)device_count(track) - 1;
}

/* One of an agent before this one counts on. */
static void take_over(struct track *track, struct track_device *device)
{
    bool again = track->segments && device->agent >= track->same;

    device->agent = track->agent;
    track->recorder->interfaces[device->index].ended = false;
    if (again)
        return;
    device->received_before += device->received;
    device->dropped_before += device->dropped;
    device->received = device->dropped = 0;
}

static uint32_t find_device(struct track *track, const struct capture_interface *interface)
{
    size_t count = track->agent > 0 ? device_count(track) : 0;
    char name[CAPTURE_NAME_MAX];

    recorder_name(&track->share, interface->name, name, sizeof(name));
    for (size_t i = 0; i < count; i++) {
        size_t at = (track->next + i) % count;

        if (is_same(track, device_at(track, at), interface, name)) {
            take_over(track, device_at(track, at));
            track->next = (uint32_t)at + 1;
            return (uint32_t)at;
        }
    }
    return add_device(track, interface);
}

/* Return: that of an interface of the present agent; NULL: nothing of it is written. */
static struct track_device *device_of(const struct track *track, uint32_t interface)
{
    uint32_t number = NOWHERE;

    if (interface < track->map.length / sizeof(number))
        memcpy(&number, buf_bytes(&track->map) + interface * sizeof(number), sizeof(number));
    return number == NOWHERE ? NULL : device_at(track, number);
}

/* ---- items ---- */

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Holds this packet back, instead of the one before. Return: false when that cannot be taken. */
static bool hold(struct track *track, const struct capture_packet *packet)
{
    struct capture_item item; /* not made zero: it is large, and this is done for each packet */

    item.packet = track->held;
    if (track->holds && !track->give(track->data, CAPTURE_PACKET, &item))
        return false;
    track->held = *packet;
    track->held_comment[0] = '\0';
    if (packet->comment)
        snprintf(track->held_comment, sizeof(track->held_comment), "%s", packet->comment);
    buf_take(&track->held_bytes, track->held_bytes.length);
    track->holds = buf_append(&track->held_bytes, packet->data, packet->captured_length);
    track->held.data = buf_bytes(&track->held_bytes);
    track->held.comment = packet->comment ? track->held_comment : NULL;
    track->share.discarded += !track->holds; /* no memory */
    return true;
}

static bool take_packet(struct track *track, const struct capture_packet *packet)
{
    struct track_device *device = device_of(track, packet->interface);
    struct capture_item placed; /* as in hold() */
    char both[CAPTURE_COMMENT_MAX];

    if (!device || track->recorder->discarding) {
        track->share.discarded++;
        return true;
    }
    placed.packet = *packet;
    placed.packet.interface = device->index;
    if (track->gap[0] && packet->comment)
        snprintf(both, sizeof(both), "%s\n%s", track->gap, packet->comment);
    if (track->gap[0])
        placed.packet.comment = packet->comment ? both : track->gap;
    if (!(track->holding ? hold(track, &placed.packet)
                         : track->give(track->data, CAPTURE_PACKET, &placed)))
        return false;
    device->given++;
    track->latest = later(track->latest, packet->timestamp);
    track->gap[0] = '\0';
    return true;
}

static bool take_statistics(struct track *track, const struct capture_statistics *statistics)
{
    struct track_device *device = device_of(track, statistics->interface);
    struct capture_item placed = {.statistics = *statistics};

    if (!device)
        return true;
    device->received = statistics->received;
    device->dropped = statistics->dropped;
    placed.statistics.interface = device->index;
    placed.statistics.received += device->received_before;
    /* What was recorded is not all fetched: some may be left out. */
    if (track->segments)
        placed.statistics.received = RECORDER_AS_RECORDED;
    placed.statistics.dropped += device->dropped_before;
    return track->give(track->data, CAPTURE_STATISTICS, &placed);
}

static bool take_interface(struct track *track, const struct capture_interface *interface)
{
    uint32_t number;

    /* An agent may name many more, and each would be looked for among all devices. */
    if (track->map.length == MAP_MAX)
        return true;
    if (!recorder_make_room(track->recorder, &track->share))
        return false;
    number = find_device(track, interface);
    buf_append(&track->map, &number, sizeof(number));
    return true;
}

bool track_item(struct track *track, enum capture_item_kind kind, const struct capture_item *item)
{
    if (kind == CAPTURE_PACKET)
        return take_packet(track, &item->packet);
    if (kind == CAPTURE_STATISTICS)
        return take_statistics(track, &item->statistics);
    return kind != CAPTURE_INTERFACE || take_interface(track, &item->interface);
}

/* None of its interfaces is there any more, until an agent that follows names it. */
static void end_interfaces(struct track *track)
{
    for (size_t i = 0; i < device_count(track); i++)
        track->recorder->interfaces[device_at(track, i)->index].ended = true;
}

void track_follow(struct track *track)
{
    end_interfaces(track);
    track->agent++;
    buf_take(&track->map, track->map.length);
}

void track_segment(struct track *track, bool repeated)
{
    track->segments = true;
    track_follow(track);
    if (!repeated)
        track->same = track->agent;
}

void track_gap(struct track *track, uint64_t milliseconds, const char *why)
{
    /* A gap that nothing has followed yet grows. */
    snprintf(track->gap, sizeof(track->gap),
             "kubectl-sniff: up to %" PRIu64 ".%" PRIu64
             " s of packets before this one are missing: %s",
             milliseconds / 1000, milliseconds % 1000 / 100, why);
}

/* ---- the end ---- */

void track_hold(struct track *track)
{
    track->holding = true;
}

/* Of the last agent's devices the one of which drops are said: the agent's own choice, else one
 * with packets. */
static struct track_device *device_for_drops(const struct track *track)
{
    struct track_device *best = NULL;

    for (size_t i = 0; i < device_count(track); i++) {
        struct track_device *device = device_at(track, i);

        if (device->agent != track->agent)
            continue;
        if (device->dropped > 0)
            return device;
        if (!best || (device->given > 0 && best->given == 0))
            best = device;
    }
    return best;
}

/* What the agent says in all that it dropped, less what other devices of it have said already. */
static uint64_t drops_of(const struct track *track, const struct track_device *chosen,
                         uint64_t dropped)
{
    for (size_t i = 0; i < device_count(track); i++) {
        const struct track_device *device = device_at(track, i);

        if (device != chosen && device->agent == track->agent)
            dropped -= device->dropped < dropped ? device->dropped : dropped;
    }
    return dropped > chosen->dropped ? dropped : chosen->dropped;
}

/* The last agent's statistics, in the place of those that did not come. Return: false when they
 * cannot be taken now; all of them can be given again. */
static bool give_end(struct track *track, const struct track_end *end)
{
    struct track_device *for_drops = device_for_drops(track);

    for (size_t i = 0; i < device_count(track); i++) {
        const struct track_device *device = device_at(track, i);
        struct capture_item item = {
            .statistics = {.interface = device->index,
                           .timestamp = later(end->timestamp, track->latest),
                           .received = RECORDER_AS_RECORDED,
                           .dropped = device->dropped_before + device->dropped}};

        if (device->agent != track->agent || (device != for_drops && device->given == 0))
            continue;
        if (device == for_drops) {
            item.statistics.dropped =
                device->dropped_before + drops_of(track, device, end->dropped) + end->lost;
            snprintf(item.statistics.comment, sizeof(item.statistics.comment), "%s",
                     end->comment ? end->comment : "");
        }
        if (!track->give(track->data, CAPTURE_STATISTICS, &item))
            return false;
    }
    track->share.lost = end->lost;
    return true;
}

bool track_close(struct track *track, const struct track_end *end)
{
    struct capture_item item = {.packet = track->held};
    char both[CAPTURE_COMMENT_MAX];

    item.packet.last = true;
    if (end && end->comment) {
        snprintf(both, sizeof(both), "%s%s%s", item.packet.comment ? item.packet.comment : "",
                 item.packet.comment ? "\n" : "", end->comment);
        item.packet.comment = both;
    }
    if (track->holds && !track->give(track->data, CAPTURE_PACKET, &item))
        return false;
    track->holds = false;
    if (end && !give_end(track, end))
        return false;
    track->holding = false;
    end_interfaces(track);
    return true;
}
