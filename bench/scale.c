/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ends of the benchmark of many targets.
 *
 *   scale send PORT SIZE RATE SECONDS NETNS...   in each network namespace RATE datagrams a second
 * of SIZE bytes to its own loopback; prints how many it has sent in all
 *   scale read FILE                              follows a pcapng file until SIGTERM, and the
 * file's end; prints as JSON how many packets came and how old they were then, by their own time
 * stamps
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TICKS      100     /* a second */
#define BURST_MAX  64      /* datagrams of one namespace in one tick */
#define SIZE_MAX_  1472    /* bytes of a datagram */
#define LOOK_NS    1000000 /* between two looks at the file */
#define BUFFER     (4u << 20)
#define PCAPNG_IDB 1u
#define PCAPNG_EPB 6u

static void die(const char *what)
{
    fprintf(stderr, "scale: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- send ---- */

/* Return: a socket in the network namespace, connected to one that takes what it can and reads
 * nothing: no ICMP answers. */
static int enter(const char *netns, uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int space = open(netns, O_RDONLY | O_CLOEXEC);

    if (space < 0 || setns(space, CLONE_NEWNET) < 0)
        die(netns);
    close(space);
    int receiver = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(receiver, (struct sockaddr *)&to, sizeof(to)) < 0 ||
        connect(sender, (struct sockaddr *)&to, sizeof(to)) < 0)
        die("bind");
    return sender;
}

static unsigned long send_some(int fd, size_t size, unsigned count)
{
    static unsigned char bytes[SIZE_MAX_];
    struct iovec vector = {.iov_base = bytes, .iov_len = size};
    struct mmsghdr messages[BURST_MAX];

    for (unsigned i = 0; i < count; i++)
        messages[i] =
            (struct mmsghdr){.msg_hdr = (struct msghdr){.msg_iov = &vector, .msg_iovlen = 1}};
    int sent = sendmmsg(fd, messages, count, 0);

    return sent > 0 ? (unsigned long)sent : 0;
}

static int send_all(int argc, char *argv[])
{
    uint16_t port = (uint16_t)atoi(argv[2]);
    size_t size = strtoul(argv[3], NULL, 10);
    unsigned burst = (unsigned)atoi(argv[4]) / TICKS, ticks = (unsigned)atoi(argv[5]) * TICKS;
    int count = argc - 6, *fds = calloc((size_t)count, sizeof(int));
    unsigned long sent = 0;
    struct timespec next;

    if (!fds || size > SIZE_MAX_ || burst == 0 || burst > BURST_MAX)
        die("arguments");
    for (int i = 0; i < count; i++)
        fds[i] = enter(argv[6 + i], port);
    clock_gettime(CLOCK_MONOTONIC, &next);
    for (unsigned tick = 0; tick < ticks; tick++) {
        for (int i = 0; i < count; i++)
            sent += send_some(fds[i], size, burst);
        next.tv_nsec += 1000000000 / TICKS;
        if (next.tv_nsec >= 1000000000) {
            next.tv_nsec -= 1000000000;
            next.tv_sec++;
        }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
    printf("%lu\n", sent);
    return 0;
}

/* ---- read ---- */

static volatile sig_atomic_t ended;

static void on_term(int number)
{
    (void)number;
    ended = 1;
}

struct reading {
    unsigned char *bytes; /* BUFFER: what is no whole block yet */
    size_t length;
    uint32_t *ages; /* of each packet, microseconds */
    size_t packets, room;
    unsigned interfaces;
};

static void note(struct reading *reading, uint64_t now, uint64_t stamp)
{
    if (reading->packets == reading->room) {
        reading->room = reading->room ? 2 * reading->room : 1u << 16;
        reading->ages = realloc(reading->ages, reading->room * sizeof(uint32_t));
        if (!reading->ages)
            die("memory");
    }
    reading->ages[reading->packets++] = stamp < now ? (uint32_t)((now - stamp) / 1000) : 0;
}

/* Takes the whole blocks; the time stamps are nanoseconds. */
static void take(struct reading *reading)
{
    struct timespec at;
    size_t used = 0;
    uint32_t head[5];

    clock_gettime(CLOCK_REALTIME, &at);
    uint64_t now = (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
    while (reading->length - used >= sizeof(head)) {
        memcpy(head, reading->bytes + used, sizeof(head));
        if (head[1] < 12 || head[1] > reading->length - used)
            break;
        reading->interfaces += head[0] == PCAPNG_IDB;
        if (head[0] == PCAPNG_EPB)
            note(reading, now, (uint64_t)head[3] << 32 | head[4]);
        used += head[1];
    }
    reading->length -= used;
    memmove(reading->bytes, reading->bytes + used, reading->length);
}

static int compare(const void *a, const void *b)
{
    uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;

    return (one > other) - (one < other);
}

static int read_all(const char *path)
{
    const struct timespec pause = {.tv_nsec = LOOK_NS};
    struct reading reading = {.bytes = malloc(BUFFER)};
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    signal(SIGTERM, on_term);
    if (fd < 0 || !reading.bytes)
        die(path);
    for (;;) {
        int last = ended; /* what was written before that is still read */
        ssize_t got = read(fd, reading.bytes + reading.length, BUFFER - reading.length);

        if (got < 0)
            die(path);
        reading.length += (size_t)got;
        take(&reading);
        if (got == 0 && last)
            break;
        if (got == 0)
            nanosleep(&pause, NULL);
    }
    size_t count = reading.packets;
    qsort(reading.ages, count, sizeof(uint32_t), compare);
    printf("{\"packets\": %zu, \"interfaces\": %u, \"left\": %zu", count, reading.interfaces,
           reading.length);
    if (count > 0)
        printf(", \"median_us\": %u, \"p99_us\": %u, \"max_us\": %u", reading.ages[count / 2],
               reading.ages[count - 1 - count / 100], reading.ages[count - 1]);
    printf("}\n");
    return 0;
}

int main(int argc, char *argv[])
{
    if (argc > 6 && strcmp(argv[1], "send") == 0)
        return send_all(argc, argv);
    if (argc == 3 && strcmp(argv[1], "read") == 0)
        return read_all(argv[2]);
    return 2;
}
