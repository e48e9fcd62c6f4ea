/* SPDX-License-Identifier: Apache-2.0 */
#include "method/account.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void account_free(struct account *account)
{
    counters_free(&account->written_by);
    counters_free(&account->dropped_by);
    *account = (struct account){0};
}

/* An interface's statistics count from the beginning: the new number takes the place of the old one
 * in the sum. Return: false when out of memory. */
static bool replace(struct counters *counters, uint32_t interface, uint64_t number, uint64_t *sum)
{
    uint64_t *at = counters_at(counters, interface);

    if (!at)
        return false;
    *sum += number - *at;
    *at = number;
    return true;
}

bool account_item(struct account *account, enum capture_item_kind kind,
                  const struct capture_item *item)
{
    const struct capture_statistics *statistics = &item->statistics;

    if (kind == CAPTURE_PACKET) {
        account->came++;
        if (item->packet.timestamp > account->latest)
            account->latest = item->packet.timestamp;
    } else if (kind == CAPTURE_STATISTICS) {
        uint64_t dropped =
            statistics->dropped < statistics->received ? statistics->dropped : statistics->received;

        if (statistics->timestamp > account->latest)
            account->latest = statistics->timestamp;
        if (account->by_word)
            return true;
        account->complete = statistics->last;
        return replace(&account->written_by, statistics->interface, statistics->received - dropped,
                       &account->written) &&
               replace(&account->dropped_by, statistics->interface, dropped, &account->dropped);
    }
    return true;
}

bool account_line(struct account *account, const char *line)
{
    static const char begins[] = "stopped: ", bound[] = "at most ";
    uint64_t packets, dropped;

    if (strncmp(line, begins, strlen(begins)) != 0)
        return false;
    line += strlen(begins);
    bool at_most = strncmp(line, bound, strlen(bound)) == 0;
    if (sscanf(line + (at_most ? strlen(bound) : 0), "%" SCNu64 " packets, %" SCNu64 " dropped",
               &packets, &dropped) != 2)
        return false;
    account->told = true;
    account->told_written = packets;
    account->told_dropped = dropped;
    account->at_most = at_most;
    return true;
}

void account_tcpdump_line(struct account *account, const char *line)
{
    char what[20] = "";
    uint64_t number;

    /* "1 packet captured", "2 packets received by filter", "0 packets dropped by kernel" */
    if (sscanf(line, "%" SCNu64 " %*[packets] %19[a-z ]", &number, what) != 2)
        return;
    if (strcmp(what, "captured") == 0) {
        account->told = true;
        account->told_written = number;
    } else if (strcmp(what, "received by filter") == 0 && number > account->told_written) {
        /* What its kernel has dropped, and what still stood in its ring. */
        account->told_dropped = number - account->told_written;
    }
}

bool account_is_whole(const struct account *account)
{
    return account->by_word ? account->told : account->complete;
}

uint64_t account_missing(const struct account *account)
{
    uint64_t all = account->written;

    /* The statistics at the end are exact. */
    if (!account->complete && account->told && account->told_written > all)
        all = account->told_written;
    return all > account->came ? all - account->came : 0;
}

uint64_t account_dropped(const struct account *account)
{
    if (account->by_word)
        return 0;
    return account->told_dropped > account->dropped ? account->told_dropped : account->dropped;
}
