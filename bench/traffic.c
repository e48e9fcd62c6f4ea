/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ends of a benchmark of capture programs.
 *
 *   traffic send IFACE SIZE SECONDS RATE   sends UDP frames of SIZE bytes, RATE a second (0: as
 * many as go), prints how many the device has taken traffic count                          counts
 * the packets of the pcap or pcapng on standard input, in the byte order of this machine
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH       64
#define FRAME_MAX   1514u
#define FRAME_MIN   42u /* Ethernet, IPv4, UDP */
#define SPIN_NS     100000ull
#define PCAP_MAGIC  0xa1b2c3d4u /* microseconds; 0xa1b23c4d: nanoseconds */
#define PCAP_NANO   0xa1b23c4du
#define PCAPNG_SHB  0x0a0d0d0au
#define PCAPNG_EPB  6u
#define PCAP_HEADER 24u
#define PCAP_RECORD 16u

static void die(const char *what)
{
    fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* ---- send ---- */

static void make_frame(uint8_t *frame, unsigned size)
{
    static const uint8_t head[FRAME_MIN] = {
        2,    0, 0, 0, 0,  2, 2, 0, 0,  0,  0, 1, 8, 0,      /* Ethernet */
        0x45, 0, 0, 0, 0,  0, 0, 0, 64, 17, 0, 0,            /* IPv4; no checksum: no matter */
        10,   9, 0, 1, 10, 9, 0, 2, 0,  9,  0, 9, 0, 0, 0, 0 /* addresses; UDP, discard */
    };
    uint16_t ip_length = htons((uint16_t)(size - ETH_HLEN));
    uint16_t udp_length = htons((uint16_t)(size - ETH_HLEN - 20));

    for (unsigned i = FRAME_MIN; i < size; i++)
        frame[i] = (uint8_t)i;
    memcpy(frame, head, sizeof(head));
    memcpy(frame + 16, &ip_length, 2);
    memcpy(frame + 38, &udp_length, 2);
}

static int open_device(const char *name)
{
    struct sockaddr_ll address = {.sll_family = AF_PACKET};
    int on = 1, fd = socket(AF_PACKET, SOCK_RAW, 0);

    if (fd < 0)
        die("socket");
    address.sll_ifindex = (int)if_nametoindex(name);
    if (address.sll_ifindex == 0)
        die(name);
    if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)) < 0)
        die("PACKET_QDISC_BYPASS");
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        die("bind");
    return fd;
}

/* How many frames are due. Sleeps when it is none. */
static uint64_t wait_until_due(uint64_t begin, uint64_t rate, uint64_t sent)
{
    uint64_t due;

    while ((due = (now_ns() - begin) * rate / 1000000000ull) <= sent) {
        const struct timespec pause = {.tv_nsec = SPIN_NS};

        nanosleep(&pause, NULL);
    }
    return due - sent;
}

static int send_frames(const char *name, unsigned size, double seconds, uint64_t rate)
{
    static uint8_t frame[FRAME_MAX];
    struct iovec vector = {.iov_base = frame, .iov_len = size};
    struct mmsghdr messages[BATCH] = {0};
    uint64_t sent = 0;

    if (size < FRAME_MIN || size > FRAME_MAX) {
        fprintf(stderr, "traffic: a size from %u to %u\n", FRAME_MIN, FRAME_MAX);
        return 2;
    }
    make_frame(frame, size);
    for (unsigned i = 0; i < BATCH; i++)
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &vector, .msg_iovlen = 1};
    int fd = open_device(name);
    uint64_t begin = now_ns(), end = begin + (uint64_t)(seconds * 1e9);
    while (now_ns() < end) {
        uint64_t due = rate ? wait_until_due(begin, rate, sent) : BATCH;
        int done = sendmmsg(fd, messages, due < BATCH ? (unsigned)due : BATCH, 0);

        if (done > 0)
            sent += (uint64_t)done;
        else if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
            die("sendmmsg");
    }
    printf("%llu\n", (unsigned long long)sent);
    return 0;
}

/* ---- count ---- */

struct counter {
    uint8_t buffer[1 << 20];
    size_t used;
    size_t skip; /* bytes of a packet that are still to come */
    int pcapng;  /* -1: not known yet */
    uint64_t packets;
};

static uint32_t word_at(const struct counter *counter, size_t at)
{
    uint32_t word;

    memcpy(&word, counter->buffer + at, sizeof(word));
    return word;
}

static void find_format(struct counter *counter)
{
    uint32_t magic = word_at(counter, 0);

    if (magic != PCAPNG_SHB && magic != PCAP_MAGIC && magic != PCAP_NANO) {
        fprintf(stderr, "traffic: neither pcap nor pcapng\n");
        exit(1);
    }
    counter->pcapng = magic == PCAPNG_SHB;
    if (!counter->pcapng)
        counter->skip = PCAP_HEADER;
}

/* Looks at what is in the buffer; leaves the beginning of a header that is not whole yet. */
static void count_buffer(struct counter *counter)
{
    size_t at = 0, head = PCAP_RECORD;

    while (at < counter->used) {
        size_t left = counter->used - at;

        if (counter->skip > 0) {
            size_t now = counter->skip < left ? counter->skip : left;

            at += now;
            counter->skip -= now;
            continue;
        }
        if (left < head)
            break;
        if (counter->pcapng < 0) {
            find_format(counter);
        } else if (counter->pcapng) {
            counter->packets += word_at(counter, at) == PCAPNG_EPB;
            counter->skip = word_at(counter, at + 4);
        } else {
            counter->packets++;
            counter->skip = PCAP_RECORD + word_at(counter, at + 8);
        }
    }
    memmove(counter->buffer, counter->buffer + at, counter->used - at);
    counter->used -= at;
}

static int count_packets(void)
{
    static struct counter counter = {.pcapng = -1};
    ssize_t got;

    while ((got = read(STDIN_FILENO, counter.buffer + counter.used,
                       sizeof(counter.buffer) - counter.used)) > 0) {
        counter.used += (size_t)got;
        count_buffer(&counter);
    }
    if (got < 0)
        die("read");
    if (counter.used > 0 || counter.skip > 0) {
        fprintf(stderr, "traffic: the last block is torn\n");
        return 1;
    }
    printf("%llu\n", (unsigned long long)counter.packets);
    return 0;
}

int main(int argc, char *argv[])
{
    if (argc == 6 && strcmp(argv[1], "send") == 0)
        return send_frames(argv[2], (unsigned)strtoul(argv[3], NULL, 10), strtod(argv[4], NULL),
                           strtoull(argv[5], NULL, 10));
    if (argc == 2 && strcmp(argv[1], "count") == 0)
        return count_packets();
    fprintf(stderr, "usage: traffic send IFACE SIZE SECONDS RATE | traffic count\n");
    return 2;
}
