/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one agent says that it has captured, held against what has come of it: nothing may be lost
 * without a word. No I/O here.
 *
 * Its sources are the agent's own: the statistics in its output, and what it says on standard error
 * when it is told to stop (common/agent.h); of a tcpdump, what that says at its end.
 */
#ifndef KSNIFF_METHOD_ACCOUNT_H
#define KSNIFF_METHOD_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/counters.h"
#include "pcapng/item.h"

struct account {
    bool by_word;    /* statistics are those of a part: what is said at the end counts alone */
    uint64_t came;   /* packets */
    uint64_t latest; /* ns since 1970: the last time stamp of a packet or of statistics; 0: none */
    bool complete;   /* the statistics that stand at the end have come */

    /* Packets as the last statistics of each interface say, and their sums. */
    struct counters written_by, dropped_by;
    uint64_t written, dropped;

    bool told; /* the agent has said at its stop how many packets there are: */
    uint64_t told_written, told_dropped;
    bool at_most; /* it may be fewer */
};

/* account_free - nothing has come yet, as when it is all zero. */
void account_free(struct account *account);

/* account_item - an item has come. Return: false when out of memory. */
bool account_item(struct account *account, enum capture_item_kind kind,
                  const struct capture_item *item);

/* account_line - a line of the agent's standard error. Return: true when it is meant for us, and
 * for nobody else. */
bool account_line(struct account *account, const char *line);

/* account_tcpdump_line - the same of a tcpdump, whose last lines say how many packets it has
 * written and how many it could not. */
void account_tcpdump_line(struct account *account, const char *line);

/* account_is_whole - has it said all that it says at its end? */
bool account_is_whole(const struct account *account);

/* account_missing - packets that the agent has captured, as far as it has said so, and that have
 * not come. */
uint64_t account_missing(const struct account *account);

/* account_dropped - packets that it could not capture, as far as it has said so, and not with each
 * part. */
uint64_t account_dropped(const struct account *account);

#endif
