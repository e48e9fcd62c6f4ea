/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/peer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/lock.h"
#include "agent/message.h"
#include "agent/output.h"
#include "common/agent.h"

static void hear(struct peer *peer)
{
    peer->heard = clock_ms();
    if (peer->lock)
        lock_renew(peer->lock, peer->heard);
}

void peer_begin(struct peer *peer)
{
    hear(peer);
    peer->progress = peer->heard;
}

/* ---- standard input ---- */

static void answer(const char *asked)
{
    char time[21];

    if (message_has_room())
        message_parts((const char *[]){AGENT_CLOCK_ANSWER, asked, " ", decimal(time, clock_real())},
                      4);
}

static void take_byte(struct peer *peer, char byte)
{
    if (peer->take && peer->take(byte))
        return;
    const char *asked = question_byte(&peer->question, byte);

    if (asked)
        answer(asked);
    if (byte == AGENT_STOP)
        peer->ending = PEER_ORDERLY;
}

static void read_stdin(struct peer *peer)
{
    char bytes[256];
    ssize_t got = read(STDIN_FILENO, bytes, sizeof(bytes));

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        peer->ending = PEER_ABANDONED;
        return;
    }
    hear(peer);
    for (ssize_t i = 0; i < got; i++)
        take_byte(peer, bytes[i]);
}

/* ---- standard output ---- */

static void lose_reader(struct peer *peer)
{
    peer->output->closed = true;
    peer->exit_code = AGENT_EXIT_OUTPUT_CLOSED;
    peer->ending = PEER_ABANDONED;
}

uint64_t peer_pending(const struct peer *peer)
{
    return output_pending(peer->output) + peer->left;
}

void peer_flush(struct peer *peer)
{
    uint64_t before = peer_pending(peer);

    output_flush(peer->output);
    if (peer->left > 0 && output_pending(peer->output) == 0)
        peer->left = peer->copy(peer->left);
    if (peer_pending(peer) < before)
        peer->progress = clock_ms();
    if (peer->output->closed)
        lose_reader(peer);
}

bool peer_is_given_up(const struct peer *peer)
{
    return peer->output->closed ||
           (peer->ending == PEER_ABANDONED && clock_ms() >= peer->progress + AGENT_GRACE_MS);
}

/* ---- both ---- */

bool peer_wait(struct peer *peer, int fd, uint64_t due)
{
    struct output *output = peer->output;
    bool abandoned = peer->ending == PEER_ABANDONED;
    struct pollfd fds[] = {
        /* Its end has been seen once. */
        {.fd = abandoned ? -1 : STDIN_FILENO, .events = POLLIN},
        /* Without events it still tells of the reader's end. */
        {.fd = STDOUT_FILENO, .events = output->blocked ? POLLOUT : 0},
        {.fd = fd, .events = POLLIN},
    };
    uint64_t now = clock_ms();
    sigset_t none;

    due = earlier(due, abandoned ? peer->progress + AGENT_GRACE_MS
                                 : peer->heard + peer->silence * 1000ull);
    if (peer->lock)
        due = earlier(due, peer->lock->due);
    uint64_t wait = due > now ? due - now : 0;
    const struct timespec timeout = {.tv_sec = (time_t)(wait / 1000),
                                     .tv_nsec = (long)(wait % 1000) * 1000000};
    sigemptyset(&none);
    /* Signals come in here only, so that none is missed between a look and the wait. */
    if (ppoll(fds, 3, &timeout, &none) < 0)
        return false;
    if (fds[0].revents)
        read_stdin(peer);
    /* POLLERR of a pipe, POLLHUP of a socket. */
    if (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL))
        lose_reader(peer);
    else if (fds[1].revents & POLLOUT)
        output->blocked = false;
    return fds[2].revents != 0;
}

void peer_check(struct peer *peer)
{
    uint64_t now = clock_ms();

    if (peer->ending != PEER_ABANDONED && now >= peer->heard + peer->silence * 1000ull) {
        message("nothing was heard on standard input: ended", NULL, NULL);
        peer->exit_code = AGENT_EXIT_SILENCE;
        peer->ending = PEER_ABANDONED;
    }
    if (peer->lock && now >= peer->lock->due)
        lock_check(peer->lock, now);
}

void peer_finish(struct peer *peer)
{
    peer->progress = clock_ms();
    while (!peer_is_given_up(peer)) {
        if (!peer->output->blocked)
            peer_flush(peer);
        if (peer_pending(peer) == 0)
            return;
        peer_wait(peer, -1, UINT64_MAX);
        peer_check(peer);
    }
}
