/* SPDX-License-Identifier: Apache-2.0 */
/* An API server in a child process, for tests of what asks it: it notes what it is asked. */
#ifndef KSNIFF_TESTS_SERVER_H
#define KSNIFF_TESTS_SERVER_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/loop.h"
#include "kube/client.h"

/*
 * What the server answers to a request: "200 OK", an empty line, the body. NULL: nothing.
 * @mode: of the server, as it is now
 */
typedef const char *server_fn(const char *request, int mode);

struct server {
    int listener, asked; /* asked: what it was asked, a line each */
    pid_t pid;           /* 0: nobody accepts */
    int *mode;           /* shared with the child; may be written */
    struct kube_config config;
    char url[64];
    struct loop *loop;
    struct kube_client *client;
};

/* A socket that listens on a free port of 127.0.0.1. */
static int server_listen(unsigned *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* Reads one request: its head, and as much of a body as it announces. */
static bool server_read(int fd, char *request, size_t size)
{
    size_t used = 0, wanted = 0;
    ssize_t got;

    while (used < size - 1 && (got = read(fd, request + used, size - 1 - used)) > 0) {
        used += (size_t)got;
        request[used] = '\0';
        const char *end = strstr(request, "\r\n\r\n"), *length = strstr(request, "Content-Length:");

        if (end && !wanted)
            wanted = (size_t)(end + 4 - request) + (length ? strtoul(length + 15, NULL, 10) : 0);
        if (wanted && used >= wanted)
            return true;
    }
    return wanted >= size; /* more than is kept of it */
}

/* Answers one request, and notes its method and path. */
static void server_answer(int fd, int asked, server_fn *answer, const int *mode)
{
    static char request[1 << 18];
    char line[400];

    if (!server_read(fd, request, sizeof(request)))
        return;
    int length = snprintf(line, sizeof(line), "%.*s\n",
                          (int)(strcspn(strchr(request, ' ') + 1, " ") +
                                (size_t)(strchr(request, ' ') + 1 - request)),
                          request);
    const char *said = answer(request, *mode);
    if (write(asked, line, (size_t)length) != length)
        return;
    if (said)
        dprintf(fd, "HTTP/1.1 %.*s\r\nConnection: close%s", (int)strcspn(said, "\r"), said,
                strchr(said, '\r'));
    shutdown(fd, SHUT_WR);
    while (read(fd, request, sizeof(request)) > 0)
        ;
}

/* One process for each connection. */
static void server_serve(const struct server *server, int asked, server_fn *answer)
{
    signal(SIGCHLD, SIG_IGN);
    alarm(60); /* whatever becomes of the test */
    for (;;) {
        int fd = accept(server->listener, NULL, NULL);

        if (fd >= 0 && fork() == 0) {
            server_answer(fd, asked, answer, server->mode);
            _exit(0);
        }
        close(fd);
    }
}

/* @answer: NULL: nobody accepts */
static void server_start(struct server *server, server_fn *answer)
{
    struct error err = {0};
    unsigned port;
    int ends[2];

    *server = (struct server){.listener = server_listen(&port)};
    server->mode =
        mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(server->mode != MAP_FAILED);
    assert_int_equal(pipe(ends), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    server->asked = ends[0];
    snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u", port);
    server->config = (struct kube_config){.server = server->url, .namespace = (char *)"lab"};
    if (answer) {
        server->pid = fork();
        assert_true(server->pid >= 0);
        if (server->pid == 0)
            server_serve(server, ends[1], answer);
    }
    close(ends[1]);
    server->loop = loop_new(&err);
    assert_non_null(server->loop);
    assert_int_equal(kube_client_new(server->loop, &server->config, 0, &server->client, &err), 0);
}

static void server_stop(struct server *server)
{
    kube_client_free(server->client);
    loop_free(server->loop);
    if (server->pid) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
    }
    munmap(server->mode, sizeof(int));
    close(server->listener);
    close(server->asked);
}

/* How many requests there were since the last time that this was called, whose line begins with
 * @beginning. The others of them are forgotten. */
static size_t server_asked(const struct server *server, const char *beginning)
{
    char lines[1 << 15];
    ssize_t got = read(server->asked, lines, sizeof(lines) - 1);
    size_t count = 0;

    lines[got > 0 ? got : 0] = '\0';
    for (const char *line = lines; *line; line = strchr(line, '\n') + 1)
        count += strncmp(line, beginning, strlen(beginning)) == 0;
    return count;
}

/* Lets the loop run until @times is @wanted; a guard against hanging, and no measure. */
static void server_step_until(const struct server *server, const unsigned *times, unsigned wanted)
{
    for (int i = 0; i < 3000 && *times < wanted; i++)
        loop_step(server->loop, 10);
    assert_int_equal(*times, wanted);
}

#endif
