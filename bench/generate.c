/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends frames of one size from an interface: generate IFACE BYTES COUNT PER_SECOND (0: flat out).
 * Prints how many it sent.
 */
#define _GNU_SOURCE
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 32

int main(int argc, char *argv[])
{
    static unsigned char frame[1600] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};
    static struct mmsghdr messages[BATCH];
    if (argc != 5)
        return 2;
    size_t length = strtoul(argv[2], NULL, 10);
    unsigned long count = strtoul(argv[3], NULL, 10), rate = strtoul(argv[4], NULL, 10), sent = 0;
    struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                  .sll_ifindex = (int)if_nametoindex(argv[1])};
    struct iovec vector = {.iov_base = frame, .iov_len = length};
    struct timespec start, now;
    int fd = socket(AF_PACKET, SOCK_RAW, 0), size = 8 << 20;

    if (fd < 0 || length > sizeof(frame) ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        perror("generate");
        return 1;
    }
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
    for (int i = 0; i < BATCH; i++)
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &vector, .msg_iovlen = 1};
    clock_gettime(CLOCK_MONOTONIC, &start);
    while (sent < count) {
        int got =
            sendmmsg(fd, messages, count - sent < BATCH ? (unsigned)(count - sent) : BATCH, 0);

        if (got > 0)
            sent += (unsigned)got;
        while (rate) {
            clock_gettime(CLOCK_MONOTONIC, &now);
            double passed =
                (double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9;
            if ((double)sent <= passed * (double)rate)
                break;
            struct timespec nap = {.tv_nsec = 200000};
            nanosleep(&nap, NULL);
        }
    }
    printf("%lu\n", sent);
    return 0;
}
