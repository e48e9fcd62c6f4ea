/* SPDX-License-Identifier: Apache-2.0 */
/*
 * -o tcp://ADDRESS:PORT: the live section for whoever connects, any number at once. It is what
 * others call PCAP-over-IP: the bytes of a capture file, and nothing around them.
 *
 * Blocks wait in one window, from which each reader is sent what it has not got yet. Who connects
 * while others read gets the section's head, its interfaces and names, and then what comes. Who
 * connects while nobody reads also gets what has waited for a reader until then.
 *
 * While there are readers, the window is made room in: the one that is furthest behind is cut, so
 * that it holds up neither the others nor the capture. While there are none, nothing is thrown away
 * here: what the window has no room for waits on its way, at last in the agents, who count what
 * they drop. So a packet was got by somebody, or is counted.
 *
 * Source: https://wiki.wireshark.org/CaptureSetup/Pipes ("TCP@"); PCAP-over-IP as of
 * https://www.netresec.com/?page=Blog&month=2022-08&post=What-is-PCAP-over-IP
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "sink/sink.h"
#include "sink/tcp_server.h"

#define HEAD_MAX    (64u << 20) /* of interfaces and names: a node's pods come and go */
#define READERS_MAX 32
#define LOOK_MS     1000
#define STUCK_MS    10000 /* a reader that takes nothing does not hold up the end any longer */
#define NAME_MAX_   64

struct tcp_reader {
    struct tcp_server *server;
    struct tcp_reader *next;
    int fd;
    struct loop_fd *watch;
    char name[NAME_MAX_]; /* "127.0.0.1:51234" */
    struct buf head;      /* what it is to get first */
    uint64_t at;          /* then from there on */
    uint64_t got;         /* bytes */
    uint64_t moved;       /* loop_now() when it last took some */
    bool silent;          /* it says nothing any more */
};

struct tcp_server {
    struct sink *sink;
    int fd; /* that listens */
    struct loop_fd *watch;
    struct loop_timer *looker;
    bool closed;         /* nobody may connect any more */
    struct buf head;     /* of what was in front of the window: what later readers need */
    struct buf window;   /* whole blocks */
    uint64_t start, end; /* of the window, in bytes of the section; end is also what was taken */
    struct tcp_reader *readers;
    unsigned count, most, cut; /* readers now, ever, and that were too slow */
    bool refused;              /* one too many has been told */
    bool full;                 /* so has that nobody could be accepted */
    bool satisfied;            /* who read last has left by itself: what follows is nobody's */
};

static bool wanted(const struct sink *sink)
{
    return sink->output && strncmp(sink->output, "tcp://", strlen("tcp://")) == 0;
}

/* ---- blocks ---- */

/* Return: the length of the first block. */
static size_t first_block(const struct tcp_server *server, const uint8_t *bytes, size_t length,
                          uint64_t at, bool *ret_head)
{
    return server->sink->format->first(bytes, length, at == 0, ret_head);
}

/* Whole blocks that every reader has got leave the window; what later ones need of them stays. */
static void trim(struct tcp_server *server, uint64_t least)
{
    while (server->window.length > 0) {
        const uint8_t *bytes = buf_bytes(&server->window);
        bool head;
        size_t length = first_block(server, bytes, server->window.length, server->start, &head);

        if (server->start + length > least)
            break;
        if (head && !buf_append(&server->head, bytes, length))
            server->closed = true; /* who comes later could not read it */
        buf_take(&server->window, length);
        server->start += length;
    }
}

/* What a reader that begins at the window's end gets first. Return: false when out of memory. */
static bool whole_head(const struct tcp_server *server, struct buf *out)
{
    const uint8_t *bytes = buf_bytes(&server->window);
    bool whole = buf_append(out, buf_bytes(&server->head), server->head.length);

    for (size_t at = 0; whole && at < server->window.length;) {
        bool head;
        size_t length =
            first_block(server, bytes + at, server->window.length - at, server->start + at, &head);

        whole = !head || buf_append(out, bytes + at, length);
        at += length;
    }
    return whole;
}

/* ---- readers ---- */

static void account(struct tcp_server *server)
{
    struct sink *sink = server->sink;
    uint64_t least = server->end, most = sink->written;

    for (const struct tcp_reader *reader = server->readers; reader; reader = reader->next) {
        least = reader->at < least ? reader->at : least;
        most = reader->at > most ? reader->at : most;
    }
    sink->written = most;
    sink->pending = (size_t)(server->end - most);
    sink->unserved = sink->pending > 0 && !server->readers && !server->satisfied;
    if (server->readers)
        trim(server, least);
}

static bool is_behind(const struct tcp_reader *reader)
{
    return reader->head.length > 0 || reader->at < reader->server->end;
}

static void forget(struct tcp_reader *reader)
{
    struct tcp_server *server = reader->server;
    struct tcp_reader **place = &server->readers;

    while (*place != reader)
        place = &(*place)->next;
    *place = reader->next;
    server->count--;
    loop_remove_fd(reader->watch);
    close(reader->fd);
    buf_free(&reader->head);
    free(reader);
}

static void leave(struct tcp_reader *reader)
{
    char bytes[32];

    log_info("the reader '%s' has left after %s", reader->name,
             text_format_bytes(bytes, sizeof(bytes), reader->got));
    reader->server->satisfied = true;
    forget(reader);
}

static void cut(struct tcp_reader *reader)
{
    char bytes[32];

    log_warning("the reader '%s' was too slow, and is cut after %s: the capture goes on without it",
                reader->name, text_format_bytes(bytes, sizeof(bytes), reader->got));
    reader->server->cut++;
    reader->server->satisfied = false;
    forget(reader);
}

/* Return: bytes that the connection took of these, -1: it is over. */
static ssize_t send_some(const struct tcp_reader *reader, const uint8_t *bytes, size_t length)
{
    if (length == 0)
        return 0;
    for (;;) {
        ssize_t sent = write(reader->fd, bytes, length);

        if (sent >= 0)
            return sent;
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return 0;
        if (errno != EINTR)
            return -1;
    }
}

static bool took(struct tcp_reader *reader, ssize_t sent)
{
    if (sent <= 0)
        return sent == 0;
    reader->got += (uint64_t)sent;
    reader->moved = loop_now();
    return true;
}

/* Return: false when the connection is over. */
static bool serve(struct tcp_reader *reader)
{
    const struct tcp_server *server = reader->server;
    ssize_t sent = send_some(reader, buf_bytes(&reader->head), reader->head.length);

    if (!took(reader, sent))
        return false;
    buf_take(&reader->head, (size_t)sent);
    if (reader->head.length == 0) {
        size_t from = (size_t)(reader->at - server->start);

        sent = send_some(reader, buf_bytes(&server->window) + from, server->window.length - from);
        if (!took(reader, sent))
            return false;
        reader->at += (uint64_t)sent;
    }
    loop_set_events(reader->watch,
                    (short)((is_behind(reader) ? POLLOUT : 0) | (reader->silent ? 0 : POLLIN)));
    return true;
}

/* What it says means nothing. Its end of speaking is not its end of reading. */
static void hear(struct tcp_reader *reader)
{
    char bytes[1024];
    ssize_t got = read(reader->fd, bytes, sizeof(bytes));

    reader->silent |= got == 0;
}

static void on_reader(void *data, int fd, short revents)
{
    struct tcp_reader *reader = data;
    struct tcp_server *server = reader->server;

    (void)fd;
    if (revents & POLLIN)
        hear(reader);
    if ((revents & (POLLERR | POLLHUP | POLLNVAL)) || !serve(reader))
        leave(reader);
    account(server);
    server->sink->ready(server->sink->data);
}

/* Where a new one begins: behind what others have been sent, or with what nobody has got. */
static bool begin_reading(struct tcp_reader *reader)
{
    struct tcp_server *server = reader->server;
    bool alone = !server->readers;

    buf_init(&reader->head, HEAD_MAX + SINK_WINDOW_MAX);
    reader->at = alone ? server->start : server->end;
    return alone ? buf_append(&reader->head, buf_bytes(&server->head), server->head.length)
                 : whole_head(server, &reader->head);
}

static struct tcp_reader *add_reader(struct tcp_server *server, int fd, const char *name)
{
    struct tcp_reader *reader = calloc(1, sizeof(*reader));

    if (!reader)
        return NULL;
    reader->server = server;
    reader->fd = fd;
    reader->moved = loop_now();
    snprintf(reader->name, sizeof(reader->name), "%s", name);
    reader->watch = loop_add_fd(server->sink->loop, fd, POLLIN, on_reader, reader);
    if (!reader->watch || !begin_reading(reader)) {
        loop_remove_fd(reader->watch);
        buf_free(&reader->head);
        free(reader);
        return NULL;
    }
    reader->next = server->readers;
    server->readers = reader;
    server->count++;
    server->most++;
    return reader;
}

/* "127.0.0.1:4000", "[::1]:4000" */
static void name_of(const union tcp_address *address, char *out, size_t size)
{
    bool v6 = address->any.sa_family == AF_INET6;
    char host[INET6_ADDRSTRLEN] = "?";

    inet_ntop(address->any.sa_family,
              v6 ? (const void *)&address->v6.sin6_addr : (const void *)&address->v4.sin_addr, host,
              sizeof(host));
    snprintf(out, size, v6 ? "[%s]:%u" : "%s:%u", host,
             (unsigned)ntohs(v6 ? address->v6.sin6_port : address->v4.sin_port));
}

static void refuse_one(struct tcp_server *server, int fd, const char *name)
{
    if (!server->refused)
        log_warning("the reader '%s' is refused: %s", name,
                    server->count < READERS_MAX ? "it could not be given the section's beginning"
                                                : "there are too many already");
    server->refused = true;
    close(fd);
}

static void welcome(struct tcp_server *server, int fd, const char *name)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    struct tcp_reader *reader =
        server->count < READERS_MAX && !server->closed ? add_reader(server, fd, name) : NULL;

    if (!reader) {
        refuse_one(server, fd, name);
        return;
    }
    log_info("'%s' reads", name);
    if (!serve(reader))
        leave(reader);
}

/* There may be no descriptor for one who waits, and who keeps the listener readable: on_look(). */
static void cannot_accept(struct tcp_server *server, int reason)
{
    if (reason == EAGAIN || reason == EWOULDBLOCK || reason == EINTR || reason == ECONNABORTED)
        return;
    if (!server->full)
        log_warning("readers of '%s' have to wait: %s", server->sink->path, strerror(reason));
    server->full = true;
    loop_set_events(server->watch, 0);
}

static void on_listener(void *data, int listener, short revents)
{
    struct tcp_server *server = data;
    union tcp_address address;
    socklen_t length = sizeof(address);
    char name[NAME_MAX_];

    (void)revents;
    memset(&address, 0, sizeof(address));
    int fd = accept(listener, &address.any, &length);
    if (fd < 0) {
        cannot_accept(server, errno);
        return;
    }
    name_of(&address, name, sizeof(name));
    welcome(server, fd, name);
    account(server);
    server->sink->ready(server->sink->data);
}

/* ---- before the cluster ---- */

static int cannot_listen(const struct sink *sink, struct error *err)
{
    int reason = errno;

    error_set(err, ERROR_OUTPUT, "cannot listen on \"%s\": %s", sink->output, strerror(reason));
    if (reason == EADDRINUSE)
        return error_remedy(err, "choose another port, or 0 for any that is free");
    if (reason == EACCES)
        return error_remedy(err, "choose a port above 1023");
    return error_remedy(err, "choose an address of this machine, such as 127.0.0.1");
}

/* Return: a socket that listens, and its @address as it has become; -1 with errno. */
static int listen_on(union tcp_address *address)
{
    socklen_t length = address->any.sa_family == AF_INET6 ? (socklen_t)sizeof(address->v6)
                                                          : (socklen_t)sizeof(address->v4);
    int fd = socket(address->any.sa_family, SOCK_STREAM, 0), on = 1;

    if (fd < 0)
        return -1;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, &address->any, length) == 0 && listen(fd, READERS_MAX) == 0 &&
        getsockname(fd, &address->any, &length) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

/* The port that 0 has become is a result, also where nothing but warnings is wanted. */
static void tell_where(const struct sink *sink, const union tcp_address *address)
{
    char name[NAME_MAX_], line[200];

    name_of(address, name, sizeof(name));
    snprintf(line, sizeof(line), "serving '%s': tshark -i TCP@%s, or Wireshark with the same",
             sink->path, name);
    if (log_enabled(LOG_LEVEL_INFO))
        log_info("%s", line);
    else if (strcmp(sink->path, sink->output) != 0)
        log_plain(line);
    if (!tcp_address_is_loopback(address))
        log_warning("anybody who reaches '%s' reads the packets: nothing asks who it is, and "
                    "nothing is encrypted",
                    sink->path);
}

static int prepare(struct sink *sink, struct error *err)
{
    union tcp_address address;
    char name[NAME_MAX_];

    if (tcp_address_parse(sink->output, &address, err) < 0)
        return -1;
    struct tcp_server *server = sink->server = calloc(1, sizeof(*server));
    if (!server)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    server->sink = sink;
    buf_init(&server->head, HEAD_MAX);
    buf_init(&server->window, SINK_WINDOW_MAX);
    server->fd = listen_on(&address);
    if (server->fd < 0)
        return cannot_listen(sink, err);
    name_of(&address, name, sizeof(name));
    sink->path = text_format("tcp://%s", name);
    if (!sink->path)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    tell_where(sink, &address);
    return 0;
}

/* ---- while capturing ---- */

/* Who could not be accepted is tried again. At the end: a reader that takes nothing is not waited
 * for. */
static void on_look(void *data)
{
    struct tcp_server *server = data;

    loop_set_timer(server->looker, LOOK_MS);
    loop_set_events(server->watch, POLLIN);
    if (!server->sink->stopping)
        return;
    for (struct tcp_reader *reader = server->readers, *next; reader; reader = next) {
        next = reader->next;
        if (is_behind(reader) && loop_now() - reader->moved >= STUCK_MS)
            cut(reader);
    }
    account(server);
    server->sink->ready(server->sink->data);
}

static int begin(struct sink *sink, struct error *err)
{
    struct tcp_server *server = sink->server;

    sink->writing = SINK_NONBLOCKING;
    server->watch = loop_add_fd(sink->loop, server->fd, POLLIN, on_listener, server);
    server->looker = loop_add_timer(sink->loop, LOOK_MS, on_look, server);
    return server->watch && server->looker ? 0 : error_set(err, ERROR_INTERNAL, "out of memory");
}

static struct tcp_reader *slowest(const struct tcp_server *server)
{
    struct tcp_reader *found = server->readers;

    for (struct tcp_reader *reader = server->readers; reader; reader = reader->next)
        if (reader->at < found->at)
            found = reader;
    return found;
}

/* Return: false when there is none now. */
static bool make_room(struct tcp_server *server, size_t length)
{
    account(server);
    while (server->window.length + length > SINK_WINDOW_MAX) {
        if (!server->readers)
            return false;
        cut(slowest(server));
        account(server);
    }
    return true;
}

/* Nobody is there, and nobody is waited for: it is lost, as what is in the window is. */
static void give_up(struct tcp_server *server, struct buf *bytes)
{
    server->closed = true;
    server->end += bytes->length;
    buf_take(bytes, bytes->length);
    account(server);
}

static void serve_all(struct tcp_server *server)
{
    for (struct tcp_reader *reader = server->readers, *next; reader; reader = next) {
        next = reader->next;
        if (!serve(reader))
            leave(reader);
    }
    account(server);
}

static int take(struct sink *sink, struct buf *bytes, struct error *err)
{
    struct tcp_server *server = sink->server;

    while (bytes->length > 0) {
        bool head;
        size_t length = first_block(server, buf_bytes(bytes), bytes->length, server->end, &head);

        if (!make_room(server, length)) {
            if (sink->stopping)
                give_up(server, bytes);
            return 0;
        }
        if (!buf_append(&server->window, buf_bytes(bytes), length))
            return error_set(err, ERROR_INTERNAL, "out of memory");
        server->end += length;
        buf_take(bytes, length);
    }
    serve_all(server);
    return 0;
}

static bool is_busy(const struct sink *sink)
{
    for (const struct tcp_reader *reader = sink->server->readers; reader; reader = reader->next)
        if (is_behind(reader))
            return true;
    return false;
}

/* ---- the end ---- */

static int finish(struct sink *sink, struct error *err)
{
    const struct tcp_server *server = sink->server;

    (void)err;
    if (server->cut > 0)
        log_info("of %u reader%s %u %s too slow, and cut", server->most,
                 server->most == 1 ? "" : "s", server->cut, server->cut == 1 ? "was" : "were");
    tcp_server_free(sink->server); /* what its connections have taken still gets there */
    sink->server = NULL;
    return 0;
}

void tcp_server_free(struct tcp_server *server)
{
    if (!server)
        return;
    while (server->readers)
        forget(server->readers);
    loop_remove_fd(server->watch);
    loop_remove_timer(server->looker);
    if (server->fd >= 0)
        close(server->fd);
    buf_free(&server->head);
    buf_free(&server->window);
    free(server);
}

const struct sink_kind sink_tcp = {.name = "a TCP port",
                                   .wanted = wanted,
                                   .prepare = prepare,
                                   .begin = begin,
                                   .write = take,
                                   .busy = is_busy,
                                   .finish = finish};
