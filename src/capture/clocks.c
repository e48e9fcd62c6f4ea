/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/clocks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/identity.h"
#include "common/pcapng.h"
#include "pcapng/item.h"

#define MS             1000000
#define DRIFT          10000           /* clocks drift apart by a part in so many: 100 ppm */
#define FAR            (INT64_MAX / 8) /* ns, 36 years: no clock is believed to be so far off */
#define BOUND_MAX      (3600ll * 1000 * MS)
#define PAIRS_MAX      1024
#define SIGHTS         4096 /* of the table, in rows of */
#define ROW            4
#define SIGHT_NS       (2000ull * MS) /* a packet that is older is another one */
#define PAYLOAD        64             /* bytes that tell a packet from others */
#define UPDATE_NS      (5ull * MS)    /* between two updates */
#define EAGER_NS       (5000ull * MS) /* so long every packet is looked at */
#define CYCLE_NS       (1000ull * MS) /* later, those in the first part of this: */
#define LOOK_NS        (200ull * MS)
#define NEW_NS         (1000ull * MS)  /* within which a node's first answer is expected */
#define DISTRUST_NS    (60000ull * MS) /* for which a node is not believed, after */
#define CONTRADICTIONS 4               /* of such a time, if no other has as many */
#define ROUNDS_MAX     200

struct range {
    int64_t least, most;
};

struct clock_node {
    char *name;
    bool known;          /* by answers: */
    struct range told;   /* what it is ahead of ours, */
    uint64_t told_at;    /* then */
    bool bounded;        /* by anything: */
    struct range bounds; /* the same, by all that is known */
    int64_t shift;
    uint64_t added;
    unsigned contradictions;
    uint64_t contradicted; /* when they began to be counted */
    bool distrusted;       /* its packets bound nothing */
};

/* The clock of b is ahead of that of a by `most` at most. */
struct clock_pair {
    unsigned a, b;
    int64_t most;
    uint64_t at;
};

struct clock_sight {
    uint64_t hash;
    uint64_t time; /* as the node stamped it */
    uint64_t now;  /* when it came to us; 0: nothing is here */
    unsigned node;
    uint8_t direction; /* PCAPNG_FLAG_*BOUND */
    bool matched;      /* the other end has seen it */
};

void clocks_init(struct clocks *clocks, const uint8_t key[SIPHASH_KEY])
{
    *clocks = (struct clocks){0};
    memcpy(clocks->key, key, SIPHASH_KEY);
}

void clocks_free(struct clocks *clocks)
{
    for (size_t i = 0; i < clocks->count; i++)
        free(clocks->nodes[i].name);
    free(clocks->nodes);
    free(clocks->pairs);
    free(clocks->sights);
    *clocks = (struct clocks){0};
}

int clocks_node(struct clocks *clocks, const char *name, uint64_t now)
{
    for (size_t i = 0; i < clocks->count; i++)
        if (strcmp(clocks->nodes[i].name, name) == 0)
            return (int)i;
    struct clock_node *nodes = realloc(clocks->nodes, (clocks->count + 1) * sizeof(*nodes));
    if (!nodes)
        return -1;
    clocks->nodes = nodes;
    nodes[clocks->count] = (struct clock_node){.name = strdup(name), .added = now};
    if (!nodes[clocks->count].name)
        return -1;
    clocks->eager_until = now + EAGER_NS;
    return (int)clocks->count++;
}

/* ---- what is known ---- */

static bool is_new(const struct clock_node *node, uint64_t now)
{
    return !node->known && now - node->added < NEW_NS;
}

bool clocks_are_known(const struct clocks *clocks, uint64_t now)
{
    for (size_t i = 0; i < clocks->count; i++)
        if (is_new(&clocks->nodes[i], now))
            return false;
    return true;
}

static int64_t drift(uint64_t since, uint64_t now)
{
    uint64_t drifted = (now > since ? now - since : 0) / DRIFT;

    return drifted > FAR ? FAR : (int64_t)drifted;
}

/* What was told, as far as it still holds. */
static struct range told(const struct clock_node *node, uint64_t now)
{
    int64_t drifted = drift(node->told_at, now);

    if (!node->known)
        return (struct range){-FAR, FAR};
    return (struct range){node->told.least - drifted, node->told.most + drifted};
}

void clocks_estimate(struct clocks *clocks, unsigned number, int64_t offset, int64_t bound,
                     uint64_t now)
{
    struct clock_node *node = &clocks->nodes[number];
    struct range before = told(node, now);

    if (offset > FAR / 4 || offset < -FAR / 4 || bound < 0 || bound > BOUND_MAX)
        return;
    struct range both = {offset - bound, offset + bound};
    if (before.least >= both.least && before.most <= both.most)
        return;
    if (before.least > both.least && before.least <= both.most)
        both.least = before.least;
    if (before.most < both.most && before.most >= both.least)
        both.most = before.most;
    node->told = both;
    node->told_at = now;
    node->known = true;
    clocks->changed = true;
    clocks->updated = 0; /* answers are rare, and are waited for */
}

static struct clock_pair *pair_of(struct clocks *clocks, unsigned a, unsigned b)
{
    for (size_t i = 0; i < clocks->pair_count; i++)
        if (clocks->pairs[i].a == a && clocks->pairs[i].b == b)
            return &clocks->pairs[i];
    if (clocks->pair_count == PAIRS_MAX)
        return NULL;
    struct clock_pair *pairs =
        realloc(clocks->pairs, (clocks->pair_count + 1) * sizeof(struct clock_pair));
    if (!pairs)
        return NULL;
    clocks->pairs = pairs;
    pairs[clocks->pair_count] = (struct clock_pair){.a = a, .b = b, .most = FAR};
    return &pairs[clocks->pair_count++];
}

/* A packet has left a at @sent, and come to b at @received. */
static void learn_from_pair(struct clocks *clocks, unsigned a, unsigned b, uint64_t sent,
                            uint64_t received, uint64_t now)
{
    uint64_t distance = received > sent ? received - sent : sent - received;

    if (distance > FAR / 4 || clocks->nodes[a].distrusted || clocks->nodes[b].distrusted)
        return;
    int64_t most = received > sent ? (int64_t)distance : -(int64_t)distance;
    /* It would have come before it left: it is not the same packet. */
    if (most < told(&clocks->nodes[b], now).least - told(&clocks->nodes[a], now).most)
        return;
    struct clock_pair *pair = pair_of(clocks, a, b);
    if (!pair || most > pair->most + drift(pair->at, now))
        return;
    clocks->changed |= most < pair->most;
    pair->most = most;
    pair->at = now;
}

/* ---- packets that are seen twice ---- */

/* One node's packets of a moment and another's come here within less than is looked at in one go.
 */
static bool is_looking(const struct clocks *clocks, uint64_t now)
{
    return clocks->count > 1 && (now < clocks->eager_until || now % CYCLE_NS < LOOK_NS);
}

static struct clock_sight *find_sight(struct clocks *clocks, uint64_t hash, uint64_t now)
{
    struct clock_sight *row = &clocks->sights[hash % (SIGHTS / ROW) * ROW], *oldest = row;

    for (size_t i = 0; i < ROW; i++) {
        if (row[i].hash == hash && row[i].now && now - row[i].now < SIGHT_NS)
            return &row[i];
        if (row[i].now < oldest->now)
            oldest = &row[i];
    }
    *oldest = (struct clock_sight){0};
    return oldest;
}

/* Only the first that the other end has of it: what is the same and comes later was sent again. */
static void compare(struct clocks *clocks, struct clock_sight *first,
                    const struct clock_sight *second)
{
    bool outward = first->direction == PCAPNG_FLAG_OUTBOUND;
    const struct clock_sight *sent = outward ? first : second;
    const struct clock_sight *received = outward ? second : first;

    if (first->matched || first->node == second->node || first->direction == second->direction)
        return;
    first->matched = true;
    learn_from_pair(clocks, sent->node, received->node, sent->time, received->time, second->now);
}

void clocks_see(struct clocks *clocks, unsigned node, uint16_t linktype,
                const struct capture_packet *packet, uint64_t now)
{
    uint32_t direction = packet->flags & 3;
    struct identity identity;

    if (!is_looking(clocks, now) ||
        (direction != PCAPNG_FLAG_INBOUND && direction != PCAPNG_FLAG_OUTBOUND))
        return;
    if (!identity_of(clocks->key, linktype, packet, PAYLOAD, &identity) || !identity.strong)
        return;
    if (!clocks->sights)
        clocks->sights = calloc(SIGHTS, sizeof(struct clock_sight));
    if (!clocks->sights)
        return;
    const struct clock_sight sight = {.hash = identity.hash,
                                      .time = packet->timestamp,
                                      .now = now,
                                      .node = node,
                                      .direction = (uint8_t)direction};
    struct clock_sight *first = find_sight(clocks, identity.hash, now);
    if (first->now)
        compare(clocks, first, &sight);
    else
        *first = sight;
}

/* ---- what follows from it ---- */

/* Return: does this bound on b (if @of_b) or on a change anything? */
static bool tighten(struct range *a, struct range *b, int64_t most)
{
    bool changed = false;

    if (a->most < FAR && a->most + most < b->most) {
        b->most = a->most + most;
        changed = true;
    }
    if (b->least > -FAR && b->least - most > a->least) {
        a->least = b->least - most;
        changed = true;
    }
    return changed;
}

static bool is_empty(const struct range *range)
{
    return range->least > range->most;
}

/*
 * Carries the bounds along all pairs. Return: a pair that contradicts the rest; NULL: none does.
 */
static struct clock_pair *carry(struct clocks *clocks, struct range *ranges, uint64_t now)
{
    bool changed = true;

    for (unsigned round = 0; changed; round++) {
        changed = false;
        for (size_t i = 0; i < clocks->pair_count; i++) {
            struct clock_pair *pair = &clocks->pairs[i];
            struct range *a = &ranges[pair->a], *b = &ranges[pair->b];
            bool tighter = tighten(a, b, pair->most + drift(pair->at, now));

            /* Bounds that go round in a circle and become tighter each time never end. */
            if (tighter && (is_empty(a) || is_empty(b) || round > ROUNDS_MAX))
                return pair;
            changed |= tighter;
        }
    }
    return NULL;
}

static void forget_pairs_of(struct clocks *clocks, unsigned a, unsigned b)
{
    size_t kept = 0;

    for (size_t i = 0; i < clocks->pair_count; i++) {
        const struct clock_pair pair = clocks->pairs[i];

        if (!((pair.a == a && (pair.b == b || clocks->nodes[a].distrusted)) ||
              (pair.b == a && (pair.a == b || clocks->nodes[a].distrusted))))
            clocks->pairs[kept++] = pair;
    }
    clocks->pair_count = kept;
}

/* Who has taken part in more contradictions than anybody else lies, or its clock jumps. */
static void judge(struct clocks *clocks, unsigned number, uint64_t now)
{
    struct clock_node *node = &clocks->nodes[number];
    unsigned others = 0;

    for (size_t i = 0; i < clocks->count; i++)
        if (i != number && clocks->nodes[i].contradictions > others)
            others = clocks->nodes[i].contradictions;
    if (node->contradictions < CONTRADICTIONS || node->contradictions <= others)
        return;
    node->distrusted = true;
    node->contradicted = now;
}

static void count_contradiction(struct clock_node *node, uint64_t now)
{
    if (node->contradictions == 0)
        node->contradicted = now;
    node->contradictions++;
}

/* Its bounds are learned again. */
static void drop(struct clocks *clocks, const struct clock_pair *pair, uint64_t now)
{
    unsigned a = pair->a, b = pair->b;

    count_contradiction(&clocks->nodes[a], now);
    count_contradiction(&clocks->nodes[b], now);
    judge(clocks, a, now);
    judge(clocks, b, now);
    forget_pairs_of(clocks, a, b);
    forget_pairs_of(clocks, b, a);
}

/* What was held against a node long ago is not any more. */
static void forgive(struct clocks *clocks, uint64_t now)
{
    for (size_t i = 0; i < clocks->count; i++) {
        struct clock_node *node = &clocks->nodes[i];

        if (node->contradictions > 0 && now - node->contradicted >= DISTRUST_NS) {
            node->contradictions = 0;
            node->distrusted = false;
        }
    }
}

/* Bounds of all nodes. Pairs that contradict are dropped. */
static void bound_all(struct clocks *clocks, struct range *ranges, uint64_t now)
{
    const struct clock_pair *wrong;

    do {
        for (size_t i = 0; i < clocks->count; i++)
            ranges[i] = told(&clocks->nodes[i], now);
        wrong = carry(clocks, ranges, now);
        if (wrong)
            drop(clocks, wrong, now);
    } while (wrong);
    for (size_t i = 0; i < clocks->count; i++) {
        struct clock_node *node = &clocks->nodes[i];

        node->bounded = ranges[i].least > -FAR && ranges[i].most < FAR;
        node->bounds = ranges[i];
    }
}

/* ---- the time that is kept ---- */

static bool contains(const struct range *range, int64_t time)
{
    return range->least <= time && time <= range->most;
}

/* Return: how many nodes' clocks may show @time. */
static size_t agreeing(const struct clocks *clocks, int64_t time)
{
    size_t count = 0;

    for (size_t i = 0; i < clocks->count; i++) {
        const struct clock_node *node = &clocks->nodes[i];

        count += node->bounded && contains(&node->bounds, time);
    }
    return count;
}

/* Return: how many nodes may agree or not. */
static size_t voters(const struct clocks *clocks, uint64_t now)
{
    size_t count = 0;

    for (size_t i = 0; i < clocks->count; i++)
        count += clocks->nodes[i].bounded || is_new(&clocks->nodes[i], now);
    return count;
}

static int64_t middle(const struct range *range)
{
    return range->least + (range->most - range->least) / 2;
}

/* Return: the middle of what all nodes agree on that may show @time. */
static int64_t agreed(const struct clocks *clocks, int64_t time)
{
    struct range common = {-FAR, FAR};

    for (size_t i = 0; i < clocks->count; i++) {
        const struct range *bounds = &clocks->nodes[i].bounds;

        if (!clocks->nodes[i].bounded || !contains(bounds, time))
            continue;
        common.least = bounds->least > common.least ? bounds->least : common.least;
        common.most = bounds->most < common.most ? bounds->most : common.most;
    }
    return middle(&common);
}

/* The node whose clock is kept stays as it is: more is known of it than before. */
static void follow_anchor(struct clocks *clocks)
{
    const struct range *bounds;

    if (!clocks->anchored)
        return;
    bounds = &clocks->nodes[clocks->anchor].bounds;
    if (!clocks->nodes[clocks->anchor].bounded || contains(bounds, clocks->time))
        return;
    clocks->time = clocks->time < bounds->least ? bounds->least : bounds->most;
}

/*
 * The time that is kept stays, unless the greater part of the nodes agree on another: then it is
 * the nearest that most of them agree on, found by the ends of their ranges.
 */
static void choose_time(struct clocks *clocks, uint64_t now)
{
    size_t half = voters(clocks, now) / 2, most = half, number = 0;
    int64_t best = 0;

    if (agreeing(clocks, clocks->time) > half)
        return;
    for (size_t i = 0; i < 2 * clocks->count; i++) {
        const struct clock_node *node = &clocks->nodes[i / 2];
        int64_t time = i % 2 ? node->bounds.least : node->bounds.most;
        size_t count = node->bounded ? agreeing(clocks, time) : 0;
        bool nearer = llabs(time - clocks->time) < llabs(best - clocks->time);

        if (count > most || (count == most && most > half && nearer)) {
            most = count;
            best = time;
            number = i / 2;
        }
    }
    if (most == half) {
        follow_anchor(clocks);
        return;
    }
    clocks->time = agreed(clocks, best);
    clocks->anchor = number;
    clocks->anchored = true;
}

/* ---- corrections ---- */

/* Nothing but that is possible for this node any more; what follows for the others? */
static bool settle(struct clocks *clocks, struct range *ranges, unsigned number, uint64_t now)
{
    struct clock_node *node = &clocks->nodes[number];
    struct range *range = &ranges[number];
    int64_t place = clocks->time - node->shift;
    bool changed = false;

    if (!contains(range, place) && range->least > -FAR && range->most < FAR) {
        place = middle(range);
        changed = node->shift != clocks->time - place;
        node->shift = clocks->time - place;
    }
    if (contains(range, place)) {
        range->least = range->most = place;
        carry(clocks, ranges, now);
    }
    return changed;
}

uint64_t clocks_deadline(const struct clocks *clocks)
{
    if (!clocks->changed)
        return CLOCKS_NEVER;
    return clocks->updated ? clocks->updated + UPDATE_NS : 0;
}

bool clocks_update(struct clocks *clocks, uint64_t now)
{
    bool changed = false;

    if (clocks->count == 0 || now < clocks_deadline(clocks))
        return false;
    struct range *ranges = calloc(clocks->count, sizeof(*ranges));
    if (!ranges)
        return false;
    forgive(clocks, now);
    bound_all(clocks, ranges, now);
    choose_time(clocks, now);
    for (unsigned i = 0; i < clocks->count; i++)
        changed |= settle(clocks, ranges, i, now);
    free(ranges);
    clocks->changed = false;
    clocks->updated = now;
    return changed;
}

int64_t clocks_shift(const struct clocks *clocks, unsigned node)
{
    return clocks->nodes[node].shift;
}

bool clocks_offset(const struct clocks *clocks, unsigned number, int64_t *ret_offset,
                   int64_t *ret_bound)
{
    const struct clock_node *node = &clocks->nodes[number];

    if (!node->bounded)
        return false;
    *ret_offset = middle(&node->bounds);
    *ret_bound = (node->bounds.most - node->bounds.least + 1) / 2;
    return true;
}

/* "50.104 ms ahead" */
static int add_difference(char *out, size_t size, int64_t difference)
{
    uint64_t us = (uint64_t)(llabs(difference) + 500) / 1000;

    return snprintf(out, size, "%" PRIu64 ".%03" PRIu64 " ms %s", us / 1000, us % 1000,
                    difference < 0 ? "behind" : "ahead");
}

const char *clocks_text(const struct clocks *clocks, unsigned node, char *out, size_t size)
{
    int64_t shift = clocks->nodes[node].shift, offset, bound;
    char difference[60];

    *out = '\0';
    if (!clocks_offset(clocks, node, &offset, &bound))
        return out;
    add_difference(difference, sizeof(difference), shift ? -shift : offset);
    snprintf(out, size, "%s (± %" PRId64 ".%03" PRId64 " ms)%s", difference, bound / MS,
             bound % MS / 1000, shift ? ", corrected" : "");
    return out;
}
