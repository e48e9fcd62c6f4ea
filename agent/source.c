/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/source.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <net/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "agent/clock.h"
#include "agent/link.h"
#include "agent/message.h"
#include "agent/options.h"
#include "common/agent.h"
#include "common/pcapng.h"

/* The kernel hands a block over after a while however little is in it: who does not get a
 * processor for a while needs many. */
#define BLOCK_LARGE (1u << 20)
#define BLOCK_SMALL (256u << 10)
#define BLOCKS_MANY 128
#define BLOCKS_FEW  32 /* of options.patient, whose blocks wait for longer */
#define BATCH       16 /* messages of one recvmmsg() */

/* ---- the kernel's filter ---- */

static int attach(int fd, struct kernel_filter *program)
{
    const struct sock_fprog fprog = {.len = program->length, .filter = program->insns};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &fprog, sizeof(fprog));
}

/* @kept: bytes of every packet; 0: reject them */
static int attach_return(int fd, uint32_t kept)
{
    struct sock_filter insn = {BPF_RET | BPF_K, 0, 0, kept};
    const struct sock_fprog fprog = {.len = 1, .filter = &insn};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &fprog, sizeof(fprog));
}

/* gVisor takes filters and does nothing with them: ask back how many instructions there are. */
static bool has_filter(int fd, socklen_t instructions)
{
    socklen_t length = 0;

    return getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &length) == 0 && length == instructions;
}

static struct kernel_filter filter; /* too large for a stack */

/*
 * Puts the filter in place. A program that the kernel does not take (longer than
 * net.core.optmem_max allows) is left to the agent's own machine.
 */
static int attach_filter(struct source *source)
{
    kernel_filter_build(&filter, &source->rules, true);
    if (attach(source->fd, &filter) == 0) {
        source->filtered = true;
        return 0;
    }
    message_errno("the agent runs the filter itself, the kernel does not take it", NULL);
    source->filtered = false;
    kernel_filter_build(&filter, &source->rules, false);
    return attach(source->fd, &filter);
}

/* ---- the ring ---- */

/* Return: whether it is mapped; otherwise the socket has no ring any more, errno says why. */
static bool map_ring(struct source *source, const struct tpacket_req3 *request)
{
    const struct tpacket_req3 none = {0};
    size_t length = (size_t)request->tp_block_size * request->tp_block_nr;
    void *ring = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, source->fd, 0);

    if (ring == MAP_FAILED) {
        int reason = errno;

        setsockopt(source->fd, SOL_PACKET, PACKET_RX_RING, &none, sizeof(none));
        errno = reason;
        return false;
    }
    source->ring = ring;
    source->block_size = request->tp_block_size;
    source->block_count = request->tp_block_nr;
    return true;
}

/* The size of a ring from which on its blocks are large. */
static uint32_t least_for_large(const struct options *options)
{
    return (options->patient ? BLOCKS_FEW : BLOCKS_MANY) * BLOCK_LARGE;
}

/* Return: 0; -1 with errno ENOMEM when not even the smallest fits, or another when there is none.
 */
static int open_ring(struct source *source)
{
    uint32_t size = source->options->ring < AGENT_RING_MIN ? AGENT_RING_MIN : source->options->ring;
    int version = TPACKET_V3;

    if (setsockopt(source->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) < 0)
        return -1;
    for (; size >= AGENT_RING_MIN; size /= 2) {
        struct tpacket_req3 request = {
            .tp_block_size = size >= least_for_large(source->options) ? BLOCK_LARGE : BLOCK_SMALL,
            .tp_frame_size = 2048,
            .tp_retire_blk_tov = source->options->patient ? SOURCE_PATIENT_MS : SOURCE_RETIRE_MS};

        request.tp_block_nr = size / request.tp_block_size;
        request.tp_frame_nr = request.tp_block_size / request.tp_frame_size * request.tp_block_nr;
        if (setsockopt(source->fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) == 0 &&
            map_ring(source, &request))
            return 0;
        if (errno != ENOMEM)
            return -1;
    }
    errno = ENOMEM;
    return -1;
}

static struct tpacket_hdr_v1 *block_header(const struct source *source)
{
    struct tpacket_block_desc *block = (void *)(source->ring + source->block * source->block_size);

    return &block->hdr.bh1;
}

static void give_block_back(struct source *source)
{
    __atomic_store_n(&block_header(source)->block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    source->block = (source->block + 1) % source->block_count;
    source->next = NULL;
}

/* Return: false when the kernel still has the block. */
static bool take_block(struct source *source)
{
    struct tpacket_hdr_v1 *header = block_header(source);

    if (!(__atomic_load_n(&header->block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
        return false;
    source->block_left = header->num_pkts;
    source->taken += header->num_pkts;
    source->next = (const void *)(source->ring + source->block * source->block_size +
                                  header->offset_to_first_pkt);
    return true;
}

/* Of what the kernel says, only what is there: a packet may end before its network header. */
static void settle(struct packet *packet)
{
    if (packet->network > packet->captured)
        packet->network = packet->captured;
}

static bool next_of_ring(struct source *source, struct packet *packet)
{
    /* The packet given last has been dealt with: only now may the kernel have its block. */
    if (source->next && source->block_left == 0)
        give_block_back(source);
    while (!source->next || source->block_left == 0) {
        if (source->next)
            give_block_back(source);
        if (!take_block(source))
            return false;
    }
    const struct tpacket3_hdr *header = source->next;
    const struct sockaddr_ll *address =
        (const void *)((const uint8_t *)header + TPACKET_ALIGN(sizeof(*header)));

    *packet = (struct packet){
        .data = (const uint8_t *)header + header->tp_mac,
        .captured = header->tp_snaplen,
        .original = header->tp_len,
        .network = (uint32_t)header->tp_net - header->tp_mac,
        .address = address,
        .status = header->tp_status,
        .seconds = header->tp_sec,
        .nanoseconds = header->tp_nsec,
        .metadata = {.hatype = address->sll_hatype,
                     .pkttype = address->sll_pkttype,
                     .ifindex = (uint32_t)address->sll_ifindex,
                     .protocol = ntohs(address->sll_protocol)},
        .has_vlan = (header->tp_status & TP_STATUS_VLAN_VALID) != 0,
        .vlan_tci = (uint16_t)header->hv1.tp_vlan_tci,
        .vlan_tpid =
            header->tp_status & TP_STATUS_VLAN_TPID_VALID ? header->hv1.tp_vlan_tpid : ETH_P_8021Q,
    };
    settle(packet);
    source->block_left--;
    if (source->block_left > 0)
        source->next = (const void *)((const uint8_t *)header + header->tp_next_offset);
    return true;
}

/* ---- recvmmsg() ---- */

static struct {
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    struct sockaddr_ll addresses[BATCH];
    uint8_t control[BATCH][256];
    uint8_t data[BATCH][AGENT_SNAPLEN_MAX];
} batch;

static int open_batch(struct source *source)
{
    int size = (int)source->options->ring, on = 1;

    if (setsockopt(source->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
        setsockopt(source->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    setsockopt(source->fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on));
    setsockopt(source->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
    return 0;
}

static bool fill_batch(struct source *source)
{
    source->batch_room =
        source->options->program_length > 0 || source->options->own || source->options->whole
            ? AGENT_SNAPLEN_MAX
            : source->options->snaplen;
    for (size_t i = 0; i < BATCH; i++) {
        batch.vectors[i] = (struct iovec){.iov_base = batch.data[i], .iov_len = source->batch_room};
        batch.messages[i].msg_hdr = (struct msghdr){.msg_name = &batch.addresses[i],
                                                    .msg_namelen = sizeof(batch.addresses[i]),
                                                    .msg_iov = &batch.vectors[i],
                                                    .msg_iovlen = 1,
                                                    .msg_control = batch.control[i],
                                                    .msg_controllen = sizeof(batch.control[i])};
    }
    int got = recvmmsg(source->fd, batch.messages, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
    source->batch_count = got > 0 ? (unsigned)got : 0;
    source->taken += source->batch_count;
    source->batch_next = 0;
    return got > 0;
}

/* The time and the stripped tag stand in control messages. */
static void read_control(struct msghdr *header, struct packet *packet)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA) {
            struct tpacket_auxdata aux;

            memcpy(&aux, CMSG_DATA(c), sizeof(aux));
            packet->original = aux.tp_len;
            packet->network = aux.tp_net;
            packet->status = aux.tp_status;
            packet->has_vlan = (aux.tp_status & TP_STATUS_VLAN_VALID) != 0;
            packet->vlan_tci = aux.tp_vlan_tci;
            if (aux.tp_status & TP_STATUS_VLAN_TPID_VALID)
                packet->vlan_tpid = aux.tp_vlan_tpid;
        } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec time;

            memcpy(&time, CMSG_DATA(c), sizeof(time));
            packet->seconds = (uint32_t)time.tv_sec;
            packet->nanoseconds = (uint32_t)time.tv_nsec;
        }
    }
}

static bool next_of_batch(struct source *source, struct packet *packet)
{
    if (source->batch_next == source->batch_count && !fill_batch(source))
        return false;
    unsigned i = source->batch_next++;
    const struct sockaddr_ll *address = &batch.addresses[i];
    uint32_t length = batch.messages[i].msg_len;

    *packet = (struct packet){
        .data = batch.data[i],
        .captured = length < source->batch_room ? length : source->batch_room,
        .original = length,
        .vlan_tpid = ETH_P_8021Q,
        .address = address,
        .metadata = {.hatype = address->sll_hatype,
                     .pkttype = address->sll_pkttype,
                     .ifindex = (uint32_t)address->sll_ifindex,
                     .protocol = ntohs(address->sll_protocol)},
    };
    /* For kernels that do not say. */
    packet->network = link_type(address->sll_hatype) == LINKTYPE_ETHERNET ? ETH_HLEN : 0;
    read_control(&batch.messages[i].msg_hdr, packet);
    if (packet->seconds == 0) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        packet->seconds = (uint32_t)now.tv_sec;
        packet->nanoseconds = (uint32_t)now.tv_nsec;
    }
    /* What a filter let pass of a longer packet is all that was copied. */
    if (packet->original < packet->captured)
        packet->original = packet->captured;
    settle(packet);
    return true;
}

/* ---- the public side ---- */

static int open_failed(void)
{
    int reason = errno;

    message_errno("cannot open a packet socket", NULL);
    if (reason == EPERM || reason == EACCES)
        return AGENT_EXIT_NO_PERMISSION;
    if (reason == EAFNOSUPPORT || reason == EPROTONOSUPPORT || reason == ESOCKTNOSUPPORT)
        return AGENT_EXIT_NO_PACKET_SOCKET;
    return AGENT_EXIT_INTERNAL;
}

int source_open(struct source *source, const struct options *options)
{
    *source = (struct source){.options = options};
    /* Protocol 0: nothing is received before bind(). */
    source->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (source->fd < 0)
        return open_failed();
    source->can_filter = attach_return(source->fd, 0) == 0 && has_filter(source->fd, 1);
    if (!options->no_ring) {
        if (open_ring(source) == 0)
            return AGENT_EXIT_OK;
        if (errno == ENOMEM) {
            message("no memory for the smallest ring", NULL, NULL);
            return AGENT_EXIT_NO_MEMORY;
        }
    }
    open_batch(source);
    return AGENT_EXIT_OK;
}

int source_start(struct source *source, const struct kernel_filter_rules *rules)
{
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    struct packet stray;

    source->rules = *rules;
    if (bind(source->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        message_errno("cannot bind the packet socket", NULL);
        return AGENT_EXIT_INTERNAL;
    }
    while (source_next(source, &stray)) {
        /* From before the filter: not asked for. */
    }
    source_update_statistics(source);
    source->accepted = source->taken = source->dropped = 0;
    if (!source->can_filter)
        attach_return(source->fd, AGENT_SNAPLEN_MAX); /* if it was only not told that it has them */
    else if (attach_filter(source) < 0)
        return AGENT_EXIT_BAD_FILTER;
    return AGENT_EXIT_OK;
}

bool source_refilter(struct source *source)
{
    if (!source->can_filter)
        return true; /* the agent does all of it */
    kernel_filter_build(&filter, &source->rules, source->filtered);
    return attach(source->fd, &filter) == 0;
}

bool source_reprogram(struct source *source)
{
    return !source->can_filter || attach_filter(source) == 0;
}

bool source_fits(bool ethernet_only, unsigned hatype)
{
    return ethernet_only ? link_type(hatype) == LINKTYPE_ETHERNET : link_is_plain(hatype);
}

bool source_judged(const struct source *source, const struct packet *packet)
{
    const struct options *options = source->options;

    if (options->program_length == 0)
        return false;
    if (!source->filtered || (options->vlan && packet->has_vlan))
        return true;
    /* The kernel may have let it pass unseen, for the agent to look for its mark: then it is whole.
     */
    if (options->own && packet->metadata.hatype == ARPHRD_LOOPBACK)
        return packet->captured == packet->original;
    return !source_fits(options->ethernet_only, packet->metadata.hatype);
}

static void put_wrong(struct packet *packet, int64_t error)
{
    uint64_t time = packet->seconds * 1000000000ull + packet->nanoseconds + (uint64_t)error;

    packet->seconds = (uint32_t)(time / 1000000000u);
    packet->nanoseconds = (uint32_t)(time % 1000000000u);
}

bool source_next(struct source *source, struct packet *ret_packet)
{
    bool there =
        source->ring ? next_of_ring(source, ret_packet) : next_of_batch(source, ret_packet);

    if (there && clock_error() != 0)
        put_wrong(ret_packet, clock_error());
    return there;
}

bool source_is_crowded(const struct source *source)
{
    size_t half =
        (source->block + source->block_count / 2) % (source->ring ? source->block_count : 1);
    const struct tpacket_block_desc *block =
        (const void *)(source->ring + half * source->block_size);

    return !source->ring ||
           (__atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER);
}

void source_stop(struct source *source)
{
    attach_return(source->fd, 0);
}

void source_update_statistics(struct source *source)
{
    /* Longer than the kernel's for TPACKET_V3, shorter ones leave the rest as it is. */
    struct tpacket_stats_v3 statistics = {0};
    socklen_t length = sizeof(statistics);

    /* Reading sets them to 0; tp_packets counts what was dropped, too. */
    if (getsockopt(source->fd, SOL_PACKET, PACKET_STATISTICS, &statistics, &length) < 0)
        return;
    source->dropped += statistics.tp_drops;
    source->accepted += statistics.tp_packets - statistics.tp_drops;
}

uint64_t source_left(const struct source *source)
{
    unsigned at_hand = source->ring ? source->block_left : source->batch_count - source->batch_next;

    /* gVisor counts nothing. */
    return at_hand + (source->accepted > source->taken ? source->accepted - source->taken : 0);
}
