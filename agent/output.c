/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/output.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/interfaces.h"
#include "agent/link.h"
#include "agent/message.h"
#include "agent/source.h"
#include "common/pcapng.h"

#define PIPE_SIZE       (1 << 20)
#define STATISTICS_ROOM 256u /* bytes of a statistics block without its comment */

void output_open(struct output *output)
{
    struct stat st;

    output->fd = STDOUT_FILENO;
    output->old_flags = -1;
    if (fstat(STDOUT_FILENO, &st) < 0 || S_ISREG(st.st_mode))
        return;
    /* Larger than the default of 64 KiB: fewer wake-ups on both sides. No pipe: no harm. */
    fcntl(STDOUT_FILENO, F_SETPIPE_SZ, PIPE_SIZE);
    int flags = fcntl(STDOUT_FILENO, F_GETFL);
    if (flags >= 0 && !(flags & O_NONBLOCK) &&
        fcntl(STDOUT_FILENO, F_SETFL, flags | O_NONBLOCK) == 0)
        output->old_flags = flags;
}

void output_close(struct output *output)
{
    if (output->old_flags >= 0)
        fcntl(STDOUT_FILENO, F_SETFL, output->old_flags);
}

bool output_has_room(const struct output *output)
{
    return sizeof(output->buffer) - output->used >= AGENT_SNAPLEN_MAX + 512;
}

void output_flush(struct output *output)
{
    output_flush_some(output, output_pending(output));
}

void output_flush_some(struct output *output, size_t most)
{
    size_t end = output->sent + most;

    output->blocked = false;
    while (output->sent < end) {
        ssize_t written = write(output->fd, output->buffer + output->sent, end - output->sent);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            output->blocked = errno == EAGAIN;
            output->closed = !output->blocked;
            break;
        }
        output->sent += (size_t)written;
        output->written += (uint64_t)written;
    }
    /* Blocks are built at the end: bring what is left to the front when that is little to move, or
     * when a packet would not find room any more. */
    size_t left = output->used - output->sent;
    if (output->sent > 0 && (output->sent >= left || !output_has_room(output))) {
        memmove(output->buffer, output->buffer + output->sent, left);
        output->used = left;
        output->sent = 0;
    }
}

/* ---- blocks ---- */

/* A block under construction in the buffer. */
struct block {
    struct output *output;
    size_t start;
};

static void put(struct block *block, const void *bytes, size_t length)
{
    struct output *output = block->output;

    memcpy(output->buffer + output->used, bytes, length);
    output->used += length;
}

static void pad(struct block *block)
{
    static const uint8_t zeros[3];
    size_t length = block->output->used - block->start;

    put(block, zeros, PCAPNG_PAD4(length) - length);
}

static void put_option(struct block *block, uint16_t code, const void *value, size_t length)
{
    const struct pcapng_option head = {.code = code, .length = (uint16_t)length};

    put(block, &head, sizeof(head));
    put(block, value, length);
    pad(block);
}

static void put_text(struct block *block, uint16_t code, const char *text)
{
    put_option(block, code, text, strlen(text));
}

static void finish(struct block *block)
{
    static const struct pcapng_option end = {.code = PCAPNG_OPT_END};
    struct output *output = block->output;

    put(block, &end, sizeof(end));
    uint32_t length = (uint32_t)(output->used - block->start) + 4;
    put(block, &length, sizeof(length));
    memcpy(output->buffer + block->start + 4, &length, sizeof(length));
}

static struct block begin(struct output *output, const void *head, size_t length)
{
    struct block block = {.output = output, .start = output->used};

    put(&block, head, length);
    return block;
}

void output_section(struct output *output, const char *comment)
{
    const struct pcapng_shb shb = {.type = PCAPNG_SHB,
                                   .byte_order_magic = PCAPNG_BYTE_ORDER_MAGIC,
                                   .major = 1,
                                   .section_length_low = -1,
                                   .section_length_high = -1};
    struct block block = begin(output, &shb, sizeof(shb));
    struct utsname name;

    if (comment)
        put_text(&block, PCAPNG_OPT_COMMENT, comment);
    if (uname(&name) == 0) {
        put_text(&block, PCAPNG_SHB_HARDWARE, name.machine);
        char os[2 * sizeof(name.release)];

        strcpy(stpcpy(stpcpy(os, name.sysname), " "), name.release); /* of 65 bytes at most each */
        put_text(&block, PCAPNG_SHB_OS, os);
    }
    put_text(&block, PCAPNG_SHB_USERAPPL, AGENT_PROGRAM " " KSNIFF_VERSION);
    finish(&block);
}

void output_interface(struct output *output, const struct interface *interface, uint32_t snaplen)
{
    const struct pcapng_idb idb = {
        .type = PCAPNG_IDB, .linktype = interface->linktype, .snaplen = snaplen};
    const uint8_t resolution = 9; /* nanoseconds */
    struct block block = begin(output, &idb, sizeof(idb));

    put_text(&block, PCAPNG_IF_NAME, interface->name);
    if (interface->has_mac)
        put_option(&block, PCAPNG_IF_MACADDR, interface->mac, sizeof(interface->mac));
    if (interface->speed)
        put_option(&block, PCAPNG_IF_SPEED, &interface->speed, sizeof(interface->speed));
    put_option(&block, PCAPNG_IF_TSRESOL, &resolution, sizeof(resolution));
    if (*interface->driver)
        put_text(&block, PCAPNG_IF_HARDWARE, interface->driver);
    finish(&block);
}

static uint32_t reception_of(const struct packet *packet)
{
    switch (packet->metadata.pkttype) {
    case PACKET_OUTGOING:
        return PCAPNG_FLAG_OUTBOUND;
    case PACKET_HOST:
        return PCAPNG_FLAG_INBOUND | PCAPNG_FLAG_UNICAST;
    case PACKET_BROADCAST:
        return PCAPNG_FLAG_INBOUND | PCAPNG_FLAG_BROADCAST;
    case PACKET_MULTICAST:
        return PCAPNG_FLAG_INBOUND | PCAPNG_FLAG_MULTICAST;
    default:
        return PCAPNG_FLAG_INBOUND | PCAPNG_FLAG_PROMISCUOUS;
    }
}

/* With Linux 6.3; not in the headers of older ones. */
#ifndef TP_STATUS_GSO_TCP
#define TP_STATUS_GSO_TCP (1 << 8)
#endif

/* A bit of the kernel's in the place of another. */
#define MOVED(status, from, to) (((status) & (uint32_t)(from)) / (from) * (to))

/*
 * What the kernel tells of every packet anyway. A virtio header in front of each (PACKET_VNET_HDR)
 * would tell of segmentation on older kernels, too, but they drop packets of whose kind they cannot
 * make one: datagrams of UDP that are to be segmented, before Linux 6.2.
 */
static uint32_t flags_of(const struct packet *packet)
{
    return reception_of(packet) |
           MOVED(packet->status, TP_STATUS_CSUMNOTREADY, PCAPNG_FLAG_CSUM_UNSET) |
           MOVED(packet->status, TP_STATUS_CSUM_VALID, PCAPNG_FLAG_CSUM_VALID) |
           MOVED(packet->status, TP_STATUS_GSO_TCP, PCAPNG_FLAG_TCP_OFFLOAD);
}

/* Where the tag stood: behind the two MAC addresses. */
#define VLAN_OFFSET 12u
#define VLAN_LENGTH 4u

static void copy_tagged(uint8_t *out, const struct packet *packet, uint32_t captured)
{
    const uint8_t tag[VLAN_LENGTH] = {(uint8_t)(packet->vlan_tpid >> 8), (uint8_t)packet->vlan_tpid,
                                      (uint8_t)(packet->vlan_tci >> 8), (uint8_t)packet->vlan_tci};
    uint32_t left = captured - VLAN_OFFSET;
    uint32_t tag_bytes = left < VLAN_LENGTH ? left : VLAN_LENGTH;

    memcpy(out, packet->data, VLAN_OFFSET);
    memcpy(out + VLAN_OFFSET, tag, tag_bytes);
    memcpy(out + VLAN_OFFSET + tag_bytes, packet->data + VLAN_OFFSET, left - tag_bytes);
}

/* What stands behind a packet in its block. */
struct packet_tail {
    struct pcapng_option flags_head;
    uint32_t flags;
    struct pcapng_option end;
    uint32_t total_length;
};

/* A packet behind another header than its own; @captured bytes of both. */
static void copy_behind(uint8_t *out, const struct link_header *header, const struct packet *packet,
                        uint32_t captured)
{
    uint32_t length = header->length < captured ? header->length : captured;

    memcpy(out, header->bytes, length);
    memcpy(out + length, packet->data + header->replaces, captured - length);
    link_mend(packet, out + length, captured - length);
}

static bool is_tagged(const struct interface *interface, const struct packet *packet)
{
    return packet->has_vlan && interface->linktype == LINKTYPE_ETHERNET;
}

uint32_t output_original(const struct interface *interface, const struct packet *packet,
                         const struct link_header *header)
{
    if (header)
        return packet->original + header->length - header->replaces;
    return packet->original + (is_tagged(interface, packet) ? VLAN_LENGTH : 0);
}

uint32_t output_packet(struct output *output, const struct interface *interface,
                       const struct packet *packet, const struct link_header *header,
                       uint32_t snaplen, const uint8_t **data)
{
    bool tagged = !header && is_tagged(interface, packet) && packet->captured >= VLAN_OFFSET;
    uint32_t captured = packet->captured + (tagged   ? VLAN_LENGTH
                                            : header ? header->length - header->replaces
                                                     : 0);
    uint64_t time = packet->seconds * 1000000000ull + packet->nanoseconds;

    captured = captured < snaplen ? captured : snaplen;
    tagged = tagged && captured > VLAN_OFFSET;
    const struct pcapng_epb epb = {
        .type = PCAPNG_EPB,
        .interface_id = interface->id,
        .timestamp_high = (uint32_t)(time >> 32),
        .timestamp_low = (uint32_t)time,
        .captured_len = captured,
        .original_len = output_original(interface, packet, header),
    };
    /* The hot path: everything of known size is stored at once, only the packet is copied. */
    uint8_t *start = output->buffer + output->used, *at = start + sizeof(epb);
    memcpy(start, &epb, sizeof(epb));
    if (data)
        *data = at;
    if (header)
        copy_behind(at, header, packet, captured);
    else if (tagged)
        copy_tagged(at, packet, captured);
    else
        memcpy(at, packet->data, captured);
    at += captured;
    memset(at, 0, 3); /* the padding, as far as it is not written over */
    at = start + sizeof(epb) + PCAPNG_PAD4(captured);
    const struct packet_tail tail = {
        .flags_head = {.code = PCAPNG_EPB_FLAGS, .length = sizeof(tail.flags)},
        .flags = flags_of(packet),
        .end = {.code = PCAPNG_OPT_END},
        .total_length = (uint32_t)(at - start) + (uint32_t)sizeof(tail),
    };
    memcpy(at, &tail, sizeof(tail));
    memcpy(start + offsetof(struct pcapng_epb, total_length), &tail.total_length,
           sizeof(tail.total_length));
    output->used += tail.total_length;
    return captured;
}

void output_undo(struct output *output, size_t before)
{
    output->used = before;
}

void output_secrets(struct output *output, const char *lines, size_t length)
{
    const struct pcapng_dsb dsb = {.type = PCAPNG_DSB,
                                   .total_length =
                                       (uint32_t)(sizeof(dsb) + PCAPNG_PAD4(length) + 4),
                                   .secrets_type = PCAPNG_SECRETS_TLS,
                                   .secrets_length = (uint32_t)length};
    struct block block = begin(output, &dsb, sizeof(dsb));

    put(&block, lines, length);
    pad(&block);
    put(&block, &dsb.total_length, sizeof(dsb.total_length));
}

static void put_time(struct block *block, uint16_t code, uint64_t time)
{
    const uint32_t halves[2] = {(uint32_t)(time >> 32), (uint32_t)time};

    put_option(block, code, halves, sizeof(halves));
}

void output_statistics(struct output *output, const struct interface *interface,
                       const struct output_statistics *statistics)
{
    if (sizeof(output->buffer) - output->used <
        STATISTICS_ROOM + (statistics->comment ? strlen(statistics->comment) : 0))
        return; /* the next ones say it */
    uint64_t time = clock_real();
    const struct pcapng_isb isb = {.type = PCAPNG_ISB,
                                   .interface_id = interface->id,
                                   .timestamp_high = (uint32_t)(time >> 32),
                                   .timestamp_low = (uint32_t)time};
    struct block block = begin(output, &isb, sizeof(isb));
    put_time(&block, PCAPNG_ISB_STARTTIME, statistics->started);
    if (statistics->last)
        put_time(&block, PCAPNG_ISB_ENDTIME, time);
    put_option(&block, PCAPNG_ISB_IFRECV, &statistics->received, sizeof(statistics->received));
    put_option(&block, PCAPNG_ISB_IFDROP, &statistics->dropped, sizeof(statistics->dropped));
    if (statistics->comment)
        put_text(&block, PCAPNG_OPT_COMMENT, statistics->comment);
    finish(&block);
}
