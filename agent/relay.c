/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process for each capture, and one that hands on what they write and are told. It does not
 * look into it. What the captures write is gathered for a moment, so that the way to the client
 * carries few large pieces instead of many small ones. What they say on standard error is handed on
 * at once, and a reader that takes no packets does not hold it up.
 */
#include "agent/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/message.h"
#include "agent/output.h"
#include "agent/peer.h"
#include "agent/secret.h"
#include "common/agent.h"
#include "common/relay.h"

#define GATHER_MS   4
#define GATHER_FULL 32768u /* so much is sent on without waiting for more */
#define READ_MAX    32768u /* of one capture, before it is another's turn */
#define SAY_MAX     4096u  /* PIPE_BUF: what a pipe takes whole, or not at all */
#define EVENTS      64
#define OUTPUTS     UINT32_MAX /* in epoll's data: the set of standard outputs */

enum { INPUT, OUTPUT, ERROR, STREAMS };

struct channel {
    pid_t pid;            /* 0: the number is free */
    int streams[STREAMS]; /* our ends; -1: closed */
    bool unwanted;
};

static struct {
    struct output output;
    struct peer peer;
    struct channel channels[RELAY_CHANNELS];
    unsigned running;
    unsigned ending; /* of these, those that have closed both their outputs */
    bool mute;       /* standard error takes nothing */
    bool abandoned;  /* all have been told so */
    int errors;      /* an epoll set: standard errors, and the other one */
    int outputs;     /* an epoll set: standard outputs */
    bool listens;    /* to the other one */
    uint64_t due;    /* by clock_ms(): more is waited for until then */
    size_t got;      /* bytes of the frame that comes */
    uint8_t frame[RELAY_HEAD + RELAY_FRAME_MAX];
} relay;

/* ---- frames to the client ---- */

/* Its bytes stand behind the room for its head already. */
static void put_frame(enum relay_kind kind, unsigned number, size_t length)
{
    relay_put_head(relay.output.buffer + relay.output.used, kind, number, length);
    relay.output.used += RELAY_HEAD + length;
}

static uint8_t *payload(void)
{
    return relay.output.buffer + relay.output.used + RELAY_HEAD;
}

/* The same on standard error, which has room. @frame: with room for its head */
static void say_frame(uint8_t *frame, enum relay_kind kind, unsigned number, size_t length)
{
    relay_put_head(frame, kind, number, length);
    if (write(STDERR_FILENO, frame, RELAY_HEAD + length) < 0)
        return; /* nobody listens */
}

static void tell_exit(unsigned number, int code)
{
    uint8_t frame[RELAY_HEAD + 1];

    *payload() = frame[RELAY_HEAD] = (uint8_t)code;
    put_frame(RELAY_EXIT, number, 1);
    say_frame(frame, RELAY_EXIT, number, 1);
}

/* ---- a capture's end ---- */

static bool has_room(void)
{
    return sizeof(relay.output.buffer) - relay.output.used > READ_MAX + 2 * RELAY_HEAD;
}

static void close_stream(struct channel *channel, int which)
{
    if (channel->streams[which] >= 0)
        close(channel->streams[which]);
    channel->streams[which] = -1;
}

static bool is_ending(const struct channel *channel)
{
    return channel->pid != 0 && channel->streams[OUTPUT] < 0 && channel->streams[ERROR] < 0;
}

/* It is ending, or says nothing any more. */
static void reap(unsigned number)
{
    struct channel *channel = &relay.channels[number];
    int status = 0;

    close_stream(channel, INPUT);
    kill(channel->pid, SIGKILL);
    while (waitpid(channel->pid, &status, 0) < 0 && errno == EINTR)
        ;
    tell_exit(number, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    channel->pid = 0;
    relay.running--;
    relay.ending--;
}

static void reap_all(void)
{
    for (unsigned i = 0; i < RELAY_CHANNELS && relay.ending > 0; i++)
        if (is_ending(&relay.channels[i]) && has_room() && message_has_room())
            reap(i);
}

/* ---- what captures write ---- */

/* A child that is being started holds our ends until its exec: epoll may name one that is closed.
 * Return: are there @got bytes for the client? */
static bool take_read(struct channel *channel, int which, ssize_t got)
{
    if (channel->streams[which] < 0)
        return false;
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        close_stream(channel, which);
        relay.ending += is_ending(channel);
    }
    return got > 0 && !channel->unwanted;
}

/* Return: bytes that came. */
static size_t read_output(unsigned number)
{
    struct channel *channel = &relay.channels[number];
    ssize_t got = read(channel->streams[OUTPUT], payload(), READ_MAX);

    if (!take_read(channel, OUTPUT, got))
        return 0;
    put_frame(RELAY_OUTPUT, number, (size_t)got);
    return (size_t)got;
}

static void read_error(unsigned number)
{
    struct channel *channel = &relay.channels[number];
    uint8_t frame[SAY_MAX];

    relay.mute = !message_has_room();
    if (relay.mute)
        return;
    ssize_t got = read(channel->streams[ERROR], frame + RELAY_HEAD, sizeof(frame) - RELAY_HEAD);
    if (take_read(channel, ERROR, got))
        say_frame(frame, RELAY_ERROR, number, (size_t)got);
}

static void read_outputs(void)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(relay.outputs, events, EVENTS, 0);
    size_t came = 0;

    for (int i = 0; i < count && has_room(); i++)
        came += read_output(events[i].data.u32);
    if (came > 0 && came < GATHER_FULL)
        relay.due = clock_ms() + GATHER_MS;
}

static void read_all(void)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(relay.errors, events, EVENTS, 0);

    for (int i = 0; i < count; i++)
        if (events[i].data.u32 == OUTPUTS)
            read_outputs();
        else
            read_error(events[i].data.u32);
}

/* While the client takes nothing, and while more is waited for, they are not. */
static void listen_to_outputs(uint64_t now)
{
    bool on = now >= relay.due && !relay.output.blocked && has_room();
    struct epoll_event event = {.events = on ? EPOLLIN : 0, .data.u32 = OUTPUTS};

    if (on != relay.listens)
        epoll_ctl(relay.errors, EPOLL_CTL_MOD, relay.outputs, &event);
    relay.listens = on;
}

/* ---- starting a capture ---- */

static void run_command(char *const words[], const int theirs[static STREAMS])
{
    for (int i = 0; i < STREAMS; i++)
        dup2(theirs[i], i);
    execv("/proc/self/exe", words);
    message_errno("cannot run the agent", NULL);
    _exit(AGENT_EXIT_INTERNAL);
}

static int make_pipes(struct channel *channel, int theirs[static STREAMS])
{
    int ends[2];

    for (int i = 0; i < STREAMS; i++)
        channel->streams[i] = theirs[i] = -1;
    for (int i = 0; i < STREAMS; i++) {
        if (pipe2(ends, O_CLOEXEC) < 0)
            return -1;
        theirs[i] = ends[i != INPUT];
        channel->streams[i] = ends[i == INPUT];
        fcntl(channel->streams[i], F_SETFL, O_NONBLOCK);
    }
    return 0;
}

static int listen_to(unsigned number)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    const int *streams = relay.channels[number].streams;

    if (epoll_ctl(relay.outputs, EPOLL_CTL_ADD, streams[OUTPUT], &event) < 0)
        return -1;
    return epoll_ctl(relay.errors, EPOLL_CTL_ADD, streams[ERROR], &event);
}

static void start_capture(unsigned number, char *const words[])
{
    struct channel *channel = &relay.channels[number];
    int theirs[STREAMS];
    pid_t pid = -1;

    if (make_pipes(channel, theirs) == 0 && listen_to(number) == 0)
        pid = _Fork(); /* there are no threads, and nothing else that fork() looks after */
    if (pid == 0)
        run_command(words, theirs);
    for (int i = 0; i < STREAMS; i++) {
        if (theirs[i] >= 0)
            close(theirs[i]);
        if (pid < 0)
            close_stream(channel, i);
    }
    if (pid < 0) {
        message_errno("cannot start a capture", NULL);
        tell_exit(number, AGENT_EXIT_INTERNAL);
        return;
    }
    *channel = (struct channel){
        .pid = pid,
        .streams = {channel->streams[INPUT], channel->streams[OUTPUT], channel->streams[ERROR]}};
    relay.running++;
}

static void open_channel(unsigned number, char *bytes, size_t length)
{
    char *words[RELAY_WORDS_MAX + 2] = {(char[]){AGENT_PROGRAM}};
    size_t count = 1;

    for (char *end = bytes + length; bytes < end && count <= RELAY_WORDS_MAX;
         bytes += strlen(bytes) + 1)
        words[count++] = bytes;
    words[count] = NULL;
    start_capture(number, words);
}

/* ---- frames from the client ---- */

/* One that reads nothing has no use for what follows either: it ends. */
static void give_input(struct channel *channel, const uint8_t *bytes, size_t length)
{
    if (channel->streams[INPUT] >= 0 &&
        write(channel->streams[INPUT], bytes, length) != (ssize_t)length)
        close_stream(channel, INPUT);
}

/* Return: false when it is none of ours. */
static bool take_frame(void)
{
    unsigned number = relay_number(relay.frame);
    struct channel *channel = &relay.channels[number % RELAY_CHANNELS];
    uint8_t *bytes = relay.frame + RELAY_HEAD;
    size_t length = relay.got - RELAY_HEAD;

    if (number >= RELAY_CHANNELS || (relay.frame[0] == RELAY_OPEN) != (channel->pid == 0))
        return channel->pid == 0 && relay.frame[0] != RELAY_OPEN; /* it has just ended */
    if (relay.frame[0] == RELAY_OPEN && (length == 0 || bytes[length - 1] != '\0'))
        return false;
    if (relay.frame[0] == RELAY_OPEN)
        open_channel(number, (char *)bytes, length);
    else if (relay.frame[0] == RELAY_INPUT)
        give_input(channel, bytes, length);
    else if (relay.frame[0] == RELAY_END)
        close_stream(channel, INPUT);
    else
        return false;
    channel->unwanted |= relay.frame[0] == RELAY_END;
    return true;
}

static void refuse(void)
{
    message("standard input carries no frames", NULL, NULL);
    relay.peer.exit_code = AGENT_EXIT_BAD_OPTIONS;
    relay.peer.ending = PEER_ABANDONED;
}

static bool take_byte(char byte)
{
    if (relay.peer.ending == PEER_ABANDONED)
        return true;
    relay.frame[relay.got++] = (uint8_t)byte;
    if (relay.got < RELAY_HEAD)
        return true;
    size_t length = relay_length(relay.frame);
    if (length > RELAY_FRAME_MAX) {
        refuse();
    } else if (relay.got == RELAY_HEAD + length) {
        if (!take_frame())
            refuse();
        relay.got = 0;
    }
    return true;
}

/* ---- the loop ---- */

/* The client has gone: so each hears, and writes what is taken of it. */
static void abandon(void)
{
    relay.abandoned = true;
    for (unsigned i = 0; i < RELAY_CHANNELS; i++)
        if (relay.channels[i].pid != 0)
            close_stream(&relay.channels[i], INPUT);
}

static void turn(void)
{
    struct peer *peer = &relay.peer;
    uint64_t now = clock_ms(), due = now < relay.due ? relay.due : UINT64_MAX;

    listen_to_outputs(now);
    if (relay.mute || relay.ending > 0)
        due = earlier(due, now + GATHER_MS);
    if (peer_wait(peer, relay.mute ? -1 : relay.errors, due))
        read_all();
    relay.mute = relay.mute && !message_has_room();
    reap_all();
    peer_check(peer);
    if (peer->ending == PEER_ABANDONED && !relay.abandoned)
        abandon();
    if (!relay.output.blocked && peer_pending(peer) > 0)
        peer_flush(peer);
}

static int prepare(void)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = OUTPUTS};

    signal(SIGPIPE, SIG_IGN);
    relay.errors = epoll_create1(EPOLL_CLOEXEC);
    relay.outputs = epoll_create1(EPOLL_CLOEXEC);
    if (relay.errors < 0 || relay.outputs < 0 ||
        epoll_ctl(relay.errors, EPOLL_CTL_ADD, relay.outputs, &event) < 0) {
        message_errno("cannot wait for captures", NULL);
        return AGENT_EXIT_INTERNAL;
    }
    relay.listens = true;
    output_open(&relay.output);
    relay.peer.output = &relay.output;
    relay.peer.silence = AGENT_SILENCE_SECONDS;
    relay.peer.take = take_byte;
    peer_begin(&relay.peer);
    return AGENT_EXIT_OK;
}

int relay_command(int argc, char *const argv[])
{
    int code = secret_check();

    (void)argv;
    if (code == AGENT_EXIT_OK && argc > 0)
        code = AGENT_EXIT_BAD_OPTIONS;
    if (code == AGENT_EXIT_OK)
        code = prepare();
    if (code != AGENT_EXIT_OK)
        return code;
    while (!relay.abandoned || relay.running > 0 || peer_pending(&relay.peer) > 0) {
        turn();
        if (peer_is_given_up(&relay.peer))
            break;
    }
    output_close(&relay.output);
    return relay.peer.exit_code;
}
