// SPDX-License-Identifier: Apache-2.0
/* Traffic inside a pod of any cluster: a known exchange of datagrams, in lock step. Static, so that
 * it runs in every image. talk serve PORT ROUNDS           answers "answer" and the question; says
 * "ready" when it can be asked talk ask ADDRESS PORT ROUNDS     asks; the sizes are those of SIZES
 * in conftest.py talk send ADDRESS PORT COUNT     sends "number 0", "number 1" and so on, and waits
 * for nothing */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 2048, GUARD = 60 };

static const int sizes[] = {0, 1, 17, 100, 512, 1400};

static void must(int is, const char *what)
{
    if (is)
        return;
    perror(what);
    exit(1);
}

static struct sockaddr_in place(const char *address, const char *port)
{
    struct sockaddr_in result = {.sin_family = AF_INET,
                                 .sin_port = htons((unsigned short)atoi(port))};

    must(inet_pton(AF_INET, address, &result.sin_addr) == 1, address);
    return result;
}

static void serve(int fd, const char *port, int rounds)
{
    struct sockaddr_in here = place("0.0.0.0", port), from;
    char data[6 + MOST] = "answer";

    must(bind(fd, (struct sockaddr *)&here, sizeof(here)) == 0, "bind");
    puts("ready");
    fflush(stdout);
    while (rounds-- > 0) {
        socklen_t length = sizeof(from);
        ssize_t size = recvfrom(fd, data + 6, MOST, 0, (struct sockaddr *)&from, &length);

        must(size >= 0, "recvfrom");
        must(sendto(fd, data, 6 + (size_t)size, 0, (struct sockaddr *)&from, length) == 6 + size,
             "sendto");
    }
}

static void ask(int fd, const struct sockaddr_in *to, int rounds)
{
    char question[MOST], answer[MOST];

    for (int number = 0; number < rounds; number++) {
        int size = sizes[(size_t)number % (sizeof(sizes) / sizeof(sizes[0]))];

        memset(question, number % 256, (size_t)size);
        must(sendto(fd, question, (size_t)size, 0, (const struct sockaddr *)to, sizeof(*to)) ==
                 size,
             "sendto");
        must(recv(fd, answer, sizeof(answer), 0) == 6 + size &&
                 !memcmp(answer + 6, question, (size_t)size),
             "recv");
    }
}

static void send_numbers(int fd, const struct sockaddr_in *to, int count)
{
    for (int number = 0; number < count; number++) {
        char text[32];
        int size = snprintf(text, sizeof(text), "number %d", number);

        must(sendto(fd, text, (size_t)size, 0, (const struct sockaddr *)to, sizeof(*to)) == size,
             "sendto");
    }
}

int main(int argc, char **argv)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    must(fd >= 0, "socket");
    alarm(GUARD);
    if (argc == 4 && !strcmp(argv[1], "serve")) {
        serve(fd, argv[2], atoi(argv[3]));
        return 0;
    }
    must(argc == 5, "talk serve|ask|send");
    struct sockaddr_in to = place(argv[2], argv[3]);
    if (!strcmp(argv[1], "ask"))
        ask(fd, &to, atoi(argv[4]));
    else
        send_numbers(fd, &to, atoi(argv[4]));
    return 0;
}
