/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/merge.h"

#include <stdlib.h>

#include "capture/lag.h"
#include "capture/slew.h"

/* Parts of the window. */
#define SILENT(window) ((window) / 2)     /* a source of which nothing has come for so long */
#define SPARE(window)  (2 * (window) / 5) /* may be so much slower than it was at its quickest */
#define MORE(window)   ((window) / 8)     /* or than at its slowest */
#define AHEAD(window)  ((window) / 2)  /* further in the future than this nothing is waited for */
#define BEGINS(window) ((window) / 5)  /* the way of what begins */
#define MIXED(window)  ((window) / 20) /* how far a source's items are out of order */
#define LOOK(window)   ((window) / 4)  /* between two looks at all lags */
#define STEP(window)   ((window) / 40) /* what the time tells is taken in such steps */

#define BEGUN_NS       (10 * 1000000000ll) /* at its start a source may be so much slower */
#define SHIFT_MAX      (INT64_MAX / 8)     /* 36 years: sums with lags do not overflow */

/* While what was recorded is fetched: */
#define FETCHED_MIXED_NS 10000000ull   /* how far a source's items are out of order */
#define LIVE_NS          2000000000ull /* the way of what is recorded from now on, at most */
#define FETCHED_MOST     4             /* times held_max: more is not held, whoever is waited for */

enum state {
    STARTING, /* nothing has come yet */
    RUNNING,
    CLOSED,
};

struct merge_source {
    enum state state;
    bool behind; /* too far to be waited for */
    bool live;   /* merge_live() */
    struct shelf_row row;
    struct slew slew;
    struct lag lag;    /* of what came in order */
    struct lag astray; /* and of what lay in the future */
    uint64_t high;     /* its latest time */
    uint64_t mark;     /* as its clock shows it: nothing earlier is expected */
    uint64_t came;     /* when its last item did */
    uint64_t late;
};

void merge_init(struct merge *merge, uint64_t window,
                bool (*take)(void *data, unsigned source, enum capture_item_kind kind,
                             const struct capture_item *item),
                void *data)
{
    *merge =
        (struct merge){.window = window, .held_max = MERGE_HELD_MAX, .take = take, .data = data};
}

void merge_free(struct merge *merge)
{
    shelf_free(&merge->shelf);
    for (size_t i = 0; i < merge->count; i++)
        free(merge->sources[i]);
    free(merge->sources);
    heap_free(&merge->heads);
    heap_free(&merge->marks);
    *merge = (struct merge){0};
}

/* ---- what is known of a source ---- */

static struct lag_range lag_of(const struct merge_source *source)
{
    struct lag_range range = lag_range(&source->lag);

    if (!range.known)
        range = lag_range(&source->astray);
    range.least -= source->slew.shift;
    range.most -= source->slew.shift;
    return range;
}

/* How long after its time a silent source's item may come. */
static int64_t patience(const struct merge *merge, const struct merge_source *source)
{
    const struct lag_range range = lag_of(source);
    int64_t most = merge->usual + (int64_t)merge->window;

    if (source->state == STARTING)
        return merge->usual + (int64_t)BEGINS(merge->window);
    if (!range.known)
        return most;
    int64_t slow = range.most + (int64_t)MORE(merge->window);
    int64_t quick = range.least + (int64_t)SPARE(merge->window);
    int64_t longest = slow > quick ? slow : quick;
    return longest < most ? longest : most;
}

/* What its items tell. Return: a corrected time: nothing earlier is expected of it. */
static uint64_t come_to(const struct merge_source *source)
{
    return slew_time(&source->slew, source->mark);
}

/* What the time tells. The same. */
static uint64_t waited_to(const struct merge *merge, const struct merge_source *source,
                          uint64_t now)
{
    if (merge->fetching)
        return source->live ? slew_add(now, -(int64_t)LIVE_NS) : 0;
    if (source->state == RUNNING && now - source->came < SILENT(merge->window))
        return 0;
    uint64_t time = slew_add(now, -patience(merge, source));
    uint64_t step = STEP(merge->window);
    return step ? time - time % step : time;
}

static void watch(struct merge *merge, unsigned number)
{
    const struct merge_source *source = merge->sources[number];

    if (source->state == CLOSED || source->behind)
        heap_remove(&merge->marks, number);
    else
        heap_set(&merge->marks, number, come_to(source));
}

/* The least lag of a source. What lies a little in the future may only seem to: all sources have
 * begun slowly. */
static struct lag_range least_lag(const struct merge_source *source)
{
    struct lag_range range = lag_of(source);
    const struct lag_range astray = lag_range(&source->astray);
    int64_t least = astray.least - source->slew.shift;

    if (astray.known && least < range.least && range.least - least < BEGUN_NS)
        range.least = least;
    return range;
}

static int64_t usual_lag(struct merge *merge, int64_t *lags)
{
    unsigned long known = 0;

    for (size_t i = 0; i < merge->count; i++) {
        const struct merge_source *source = merge->sources[i];
        struct lag_range range = {0};

        if (source && source->state == RUNNING)
            range = least_lag(source);
        if (range.known)
            lags[known++] = range.least;
    }
    merge->compared = known > 0;
    return known ? lag_of_most(lags, known, merge->window) : 0;
}

static bool is_behind(const struct merge *merge, const struct merge_source *source)
{
    const struct lag_range range = lag_of(source);

    return range.known && merge->compared && range.least - merge->usual > (int64_t)merge->window;
}

/* Who can be waited for? */
static void look_around(struct merge *merge, uint64_t now)
{
    int64_t *lags = malloc(merge->count * sizeof(*lags));

    if (!lags)
        return;
    merge->looked = now;
    merge->usual = usual_lag(merge, lags);
    free(lags);
    for (size_t i = 0; i < merge->count; i++) {
        struct merge_source *source = merge->sources[i];

        if (!source || source->state != RUNNING)
            continue;
        if (is_behind(merge, source) != source->behind) {
            source->behind = !source->behind;
            watch(merge, (unsigned)i);
        }
    }
}

/* Is there nobody to be waited for? */
static bool is_alone(const struct merge *merge)
{
    if (merge->open == 0)
        return true;
    if (merge->fetching)
        return merge->added <= 1;
    return !merge->patient && (merge->added <= 1 || (merge->open == 1 && !merge->ending));
}

/* ---- sources ---- */

static int number_for(struct merge *merge)
{
    size_t number = 0;

    while (number < merge->count && merge->sources[number])
        number++;
    if (number < merge->count)
        return (int)number;
    struct merge_source **sources =
        realloc(merge->sources, (merge->count + 1) * sizeof(struct merge_source *));
    if (!sources)
        return -1;
    sources[number] = NULL;
    merge->sources = sources;
    if (!heap_reserve(&merge->heads, number + 1) || !heap_reserve(&merge->marks, number + 1))
        return -1;
    merge->count++;
    return (int)number;
}

int merge_add(struct merge *merge)
{
    struct merge_source *source = calloc(1, sizeof(*source));
    int number = source ? number_for(merge) : -1;

    if (number < 0) {
        free(source);
        return -1;
    }
    source->state = CLOSED;
    merge->sources[number] = source;
    merge->added++;
    merge_open(merge, (unsigned)number);
    return number;
}

void merge_open(struct merge *merge, unsigned number)
{
    struct merge_source *source = merge->sources[number];

    if (source->state != CLOSED)
        return;
    source->state = STARTING;
    source->behind = false;
    source->lag = source->astray = (struct lag){0};
    source->mark = 0;
    merge->open++;
    watch(merge, number);
}

/* All that were waited for are live: from now on it is a merge as any other, which learns how long
 * the ways are from what comes now. */
static void end_fetching(struct merge *merge)
{
    for (size_t i = 0; i < merge->count; i++)
        if (merge->sources[i] && merge->sources[i]->state != CLOSED && !merge->sources[i]->live)
            return;
    if (!merge->fetching || merge->open == 0)
        return;
    merge->fetching = false;
    for (size_t i = 0; i < merge->count; i++)
        if (merge->sources[i])
            merge->sources[i]->lag = merge->sources[i]->astray = (struct lag){0};
}

void merge_close(struct merge *merge, unsigned number)
{
    struct merge_source *source = merge->sources[number];

    if (source->state == CLOSED)
        return;
    source->state = CLOSED;
    merge->open--;
    watch(merge, number);
    end_fetching(merge);
}

/* ---- what was recorded ---- */

void merge_fetch(struct merge *merge)
{
    merge->fetching = true;
}

void merge_live(struct merge *merge, unsigned number)
{
    merge->sources[number]->live = true;
    end_fetching(merge);
}

bool merge_invites(struct merge *merge)
{
    bool invites = merge->invites;

    merge->invites = false;
    return invites;
}

/* Is it not waited for, and more of it would be too much? */
static bool is_turned_away(struct merge *merge, unsigned number, size_t size, uint64_t now)
{
    const struct merge_source *source = merge->sources[number];

    if (!merge->fetching || merge->shelf.used + size <= merge->held_max)
        return false;
    merge_advance(merge, now);
    const struct heap_entry *head = heap_top(&merge->heads);
    if (merge->shelf.used + size <= merge->held_max || !head || come_to(source) < head->key)
        return false;
    merge->turned_away = true;
    return true;
}

void merge_remove(struct merge *merge, unsigned number)
{
    merge_close(merge, number);
    free(merge->sources[number]);
    merge->sources[number] = NULL;
    merge->added--;
}

void merge_correct(struct merge *merge, unsigned number, int64_t shift)
{
    struct merge_source *source = merge->sources[number];

    slew_set(&source->slew, shift > SHIFT_MAX    ? SHIFT_MAX
                            : shift < -SHIFT_MAX ? -SHIFT_MAX
                                                 : shift);
    if (source->row.first)
        heap_set(&merge->heads, number, slew_time(&source->slew, source->row.first->time));
    watch(merge, number);
}

size_t merge_holds(const struct merge *merge, unsigned source)
{
    return merge->sources[source]->row.count;
}

uint64_t merge_late(const struct merge *merge, unsigned source)
{
    return merge->sources[source]->late;
}

/* ---- out ---- */

static uint64_t *time_of(enum capture_item_kind kind, struct capture_item *item)
{
    return kind == CAPTURE_PACKET ? &item->packet.timestamp : &item->statistics.timestamp;
}

/* Without a copy where its time stays as it is. */
static bool give_as_it_is(struct merge *merge, unsigned number, enum capture_item_kind kind,
                          const struct capture_item *item)
{
    const struct slew *slew = &merge->sources[number]->slew;

    if (kind == CAPTURE_INTERFACE || (slew->shift == 0 && slew->excess == 0))
        return merge->take(merge->data, number, kind, item);
    if (kind == CAPTURE_PACKET)
        merge->item.packet = item->packet;
    else
        merge->item.statistics = item->statistics;
    *time_of(kind, &merge->item) = slew_time(slew, *time_of(kind, &merge->item));
    return merge->take(merge->data, number, kind, &merge->item);
}

/* Does it lie further in the future than could be waited for? */
static bool is_astray(const struct merge *merge, const struct merge_source *source, uint64_t time,
                      uint64_t arrived)
{
    return merge->compared && lag_between(arrived, time) - source->slew.shift <
                                  merge->usual - (int64_t)AHEAD(merge->window);
}

/* @time: its place, as the source's clock shows it */
static void note_given(struct merge *merge, struct merge_source *source,
                       enum capture_item_kind kind, uint64_t time, uint64_t arrived)
{
    uint64_t corrected = slew_time(&source->slew, time);
    bool astray = is_astray(merge, source, time, arrived);

    if (kind != CAPTURE_PACKET)
        return;
    if (astray || corrected < merge->given) {
        source->late++;
        merge->late++;
    } else {
        merge->given = corrected;
    }
    slew_given(&source->slew, time);
}

/* Gives out what was kept. Return: was it taken? */
static bool give(struct merge *merge, struct shelf_item *kept)
{
    unsigned number = kept->source;
    struct merge_source *source = merge->sources[number];

    shelf_get(kept, &merge->item);
    if (kept->kind != CAPTURE_INTERFACE)
        *time_of(kept->kind, &merge->item) =
            slew_time(&source->slew, *time_of(kept->kind, &merge->item));
    merge->refused = !merge->take(merge->data, number, kept->kind, &merge->item);
    if (merge->refused)
        return false;
    note_given(merge, source, kept->kind, kept->time, kept->arrived);
    merge->invites |= merge->turned_away;
    merge->turned_away = false;
    shelf_drop(&merge->shelf, &source->row, kept);
    merge->held--;
    if (source->row.first)
        heap_set(&merge->heads, number, slew_time(&source->slew, source->row.first->time));
    else
        heap_remove(&merge->heads, number);
    return true;
}

static struct shelf_item *first(const struct merge *merge)
{
    return merge->sources[heap_top(&merge->heads)->id]->row.first;
}

/* Is nothing expected before this time? What silent sources are taken to have come to is noted. */
static bool is_passed(struct merge *merge, uint64_t time, uint64_t now)
{
    const struct heap_entry *top;

    while ((top = heap_top(&merge->marks)) && top->key < time) {
        const struct merge_source *source = merge->sources[top->id];
        uint64_t come = come_to(source);

        if (come <= top->key)
            come = waited_to(merge, source, now);
        if (come <= top->key)
            return false;
        heap_set(&merge->marks, top->id, come);
    }
    return true;
}

/* Return: what is to be given out now; NULL: nothing. */
static struct shelf_item *due(struct merge *merge, uint64_t now)
{
    const struct heap_entry *top = heap_top(&merge->heads);
    struct shelf_item *oldest = merge->shelf.oldest;

    if (!top)
        return NULL;
    if (!merge->fetching && now - oldest->arrived >= merge->window) {
        const struct merge_source *source = merge->sources[oldest->source];

        return is_astray(merge, source, oldest->time, oldest->arrived) ? oldest : first(merge);
    }
    if (merge->patient)
        return NULL;
    /* Late already: whatever it waits for has gone. */
    return top->key < merge->given || is_passed(merge, top->key, now) ? first(merge) : NULL;
}

bool merge_flush(struct merge *merge)
{
    merge->refused = false;
    while (merge->held > 0)
        if (!give(merge, first(merge)))
            return false;
    return true;
}

bool merge_advance(struct merge *merge, uint64_t now)
{
    struct shelf_item *kept;

    if (is_alone(merge))
        return merge_flush(merge);
    merge->refused = false;
    if (!merge->fetching && merge->held > 0 &&
        (!merge->compared || now - merge->looked >= LOOK(merge->window)))
        look_around(merge, now);
    while ((kept = due(merge, now)))
        if (!give(merge, kept))
            return false;
    return true;
}

void merge_end(struct merge *merge, uint64_t window)
{
    merge->ending = true;
    if (merge->window > 0 && merge->window < window)
        merge->window = window;
}

/* Return: when the time will tell of the source what lets its marks pass @time. */
static uint64_t passes(const struct merge *merge, const struct merge_source *source, uint64_t time)
{
    uint64_t at = slew_add(time, patience(merge, source));

    at = slew_add(at, (int64_t)STEP(merge->window));
    if (source->state == RUNNING && at < source->came + SILENT(merge->window))
        at = source->came + SILENT(merge->window);
    return at;
}

uint64_t merge_deadline(const struct merge *merge)
{
    const struct heap_entry *head = heap_top(&merge->heads), *mark = heap_top(&merge->marks);

    if (merge->held == 0 || merge->refused)
        return MERGE_NEVER;
    if (merge->fetching)
        return mark && merge->sources[mark->id]->live
                   ? slew_add(head->key, (int64_t)(LIVE_NS + STEP(merge->window)))
                   : MERGE_NEVER;
    uint64_t deadline = merge->shelf.oldest->arrived + merge->window;
    if (!mark || merge->patient)
        return deadline;
    uint64_t at = passes(merge, merge->sources[mark->id], head->key);
    return at < deadline ? at : deadline;
}

/* ---- in ---- */

static void note_arrival(struct merge *merge, unsigned number, uint64_t now)
{
    struct merge_source *source = merge->sources[number];

    if (source->state == CLOSED)
        merge_open(merge, number);
    source->state = RUNNING;
    source->came = now;
}

/* What it says of its source's clock, once it was taken. */
static void learn(struct merge *merge, unsigned number, enum capture_item_kind kind, uint64_t time,
                  uint64_t now)
{
    struct merge_source *source = merge->sources[number];
    uint64_t mixed = merge->fetching ? FETCHED_MIXED_NS : MIXED(merge->window);
    uint64_t least = time > mixed ? time - mixed : 0;
    bool first = source->mark == 0;

    if (!merge->fetching)
        lag_add(&source->lag, now, lag_between(now, time));
    if (source->behind && !is_behind(merge, source)) {
        source->behind = false;
        watch(merge, number);
    }
    /* The statistics at the start tell that there is nothing before it. */
    if (kind == CAPTURE_PACKET && time > source->high)
        source->high = time;
    if ((kind == CAPTURE_PACKET || first) && least > source->mark)
        source->mark = least;
}

/* It lies in the future: has that changed what is usual? */
static bool is_understood(struct merge *merge, struct merge_source *source, uint64_t time,
                          uint64_t now)
{
    lag_add(&source->astray, now, lag_between(now, time));
    if (now - merge->looked < LOOK(merge->window))
        return false;
    look_around(merge, now);
    return !is_astray(merge, source, time, now);
}

/* Gives it out without regard to any order. */
static bool give_astray(struct merge *merge, unsigned number, enum capture_item_kind kind,
                        const struct capture_item *item, uint64_t time, uint64_t now)
{
    struct merge_source *source = merge->sources[number];

    if (!give_as_it_is(merge, number, kind, item))
        return false;
    note_given(merge, source, kind, time, now);
    return true;
}

/* Return: whether there is room on the shelf now. */
static bool make_room(struct merge *merge, size_t size)
{
    size_t most = merge->fetching ? FETCHED_MOST * merge->held_max : merge->held_max;

    while (merge->held > 0 && merge->shelf.used + size > most)
        if (!give(merge, first(merge)))
            return false;
    return true;
}

/* Where an item stands among those of its source: statistics behind the packets before them. */
static uint64_t place_of(const struct merge_source *source, enum capture_item_kind kind,
                         uint64_t time)
{
    const struct shelf_item *last = source->row.last;
    uint64_t latest = last && last->time > source->high ? last->time : source->high;

    if (kind == CAPTURE_PACKET || (kind == CAPTURE_STATISTICS && latest == 0))
        return time;
    return latest;
}

static bool keep(struct merge *merge, unsigned number, enum capture_item_kind kind,
                 const struct capture_item *item, uint64_t place, uint64_t now)
{
    struct merge_source *source = merge->sources[number];

    if (!make_room(merge, shelf_need(kind, item)))
        return false;
    if (!shelf_put(&merge->shelf, &source->row, number, place, now, kind, item))
        return merge_flush(merge) && give_as_it_is(merge, number, kind, item);
    merge->held++;
    if (source->row.first == merge->shelf.newest)
        heap_set(&merge->heads, number, slew_time(&source->slew, place));
    return true;
}

static bool put_timed(struct merge *merge, unsigned number, enum capture_item_kind kind,
                      const struct capture_item *item, uint64_t time, uint64_t now)
{
    struct merge_source *source = merge->sources[number];
    uint64_t place = place_of(source, kind, time);
    bool late = slew_time(&source->slew, place) < merge->given;
    bool taken;

    if (is_astray(merge, source, place, now) && !is_understood(merge, source, place, now))
        return give_astray(merge, number, kind, item, place, now);
    if (late && source->row.count == 0 && !merge->patient) {
        taken = give_as_it_is(merge, number, kind, item);
        if (taken)
            note_given(merge, source, kind, place, now);
    } else {
        taken = !is_turned_away(merge, number, shelf_need(kind, item), now) &&
                keep(merge, number, kind, item, place, now);
    }
    if (taken)
        learn(merge, number, kind, time, now);
    return taken;
}

/* Nothing is to be put in order. */
static bool pass(struct merge *merge, unsigned number, enum capture_item_kind kind,
                 const struct capture_item *item, uint64_t time, uint64_t now)
{
    struct merge_source *source = merge->sources[number];

    if (!merge_flush(merge) || !give_as_it_is(merge, number, kind, item))
        return false;
    if (kind == CAPTURE_INTERFACE)
        return true;
    slew_given(&source->slew, time);
    learn(merge, number, kind, time, now);
    return true;
}

bool merge_put(struct merge *merge, unsigned number, enum capture_item_kind kind,
               const struct capture_item *item, uint64_t now)
{
    const struct merge_source *source = merge->sources[number];
    uint64_t time = kind == CAPTURE_PACKET       ? item->packet.timestamp
                    : kind == CAPTURE_STATISTICS ? item->statistics.timestamp
                                                 : 0;

    note_arrival(merge, number, now);
    if (merge->refused && !merge_advance(merge, now))
        return false;
    if (is_alone(merge) || (merge->window == 0 && !merge->fetching))
        return pass(merge, number, kind, item, time, now);
    if (kind != CAPTURE_INTERFACE)
        return put_timed(merge, number, kind, item, time, now);
    if (source->row.count == 0)
        return merge->take(merge->data, number, kind, item);
    return keep(merge, number, kind, item, place_of(source, kind, 0), now);
}
