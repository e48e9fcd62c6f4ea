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

#include "agent/message.h"
#include "agent/options.h"
#include "common/agent.h"

#define BLOCK_LARGE (1u << 20)
#define BLOCK_SMALL (256u << 10) /* for rings below 8 MiB: enough blocks to go round */
#define BATCH       16           /* messages of one recvmmsg() */
#define AD(offset)  ((uint32_t)(SKF_AD_OFF + (offset)))

/* ---- the kernel's filter ---- */

struct program {
    struct sock_filter insns[AGENT_BPF_INSNS_MAX];
    unsigned short length;
};

static void add(struct program *program, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
    program->insns[program->length++] = (struct sock_filter){code, jt, jf, k};
}

static void add_load(struct program *program, int ancillary)
{
    add(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, AD(ancillary));
}

static void add_interfaces(struct program *program, const uint32_t *ifindexes, size_t count)
{
    if (count == 0)
        return;
    add_load(program, SKF_AD_IFINDEX);
    for (size_t i = 0; i < count; i++)
        add(program, BPF_JMP | BPF_JEQ | BPF_K, (uint8_t)(count - i), 0, ifindexes[i]);
    add(program, BPF_RET | BPF_K, 0, 0, 0);
}

/* The loopback device shows a packet on its way out and on its way in: keep the latter. */
static void add_loopback_once(struct program *program)
{
    add_load(program, SKF_AD_HATYPE);
    add(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 3, ARPHRD_LOOPBACK);
    add_load(program, SKF_AD_PKTTYPE);
    add(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, PACKET_OUTGOING);
    add(program, BPF_RET | BPF_K, 0, 0, 0);
}

/* The agent's part of the program; what it lets pass goes on into the user's. */
static void build_prologue(struct program *program, const uint32_t *ifindexes, size_t count)
{
    program->length = 0;
    add_interfaces(program, ifindexes, count);
    add_loopback_once(program);
}

static void add_users_program(struct program *program, const struct options *options)
{
    if (options->program_length == 0) {
        add(program, BPF_RET | BPF_K, 0, 0, options->snaplen);
        return;
    }
    if (options->vlan) {
        /* The tag is not in the bytes: the agent puts it back and looks itself, at all of them. */
        add_load(program, SKF_AD_VLAN_TAG_PRESENT);
        add(program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0);
        add(program, BPF_RET | BPF_K, 0, 0, AGENT_SNAPLEN_MAX);
    }
    for (size_t i = 0; i < options->program_length; i++) {
        const struct agent_bpf_insn *insn = &options->program[i];
        bool keep_less = insn->code == (BPF_RET | BPF_K) && insn->k > options->snaplen;

        add(program, insn->code, insn->jt, insn->jf, keep_less ? options->snaplen : insn->k);
    }
}

static int attach(int fd, struct program *program)
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

/*
 * Puts the filter in place. A program that the kernel does not take (longer than
 * net.core.optmem_max allows) is left to the agent's own machine.
 */
static int attach_filter(struct source *source, const uint32_t *ifindexes, size_t count)
{
    static struct program program;

    build_prologue(&program, ifindexes, count);
    const unsigned short length = program.length;
    add_users_program(&program, source->options);
    if (attach(source->fd, &program) == 0) {
        source->filtered = true;
        return 0;
    }
    message_errno("the agent runs the filter itself, the kernel does not take it", NULL);
    source->filtered = false;
    program.length = length;
    add(&program, BPF_RET | BPF_K, 0, 0, AGENT_SNAPLEN_MAX);
    return attach(source->fd, &program);
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

/* Return: 0; -1 with errno ENOMEM when not even the smallest fits, or another when there is none.
 */
static int open_ring(struct source *source)
{
    uint32_t size = source->options->ring < AGENT_RING_MIN ? AGENT_RING_MIN : source->options->ring;
    int version = TPACKET_V3;

    if (setsockopt(source->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) < 0)
        return -1;
    for (; size >= AGENT_RING_MIN; size /= 2) {
        struct tpacket_req3 request = {.tp_block_size =
                                           size >= 8 * BLOCK_LARGE ? BLOCK_LARGE : BLOCK_SMALL,
                                       .tp_frame_size = 2048,
                                       .tp_retire_blk_tov = SOURCE_RETIRE_MS};

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
    source->next = (const void *)(source->ring + source->block * source->block_size +
                                  header->offset_to_first_pkt);
    return true;
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
        source->options->program_length > 0 && (!source->filtered || source->options->vlan)
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
        .metadata = {.hatype = address->sll_hatype,
                     .pkttype = address->sll_pkttype,
                     .ifindex = (uint32_t)address->sll_ifindex,
                     .protocol = ntohs(address->sll_protocol)},
    };
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

int source_start(struct source *source, const uint32_t *ifindexes, size_t count)
{
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    struct packet stray;

    if (bind(source->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        message_errno("cannot bind the packet socket", NULL);
        return AGENT_EXIT_INTERNAL;
    }
    while (source_next(source, &stray)) {
        /* From before the filter: not asked for. */
    }
    if (!source->can_filter)
        attach_return(source->fd, AGENT_SNAPLEN_MAX); /* if it was only not told that it has them */
    else if (attach_filter(source, ifindexes, count) < 0)
        return AGENT_EXIT_BAD_FILTER;
    source_update_statistics(source);
    source->dropped = 0;
    return AGENT_EXIT_OK;
}

bool source_judged(const struct source *source, const struct packet *packet)
{
    return source->options->program_length > 0 &&
           (!source->filtered || (source->options->vlan && packet->has_vlan));
}

bool source_next(struct source *source, struct packet *ret_packet)
{
    return source->ring ? next_of_ring(source, ret_packet) : next_of_batch(source, ret_packet);
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

    if (getsockopt(source->fd, SOL_PACKET, PACKET_STATISTICS, &statistics, &length) == 0)
        source->dropped += statistics.tp_drops; /* reading sets them to 0 */
}
