/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/timeline.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/system.h"
#include "capture/recorder.h"
#include "settings/settings.h"

#define MS      1000000u
#define END_NS  (2000ull * MS)  /* the window at the end of a capture, at least */
#define TELL_NS (1000ll * 1000) /* a correction that changed by less is not worth a word */
#define NOWHERE UINT_MAX

struct timeline_source {
    unsigned node; /* NOWHERE: not known yet */
    char *name;    /* of it, owned */
    bool is_end;
    int64_t told; /* the correction that was logged */
};

/* ---- out ---- */

/* Where each target has a file of its own, each is to be whole for who reads it alone. */
static bool is_unwanted(struct timeline *timeline, const struct capture_packet *packet)
{
    const struct recorder *recorder = timeline->recorder;

    if (!timeline->dedup.entries || packet->interface >= recorder->interface_count)
        return false;
    const struct recorder_interface *interface = &recorder->interfaces[packet->interface];
    return dedup_is_repeated(&timeline->dedup, interface->linktype, packet,
                             recorder->apart ? (uintptr_t)interface->share : 0);
}

/* Segments are fetched whole. */
static bool is_of_another_time(const struct settings *settings, uint64_t time)
{
    return time < settings->since || (settings->until && time > settings->until);
}

static bool take(void *data, unsigned source, enum capture_item_kind kind,
                 const struct capture_item *item)
{
    struct timeline *timeline = data;

    (void)source;
    if (kind == CAPTURE_STATISTICS)
        return recorder_statistics(timeline->recorder, &item->statistics);
    if (is_of_another_time(timeline->settings, item->packet.timestamp))
        return true;
    /* What is not taken and comes again is seen at its interface again: it is kept, then too. */
    if (!is_unwanted(timeline, &item->packet))
        return recorder_packet(timeline->recorder, &item->packet);
    timeline->recorder->interfaces[item->packet.interface].share->duplicates++;
    return true;
}

/* ---- sources ---- */

int timeline_init(struct timeline *timeline, struct error *err)
{
    uint8_t key[SIPHASH_KEY];

    if (system_random(key, sizeof(key)) < 0)
        return error_set(err, ERROR_INTERNAL, "there is no randomness");
    merge_init(&timeline->merge, timeline->settings->reorder_window * MS, take, timeline);
    /* A secret is written by who is captured when its packets may be on their way already. */
    timeline->merge.patient = timeline->settings->keylog != NULL;
    if (timeline->settings->fetched)
        merge_fetch(&timeline->merge);
    keyring_seed(&timeline->recorder->keyring, key);
    clocks_init(&timeline->clocks, key);
    if (timeline->settings->dedup && dedup_init(&timeline->dedup, key) < 0)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    return 0;
}

void timeline_free(struct timeline *timeline)
{
    merge_free(&timeline->merge);
    clocks_free(&timeline->clocks);
    dedup_free(&timeline->dedup);
    for (size_t i = 0; i < timeline->count; i++)
        free(timeline->sources[i].name);
    free(timeline->sources);
    timeline->sources = NULL;
    timeline->count = 0;
}

int timeline_add(struct timeline *timeline)
{
    int number = merge_add(&timeline->merge);

    if (number < 0)
        return -1;
    if ((size_t)number == timeline->count) {
        struct timeline_source *sources =
            realloc(timeline->sources, (timeline->count + 1) * sizeof(*sources));

        if (!sources) {
            merge_remove(&timeline->merge, (unsigned)number);
            return -1;
        }
        timeline->sources = sources;
        timeline->count++;
    }
    timeline->sources[number] = (struct timeline_source){.node = NOWHERE};
    return number;
}

void timeline_begin(struct timeline *timeline, unsigned number, const char *node, bool is_end,
                    uint64_t now)
{
    struct timeline_source *source = &timeline->sources[number];
    int known;

    merge_open(&timeline->merge, number);
    if (source->node != NOWHERE || !timeline->settings->clock_sync || !*node)
        return;
    known = clocks_node(&timeline->clocks, node, now);
    source->name = strdup(node);
    if (known < 0 || !source->name)
        return;
    source->node = (unsigned)known;
    source->is_end = is_end;
    merge_correct(&timeline->merge, number, clocks_shift(&timeline->clocks, source->node));
}

void timeline_live(struct timeline *timeline, unsigned source)
{
    merge_live(&timeline->merge, source);
}

bool timeline_is_fetching(const struct timeline *timeline)
{
    return timeline->merge.fetching;
}

bool timeline_invites(struct timeline *timeline)
{
    return merge_invites(&timeline->merge);
}

void timeline_close(struct timeline *timeline, unsigned source)
{
    merge_close(&timeline->merge, source);
}

/* ---- clocks ---- */

static void tell(const struct timeline *timeline, struct timeline_source *source)
{
    int64_t shift = clocks_shift(&timeline->clocks, source->node);
    char text[100];

    /* Sources of one node come one after the other: it is told once. */
    for (size_t i = 0; i < timeline->count; i++)
        if (timeline->sources[i].node == source->node && timeline->sources[i].told == shift)
            source->told = shift;
    if (llabs(shift - source->told) < TELL_NS)
        return;
    source->told = shift;
    clocks_text(&timeline->clocks, source->node, text, sizeof(text));
    if (shift)
        log_info("the clock of node '%s' is %s (--clock-sync off leaves the times as they are)",
                 source->name, text);
    else
        log_info("the times of node '%s' are not corrected any more: its clock is %s", source->name,
                 text);
}

static void update_clocks(struct timeline *timeline, uint64_t now)
{
    if (!clocks_update(&timeline->clocks, now))
        return;
    for (size_t i = 0; i < timeline->count; i++) {
        struct timeline_source *source = &timeline->sources[i];

        if (source->node == NOWHERE)
            continue;
        merge_correct(&timeline->merge, (unsigned)i, clocks_shift(&timeline->clocks, source->node));
        tell(timeline, source);
    }
}

void timeline_clock(struct timeline *timeline, unsigned number, int64_t offset, int64_t bound,
                    uint64_t now)
{
    const struct timeline_source *source = &timeline->sources[number];

    if (source->node == NOWHERE)
        return;
    clocks_estimate(&timeline->clocks, source->node, offset, bound, now);
    update_clocks(timeline, now);
}

bool timeline_knows_clocks(const struct timeline *timeline, uint64_t now)
{
    return clocks_are_known(&timeline->clocks, now);
}

const char *timeline_clock_text(const struct timeline *timeline, unsigned source, char *out,
                                size_t size)
{
    *out = '\0';
    if (timeline->sources[source].node != NOWHERE)
        clocks_text(&timeline->clocks, timeline->sources[source].node, out, size);
    return out;
}

bool timeline_offset(const struct timeline *timeline, unsigned source, int64_t *ret_offset,
                     int64_t *ret_bound)
{
    return timeline->sources[source].node != NOWHERE &&
           clocks_offset(&timeline->clocks, timeline->sources[source].node, ret_offset, ret_bound);
}

/* ---- in ---- */

static void see(struct timeline *timeline, const struct timeline_source *source,
                const struct capture_packet *packet, uint64_t now)
{
    const struct recorder *recorder = timeline->recorder;

    if (source->node != NOWHERE && source->is_end && packet->interface < recorder->interface_count)
        clocks_see(&timeline->clocks, source->node,
                   recorder->interfaces[packet->interface].linktype, packet, now);
}

bool timeline_put(struct timeline *timeline, unsigned source, enum capture_item_kind kind,
                  const struct capture_item *item, uint64_t now)
{
    if (!merge_put(&timeline->merge, source, kind, item, now))
        return false;
    if (kind == CAPTURE_PACKET)
        see(timeline, &timeline->sources[source], &item->packet, now);
    return true;
}

bool timeline_step(struct timeline *timeline, uint64_t now)
{
    update_clocks(timeline, now);
    return merge_advance(&timeline->merge, now);
}

void timeline_flush(struct timeline *timeline)
{
    merge_flush(&timeline->merge);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

int timeline_wait(const struct timeline *timeline, uint64_t now)
{
    uint64_t due = merge_deadline(&timeline->merge);

    if (due != MERGE_NEVER)
        due = earlier(due, clocks_deadline(&timeline->clocks));
    if (due == MERGE_NEVER)
        return -1;
    return due > now ? (int)((due - now + MS - 1) / MS) : 1;
}

void timeline_end(struct timeline *timeline)
{
    merge_end(&timeline->merge, END_NS);
}

void timeline_remove(struct timeline *timeline, unsigned source)
{
    merge_remove(&timeline->merge, source);
    free(timeline->sources[source].name);
    timeline->sources[source] = (struct timeline_source){.node = NOWHERE};
}

bool timeline_holds(const struct timeline *timeline, unsigned source)
{
    return merge_holds(&timeline->merge, source) > 0;
}

bool timeline_is_empty(const struct timeline *timeline)
{
    return timeline->merge.held == 0;
}

uint64_t timeline_late(const struct timeline *timeline, unsigned source)
{
    return merge_late(&timeline->merge, source);
}
