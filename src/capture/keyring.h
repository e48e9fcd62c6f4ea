/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS secrets of a run (common/keylog.h): each once, in the order in which they came, as lines.
 * They are kept, since each file that begins needs them again; where they are too many the oldest
 * are forgotten. Who writes them remembers by a cursor how far it has come.
 */
#ifndef KSNIFF_CAPTURE_KEYRING_H
#define KSNIFF_CAPTURE_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/siphash.h"

#define KEYRING_MAX ((size_t)16 << 20) /* bytes of lines */

struct keyring {
    uint8_t key[SIPHASH_KEY];
    size_t maximum;
    bool apart; /* the same line of two owners is two */

    struct buf lines;    /* each with its newline */
    struct buf entries;  /* struct keyring_entry of each */
    uint64_t forgotten;  /* entries that are gone */
    uint64_t lines_gone; /* their bytes */
    uint64_t *table;     /* hashes of the lines; 0: free; owned */
    size_t room;         /* of it: a power of 2 */
};

/* keyring_init - @maximum: bytes of lines that are kept */
void keyring_init(struct keyring *ring, size_t maximum, bool apart);
/* keyring_seed - lines are compared by a hash with this key; before the first. */
void keyring_seed(struct keyring *ring, const uint8_t key[SIPHASH_KEY]);
void keyring_free(struct keyring *ring);

/*
 * keyring_add - a secret has come
 * @owner: whose it is; only compared
 * @line: @length bytes, without an end; at most KEYLOG_LINE_MAX
 *
 * Return: whether it is new, and was kept.
 */
bool keyring_add(struct keyring *ring, const void *owner, const char *line, size_t length);

/*
 * keyring_next - lines that stand behind the cursor, which is moved behind them
 * @owner: whose; NULL: of all
 * @most: bytes; one line is given even so
 * @ret_length: bytes
 *
 * Return: good until the ring changes; NULL when there are no more.
 */
const char *keyring_next(const struct keyring *ring, uint64_t *cursor, const void *owner,
                         size_t most, size_t *ret_length);

/* keyring_pending - bytes that keyring_next() has still to give; the cursor is moved up to them. */
uint64_t keyring_pending(const struct keyring *ring, uint64_t *cursor, const void *owner);

/* keyring_skip - move the cursor so that at most @most bytes are pending: the oldest are passed
 * over. */
void keyring_skip(const struct keyring *ring, uint64_t *cursor, const void *owner, uint64_t most);

#endif
