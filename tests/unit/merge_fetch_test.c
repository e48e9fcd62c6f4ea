/* SPDX-License-Identifier: Apache-2.0 */
/* The merge while what was recorded is fetched: simulated sources, read at any speed. */
#include "tests/unit/unit.h"

#include "capture/merge.h"

#define MS      1000000ull
#define SECOND  (1000 * MS)
#define HOUR    (3600 * SECOND)
#define START   (1790000000ull * SECOND)
#define NOW     (START + 24 * HOUR)
#define WINDOW  (200 * MS)
#define OUT_MAX 200000
#define LENGTH  1000 /* bytes of a packet */
#define HELD    ((size_t)512 << 10)
#define SOURCES 64

struct out {
    unsigned source;
    uint64_t time;
    uint32_t number; /* of those of its source */
};

struct fixture {
    struct merge merge;
    uint64_t now;
    struct out *out;
    size_t count;
    size_t most;   /* bytes that were held */
    size_t refuse; /* take nothing beyond so many */
};

static bool take(void *data, unsigned source, enum capture_item_kind kind,
                 const struct capture_item *item)
{
    struct fixture *fixture = data;
    struct out *out = &fixture->out[fixture->count];

    if (kind != CAPTURE_PACKET)
        return true;
    if (fixture->count >= fixture->refuse)
        return false;
    assert_true(fixture->count < OUT_MAX);
    *out = (struct out){.source = source, .time = item->packet.timestamp};
    memcpy(&out->number, item->packet.data, sizeof(out->number));
    fixture->count++;
    return true;
}

static struct fixture *begin(unsigned sources, size_t held)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    fixture->out = calloc(OUT_MAX, sizeof(*fixture->out));
    fixture->now = NOW;
    fixture->refuse = OUT_MAX;
    merge_init(&fixture->merge, WINDOW, take, fixture);
    fixture->merge.held_max = held;
    merge_fetch(&fixture->merge);
    for (unsigned i = 0; i < sources; i++)
        assert_int_equal(merge_add(&fixture->merge), i);
    return fixture;
}

static void end(struct fixture *fixture)
{
    assert_true(merge_flush(&fixture->merge));
    assert_int_equal(fixture->merge.shelf.used, 0);
    merge_free(&fixture->merge);
    free(fixture->out);
    free(fixture);
}

/* @time: nanoseconds since 1970. Return: was it taken? */
static bool offer(struct fixture *fixture, unsigned source, uint64_t time, uint32_t number)
{
    unsigned char data[LENGTH] = {0};
    struct capture_item item;

    memcpy(data, &number, sizeof(number));
    item.packet = (struct capture_packet){.timestamp = time,
                                          .captured_length = sizeof(data),
                                          .original_length = sizeof(data),
                                          .data = data};
    bool taken = merge_put(&fixture->merge, source, CAPTURE_PACKET, &item, fixture->now);
    if (fixture->merge.shelf.used > fixture->most)
        fixture->most = fixture->merge.shelf.used;
    return taken;
}

/* A packet of so many milliseconds after the start. */
static void packet(struct fixture *fixture, unsigned source, uint64_t time, uint32_t number)
{
    assert_true(offer(fixture, source, START + time * MS, number));
    merge_advance(&fixture->merge, fixture->now);
}

static void pass_time(struct fixture *fixture, uint64_t time)
{
    fixture->now += time;
    assert_true(merge_advance(&fixture->merge, fixture->now));
}

static bool is_in_order(const struct fixture *fixture)
{
    for (size_t i = 1; i < fixture->count; i++)
        if (fixture->out[i].time < fixture->out[i - 1].time)
            return false;
    return true;
}

/* ---- single ones ---- */

static void test_each_source_is_waited_for_however_long_it_takes(void **state)
{
    struct fixture *fixture = begin(3, MERGE_HELD_MAX);

    (void)state;
    packet(fixture, 0, 10, 0);
    packet(fixture, 1, 20, 0);
    assert_true(merge_deadline(&fixture->merge) == MERGE_NEVER);
    pass_time(fixture, HOUR);
    assert_int_equal(fixture->count, 0);
    packet(fixture, 2, 5, 0);
    pass_time(fixture, HOUR);
    packet(fixture, 2, 100, 1);
    packet(fixture, 0, 100, 1);
    packet(fixture, 1, 100, 1);
    assert_int_equal(fixture->count, 3);
    assert_int_equal(fixture->out[0].source, 2);
    assert_int_equal(fixture->out[1].source, 0);
    assert_int_equal(fixture->out[2].source, 1);
    end(fixture);
}

static void test_a_source_that_ends_is_not_waited_for(void **state)
{
    struct fixture *fixture = begin(3, MERGE_HELD_MAX);

    (void)state;
    packet(fixture, 0, 10, 0);
    packet(fixture, 0, 100, 1);
    packet(fixture, 1, 20, 0);
    packet(fixture, 1, 100, 1);
    assert_int_equal(fixture->count, 0);
    merge_close(&fixture->merge, 2); /* it has brought nothing at all */
    pass_time(fixture, 0);
    assert_int_equal(fixture->count, 2);
    merge_close(&fixture->merge, 0);
    pass_time(fixture, 0);
    assert_int_equal(fixture->count, 2); /* of the other an earlier one may come */
    packet(fixture, 1, 120, 2);
    assert_int_equal(fixture->count, 4);
    merge_close(&fixture->merge, 1);
    pass_time(fixture, 0);
    assert_int_equal(fixture->count, 5);
    assert_true(is_in_order(fixture));
    end(fixture);
}

static void test_packets_of_one_source_that_are_nearly_in_order_are_put_in_order(void **state)
{
    struct fixture *fixture = begin(2, MERGE_HELD_MAX);

    (void)state;
    merge_close(&fixture->merge, 1); /* also when it is the last of several */
    for (unsigned i = 0; i < 1000; i++)
        packet(fixture, 0, 100 + (i % 2 ? i - 4 : i), i);
    merge_close(&fixture->merge, 0);
    pass_time(fixture, 0);
    assert_int_equal(fixture->count, 1000);
    assert_true(is_in_order(fixture));
    end(fixture);
}

static void test_one_source_neither_waits_nor_is_held(void **state)
{
    struct fixture *fixture = begin(1, MERGE_HELD_MAX);

    (void)state;
    packet(fixture, 0, 10, 0);
    assert_int_equal(fixture->count, 1);
    assert_int_equal(fixture->most, 0);
    end(fixture);
}

static void test_who_is_ahead_is_turned_away_and_who_is_waited_for_never(void **state)
{
    struct fixture *fixture = begin(2, HELD);
    uint32_t taken = 0, number;

    (void)state;
    while (offer(fixture, 0, START + HOUR + taken * MS, taken))
        taken++;
    assert_true(taken > HELD / LENGTH / 2 && fixture->most <= HELD);
    assert_false(merge_invites(&fixture->merge));
    /* All that is waited for comes, although there is no room. */
    for (number = 0; number < 10 * taken; number++) {
        assert_true(offer(fixture, 1, START + number * MS, number));
        merge_advance(&fixture->merge, fixture->now);
    }
    assert_true(fixture->most <= HELD + 100 * LENGTH);
    assert_true(merge_invites(&fixture->merge));
    assert_false(merge_invites(&fixture->merge)); /* said once */
    assert_false(offer(fixture, 0, START + HOUR + taken * MS, taken));
    /* It becomes the one that is waited for, and the other is ahead. */
    for (number = 0; offer(fixture, 1, START + 2 * HOUR + number * MS, number); number++)
        merge_advance(&fixture->merge, fixture->now);
    assert_true(merge_invites(&fixture->merge));
    for (number = taken; number < 10 * taken; number++) {
        assert_true(offer(fixture, 0, START + HOUR + number * MS, number));
        merge_advance(&fixture->merge, fixture->now);
    }
    assert_true(fixture->most <= HELD + 100 * LENGTH);
    assert_true(is_in_order(fixture));
    end(fixture);
}

/* Whatever is on its way out when nothing can be taken is neither lost nor given out twice. */
static void test_what_is_not_taken_out_stays(void **state)
{
    struct fixture *fixture = begin(2, HELD);

    (void)state;
    fixture->refuse = 3;
    for (unsigned i = 0; i < 10; i++)
        offer(fixture, 0, START + i * 100 * MS, i);
    for (unsigned i = 0; i < 10; i++)
        offer(fixture, 1, START + 5 * SECOND + i * MS, i);
    assert_false(merge_advance(&fixture->merge, fixture->now));
    assert_int_equal(fixture->count, 3);
    fixture->refuse = OUT_MAX;
    merge_close(&fixture->merge, 0);
    merge_close(&fixture->merge, 1);
    assert_true(merge_advance(&fixture->merge, fixture->now));
    assert_int_equal(fixture->count, 20);
    assert_true(is_in_order(fixture));
    end(fixture);
}

/* All its packets have one time: no other source ever brings an earlier one, or so it seems. */
static void test_no_source_is_held_without_end(void **state)
{
    struct fixture *fixture = begin(2, HELD);

    (void)state;
    for (unsigned i = 0; i < 20 * HELD / LENGTH; i++)
        assert_true(offer(fixture, 0, START, i));
    assert_true(fixture->most <= 5 * HELD);
    end(fixture);
}

/* ---- live ---- */

static void test_who_is_live_and_silent_holds_up_nobody(void **state)
{
    struct fixture *fixture = begin(2, HELD);

    (void)state;
    packet(fixture, 0, 10, 0);
    merge_live(&fixture->merge, 0);
    for (unsigned i = 0; i < 10000; i++)
        packet(fixture, 1, 100 + i, i);
    assert_true(fixture->count > 9900 && fixture->merge.fetching);
    end(fixture);
}

/* What is being recorded now is on its way for some time. */
static void test_who_is_live_is_waited_for_no_longer_than_that_takes(void **state)
{
    struct fixture *fixture = begin(2, HELD);
    uint64_t now = (NOW - START) / MS;

    (void)state;
    packet(fixture, 0, 10, 0);
    merge_live(&fixture->merge, 0);
    packet(fixture, 1, now - 100, 0);
    packet(fixture, 1, now, 1);
    assert_int_equal(fixture->count, 1);
    packet(fixture, 0, now - 200, 1); /* in time */
    assert_int_equal(fixture->count, 1);
    while (fixture->count < 4) {
        uint64_t deadline = merge_deadline(&fixture->merge);

        assert_true(deadline > fixture->now && deadline < NOW + 3 * SECOND);
        pass_time(fixture, deadline - fixture->now);
        if (fixture->count == 3)
            packet(fixture, 1, now + 5000, 2); /* else an earlier one could come of it */
    }
    assert_true(is_in_order(fixture));
    end(fixture);
}

static void test_when_all_are_live_it_is_the_usual_merge(void **state)
{
    struct fixture *fixture = begin(3, HELD);
    uint64_t now = (NOW - START) / MS;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        packet(fixture, i, 10 + i, 0);
    merge_live(&fixture->merge, 0);
    merge_live(&fixture->merge, 1);
    assert_true(fixture->merge.fetching);
    merge_close(&fixture->merge, 2); /* it has ended, since its ring is frozen */
    assert_false(fixture->merge.fetching);
    pass_time(fixture, WINDOW);
    assert_int_equal(fixture->count, 3);
    packet(fixture, 0, now, 1);
    assert_true(merge_deadline(&fixture->merge) <= fixture->now + WINDOW);
    pass_time(fixture, WINDOW);
    assert_int_equal(fixture->count, 4);
    /* One that comes in now as another is cut, and is taken up again, changes nothing. */
    merge_close(&fixture->merge, 1);
    packet(fixture, 1, now + 300, 1);
    assert_false(fixture->merge.fetching);
    end(fixture);
}

/* ---- many ---- */

struct reel {
    uint32_t length, next;
    uint64_t time, step;
    bool turned_away, closed;
};

static uint32_t dice(void)
{
    static uint64_t seed = 1;

    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(seed >> 33);
}

/* Reads on, as far as it is taken. Return: did anything happen? */
static bool read_on(struct fixture *fixture, struct reel *reel, unsigned source, uint32_t most)
{
    bool moved = false;

    for (; most > 0 && reel->next < reel->length; most--) {
        reel->turned_away = !offer(fixture, source, reel->time, reel->next);
        if (reel->turned_away)
            return moved;
        moved = true;
        reel->next++;
        reel->time += dice() % reel->step;
    }
    if (reel->next == reel->length && !reel->closed) {
        reel->closed = moved = true;
        merge_close(&fixture->merge, source);
    }
    return moved;
}

/* One round of a run: something comes of one, then those that were turned away are asked. */
static void play(struct fixture *fixture, struct reel *reels)
{
    unsigned source = dice() % SOURCES;
    bool moved = false;

    if (!reels[source].turned_away)
        moved |= read_on(fixture, &reels[source], source, dice() % 200);
    assert_true(merge_advance(&fixture->merge, fixture->now));
    while (merge_invites(&fixture->merge) || moved) {
        moved = false;
        for (unsigned i = 0; i < SOURCES; i++)
            if (reels[i].turned_away)
                moved |= read_on(fixture, &reels[i], i, UINT32_MAX);
        assert_true(merge_advance(&fixture->merge, fixture->now));
    }
}

/* Short and long, dense and sparse ones, that begin hours apart; nothing else moves them on than
 * what is given out. */
static void test_many_sources_in_little_memory_in_order_and_to_their_ends(void **state)
{
    struct fixture *fixture = begin(SOURCES, HELD);
    struct reel reels[SOURCES] = {0};
    uint32_t next[SOURCES] = {0};
    size_t whole = 0, rounds = 0;

    (void)state;
    for (unsigned i = 0; i < SOURCES; i++) {
        reels[i] = (struct reel){.length = i % 7 ? dice() % 2000 : 0,
                                 .time = START + dice() % 3 * HOUR,
                                 .step = (i % 5 ? 50 : 5000) * MS};
        whole += reels[i].length;
    }
    for (size_t open = 1; open > 0; rounds++) {
        open = 0;
        play(fixture, reels);
        for (unsigned i = 0; i < SOURCES; i++)
            open += !reels[i].closed;
        assert_true(rounds < 1000000);
    }
    assert_int_equal(fixture->count, whole);
    assert_true(is_in_order(fixture));
    for (size_t i = 0; i < fixture->count; i++)
        assert_int_equal(fixture->out[i].number, next[fixture->out[i].source]++);
    assert_true(fixture->most <= HELD + SOURCES * ((size_t)8 << 10));
    end(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_source_is_waited_for_however_long_it_takes),
        cmocka_unit_test(test_a_source_that_ends_is_not_waited_for),
        cmocka_unit_test(test_packets_of_one_source_that_are_nearly_in_order_are_put_in_order),
        cmocka_unit_test(test_one_source_neither_waits_nor_is_held),
        cmocka_unit_test(test_who_is_ahead_is_turned_away_and_who_is_waited_for_never),
        cmocka_unit_test(test_what_is_not_taken_out_stays),
        cmocka_unit_test(test_no_source_is_held_without_end),
        cmocka_unit_test(test_who_is_live_and_silent_holds_up_nobody),
        cmocka_unit_test(test_who_is_live_is_waited_for_no_longer_than_that_takes),
        cmocka_unit_test(test_when_all_are_live_it_is_the_usual_merge),
        cmocka_unit_test(test_many_sources_in_little_memory_in_order_and_to_their_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
