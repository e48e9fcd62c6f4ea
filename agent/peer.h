/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other end of a command that writes packets: who says on standard input that it lives
 * (common/agent.h), and who reads standard output. Both are watched in one poll, so that a reader
 * that takes nothing never hides the end of the other.
 */
#ifndef KSNIFF_AGENT_PEER_H
#define KSNIFF_AGENT_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/question.h"

struct lock;
struct output;

enum peer_ending {
    PEER_RUNNING,
    PEER_ORDERLY,   /* told to stop: what is there is written */
    PEER_ABANDONED, /* nobody waits any more */
};

struct peer {
    struct output *output;
    struct lock *lock;       /* held for as long as something is heard; NULL: none */
    unsigned silence;        /* seconds */
    bool (*take)(char byte); /* is shown each byte first. Return: true: it is of nothing else; NULL:
                                there is none such */
    /* Writes what comes behind the output's buffer from elsewhere, `left` bytes, as far as the
     * reader takes it, as output_flush() does. Return: bytes that are left. NULL: nothing ever
     * comes. */
    uint64_t (*copy)(uint64_t left);
    uint64_t left;
    enum peer_ending ending;
    int exit_code; /* AGENT_EXIT_* */
    struct question question;
    /* Milliseconds of the monotonic clock. */
    uint64_t heard;    /* the last byte on standard input */
    uint64_t progress; /* the last time that the reader took something */
};

/* peer_begin - it lives now. Its first members are set. */
void peer_begin(struct peer *peer);

/* peer_pending - bytes that are still to be written. */
uint64_t peer_pending(const struct peer *peer);

/* peer_flush - write as much as the reader takes. */
void peer_flush(struct peer *peer);

/*
 * peer_wait - until something is heard, the reader takes again what it did not, or
 * @fd: has something to be read; -1: none
 * @due: the time (clock_ms()) has come
 *
 * Signals that are blocked come in here only. Return: has @fd something?
 */
bool peer_wait(struct peer *peer, int fd, uint64_t due);

/* peer_check - the time has gone on: is it silent for too long? */
void peer_check(struct peer *peer);

/* peer_is_given_up - nobody waits for us any more, and nobody reads. */
bool peer_is_given_up(const struct peer *peer);

/* peer_finish - write what is pending, for as long as something is heard, or it is taken. */
void peer_finish(struct peer *peer);

#endif
