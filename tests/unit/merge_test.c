/* SPDX-License-Identifier: Apache-2.0 */
/* Simulated sources: what is captured when, and when it arrives. Nothing here looks at a clock. */
#include "tests/unit/unit.h"

#include "capture/merge.h"

#define MS      1000000ull
#define SECOND  (1000 * MS)
#define START   (1790000000ull * SECOND)
#define WINDOW  (200 * MS)
#define SOURCES 20
#define OUT_MAX 200000

/* ---- a stream, and what comes out of it ---- */

struct out {
    unsigned source;
    enum capture_item_kind kind;
    uint64_t time;
    uint64_t given; /* when it came out */
    uint32_t mark;  /* what the packet holds */
    uint64_t received;
};

struct fixture {
    struct merge merge;
    uint64_t now;
    struct out *out; /* OUT_MAX of them */
    size_t count;
    const struct capture_item *same; /* the item that came out last, if it was not copied */
    size_t refuse;                   /* take nothing beyond so many */
};

static bool take(void *data, unsigned source, enum capture_item_kind kind,
                 const struct capture_item *item)
{
    struct fixture *fixture = data;
    struct out *out = &fixture->out[fixture->count];

    if (fixture->count >= fixture->refuse && kind == CAPTURE_PACKET)
        return false;
    assert_true(fixture->count < OUT_MAX);
    *out = (struct out){.source = source, .kind = kind, .given = fixture->now};
    if (kind == CAPTURE_PACKET) {
        out->time = item->packet.timestamp;
        if (item->packet.captured_length >= 4)
            memcpy(&out->mark, item->packet.data, 4);
    } else if (kind == CAPTURE_STATISTICS) {
        out->time = item->statistics.timestamp;
        out->received = item->statistics.received;
    }
    fixture->same = item;
    fixture->count++;
    return true;
}

static struct fixture *begin(uint64_t window, unsigned sources)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    fixture->out = calloc(OUT_MAX, sizeof(*fixture->out));
    fixture->now = START;
    fixture->refuse = OUT_MAX;
    merge_init(&fixture->merge, window, take, fixture);
    for (unsigned i = 0; i < sources; i++)
        assert_int_equal(merge_add(&fixture->merge), i);
    return fixture;
}

static void end(struct fixture *fixture)
{
    assert_true(merge_flush(&fixture->merge));
    assert_int_equal(fixture->merge.held, 0);
    assert_int_equal(fixture->merge.shelf.used, 0);
    merge_free(&fixture->merge);
    free(fixture->out);
    free(fixture);
}

/* The time goes on to this, and what is due meanwhile comes out when it is. */
static void wait_until(struct fixture *fixture, uint64_t until)
{
    uint64_t deadline, last = 0;

    while ((deadline = merge_deadline(&fixture->merge)) <= until) {
        /* It may be a little early, but never stands still. */
        if (deadline <= fixture->now && last == deadline)
            deadline = fixture->now + MS;
        last = deadline;
        if (deadline > until)
            break;
        fixture->now = deadline > fixture->now ? deadline : fixture->now;
        if (!merge_advance(&fixture->merge, fixture->now))
            break;
    }
    fixture->now = until > fixture->now ? until : fixture->now;
}

static bool offer(struct fixture *fixture, unsigned source, uint64_t time, uint32_t mark)
{
    struct capture_item item;
    unsigned char data[64] = {0};

    memcpy(data, &mark, sizeof(mark));
    item.packet = (struct capture_packet){
        .timestamp = time, .captured_length = 64, .original_length = 64, .data = data};
    bool taken = merge_put(&fixture->merge, source, CAPTURE_PACKET, &item, fixture->now);
    memset(data, 0xee, sizeof(data));
    memset(&item, 0xee, sizeof(item));
    return taken;
}

/* A packet arrives now; @time: milliseconds behind the start */
static void packet(struct fixture *fixture, unsigned source, uint64_t time, uint32_t mark)
{
    assert_true(offer(fixture, source, START + time * MS, mark));
    merge_advance(&fixture->merge, fixture->now);
}

static void statistics(struct fixture *fixture, unsigned source, uint64_t time, uint64_t received)
{
    static struct capture_item item;

    item.statistics = (struct capture_statistics){
        .timestamp = START + time * MS, .received = received, .comment = "said"};
    assert_true(merge_put(&fixture->merge, source, CAPTURE_STATISTICS, &item, fixture->now));
    memset(&item, 0xee, sizeof(item));
    merge_advance(&fixture->merge, fixture->now);
}

static void interface(struct fixture *fixture, unsigned source)
{
    static struct capture_item item;

    item.interface = (struct capture_interface){.linktype = 1};
    assert_true(merge_put(&fixture->merge, source, CAPTURE_INTERFACE, &item, fixture->now));
}

static size_t backwards(const struct fixture *fixture)
{
    uint64_t latest = 0;
    size_t count = 0;

    for (size_t i = 0; i < fixture->count; i++) {
        if (fixture->out[i].kind != CAPTURE_PACKET)
            continue;
        count += fixture->out[i].time < latest;
        latest = fixture->out[i].time > latest ? fixture->out[i].time : latest;
    }
    return count;
}

static uint64_t late_of_all(const struct fixture *fixture)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < fixture->merge.count; i++)
        sum += merge_late(&fixture->merge, i);
    return sum;
}

/* ---- single ones ---- */

static void test_one_source_neither_waits_nor_is_copied(void **state)
{
    struct fixture *fixture = begin(WINDOW, 1);
    unsigned char data[100];
    const struct capture_item item = {
        .packet = {.timestamp = START, .captured_length = 100, .data = data}};

    (void)state;
    assert_true(merge_put(&fixture->merge, 0, CAPTURE_PACKET, &item, START));
    assert_ptr_equal(fixture->same, &item);
    assert_int_equal(fixture->merge.held, 0);
    assert_true(merge_deadline(&fixture->merge) == MERGE_NEVER);
    /* As the agent gives them, whatever their times. */
    packet(fixture, 0, 50, 1);
    packet(fixture, 0, 40, 2);
    assert_int_equal(fixture->out[2].mark, 2);
    assert_int_equal(late_of_all(fixture), 0);
    end(fixture);
}

static void test_an_earlier_packet_of_another_source_comes_first(void **state)
{
    struct fixture *fixture = begin(WINDOW, 2);

    (void)state;
    packet(fixture, 0, 10, 1);
    packet(fixture, 1, 5, 2);
    packet(fixture, 0, 40, 3);
    packet(fixture, 1, 45, 4);
    assert_int_equal(fixture->count, 2);
    assert_int_equal(fixture->out[0].mark, 2);
    assert_int_equal(fixture->out[1].mark, 1);
    end(fixture);
}

static void test_who_has_brought_something_later_is_not_waited_for(void **state)
{
    struct fixture *fixture = begin(WINDOW, 2);

    (void)state;
    packet(fixture, 0, 10, 1);
    assert_int_equal(fixture->count, 0);
    packet(fixture, 1, 100, 2);
    packet(fixture, 0, 60, 3);
    assert_int_equal(fixture->count, 1); /* no time had to pass */
    end(fixture);
}

/* The source has brought packets all the time, and stops. */
static void test_a_slow_source_is_waited_for_the_window_at_most(void **state)
{
    struct fixture *fixture = begin(WINDOW, 2);

    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        fixture->now = START + i * 10 * MS;
        packet(fixture, 0, i * 10, i);
        packet(fixture, 1, i * 10, i);
    }
    size_t before = fixture->count;
    for (unsigned i = 50; i < 100; i++) {
        wait_until(fixture, START + i * 10 * MS);
        packet(fixture, 0, i * 10, i);
    }
    wait_until(fixture, START + 1000 * MS + WINDOW);
    assert_int_equal(fixture->count, 150);
    for (size_t i = before; i < fixture->count; i++)
        assert_true(fixture->out[i].given - fixture->out[i].time <= WINDOW);
    end(fixture);
}

static void test_a_silent_source_does_not_make_the_others_wait_the_whole_window(void **state)
{
    struct fixture *fixture = begin(WINDOW, 3);

    (void)state;
    statistics(fixture, 2, 0, 0);
    for (unsigned i = 0; i < 400; i++) {
        wait_until(fixture, START + i * 5 * MS);
        packet(fixture, i % 2, i * 5, i);
    }
    wait_until(fixture, START + 3 * SECOND);
    for (size_t i = 100; i < fixture->count; i++)
        assert_true(fixture->out[i].given - fixture->out[i].time <= WINDOW * 6 / 10);
    assert_int_equal(fixture->count, 401);
    assert_int_equal(backwards(fixture), 0);
    end(fixture);
}

/* Busy ones wait for each other's next packets only. */
static void test_the_latency_of_busy_sources_is_that_of_their_agents(void **state)
{
    struct fixture *fixture = begin(WINDOW, SOURCES);

    (void)state;
    /* Each hands its packets over every 20 ms, one after the other. */
    for (unsigned ms = 20; ms < 2000; ms++) {
        wait_until(fixture, START + ms * MS);
        for (unsigned i = ms - 19; i <= ms; i++)
            packet(fixture, ms % SOURCES, i, i);
    }
    for (size_t i = 100; i < fixture->count; i++)
        assert_true(fixture->out[i].given - fixture->out[i].time <= 45 * MS);
    assert_int_equal(backwards(fixture), 0);
    assert_int_equal(late_of_all(fixture), 0);
    end(fixture);
}

/* It pauses for a moment, and then brings all at once. */
static void test_a_busy_source_that_pauses_is_waited_for(void **state)
{
    struct fixture *fixture = begin(WINDOW, 2);

    (void)state;
    for (unsigned i = 0; i < 58; i++) {
        wait_until(fixture, START + i * 10 * MS);
        packet(fixture, 0, i * 10, i);
        if (i < 50)
            packet(fixture, 1, i * 10, i);
    }
    wait_until(fixture, START + 575 * MS);
    for (unsigned i = 50; i < 58; i++)
        packet(fixture, 1, i * 10 - 5, i);
    merge_flush(&fixture->merge);
    assert_int_equal(backwards(fixture), 0);
    end(fixture);
}

/* It has shown how slow it can be. */
static void test_a_source_that_was_slow_before_is_given_more_time(void **state)
{
    struct fixture *fixture = begin(WINDOW, 2);

    (void)state;
    for (unsigned i = 0; i < 600; i++) {
        wait_until(fixture, START + i * 5 * MS);
        packet(fixture, 0, i * 5, i);
        if (i % 100 == 0)
            packet(fixture, 1, i * 5, i);
        else if (i % 100 == 50)
            packet(fixture, 1, i * 5 - 150, i);
    }
    merge_flush(&fixture->merge);
    assert_true(merge_late(&fixture->merge, 1) <= 1); /* the first of them */
    end(fixture);
}

/* Its capture may begin any moment, or not at all. */
static void test_a_source_that_is_starting_holds_up_nobody(void **state)
{
    struct fixture *fixture = begin(WINDOW, 2);

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        wait_until(fixture, START + i * 5 * MS);
        packet(fixture, 0, i * 5, i);
    }
    assert_true(fixture->count > 80);
    for (size_t i = 20; i < fixture->count; i++)
        assert_true(fixture->out[i].given - fixture->out[i].time <= 50 * MS);
    /* What it has captured on its way here is in time. */
    statistics(fixture, 1, 490, 0);
    packet(fixture, 1, 491, 0);
    packet(fixture, 0, 495, 0);
    merge_flush(&fixture->merge);
    assert_int_equal(backwards(fixture), 0);
    end(fixture);
}

/* They are written when its packets still stand in the kernel's ring. */
static void test_statistics_do_not_tell_that_nothing_earlier_comes(void **state)
{
    struct fixture *fixture = begin(WINDOW, 2);

    (void)state;
    packet(fixture, 1, 10, 1);
    packet(fixture, 0, 11, 1);
    fixture->now = START + 60 * MS;
    statistics(fixture, 1, 60, 1);
    packet(fixture, 0, 40, 2);
    packet(fixture, 0, 59, 3);
    packet(fixture, 1, 39, 4);
    merge_flush(&fixture->merge);
    assert_int_equal(backwards(fixture), 0);
    end(fixture);
}

/* But the first ones do: there is nothing before the start. */
static void test_before_the_start_nothing_is_waited_for(void **state)
{
    struct fixture *fixture = begin(WINDOW, 3);

    (void)state;
    packet(fixture, 0, 100, 1);
    packet(fixture, 1, 100, 2);
    packet(fixture, 2, 100, 3);
    merge_close(&fixture->merge, 1);
    merge_open(&fixture->merge, 1);
    fixture->now = START + 300 * MS;
    packet(fixture, 0, 300, 4);
    packet(fixture, 2, 300, 5);
    packet(fixture, 0, 310, 6);
    packet(fixture, 2, 310, 7);
    statistics(fixture, 1, 310, 0);
    assert_int_equal(fixture->count, 5 + 1);
    end(fixture);
}

static void test_a_source_that_is_closed_is_not_waited_for(void **state)
{
    struct fixture *fixture = begin(WINDOW, 3);

    (void)state;
    packet(fixture, 0, 10, 1);
    packet(fixture, 1, 10, 2);
    packet(fixture, 2, 10, 3);
    packet(fixture, 0, 50, 4);
    packet(fixture, 1, 50, 5);
    assert_int_equal(fixture->count, 0);
    merge_close(&fixture->merge, 2);
    assert_true(merge_advance(&fixture->merge, fixture->now));
    assert_int_equal(fixture->count, 3); /* its own is not lost */
    /* The last of all: nothing waits. */
    merge_close(&fixture->merge, 1);
    assert_true(merge_advance(&fixture->merge, fixture->now));
    assert_int_equal(fixture->count, 5);
    assert_int_equal(merge_holds(&fixture->merge, 1), 0);
    packet(fixture, 0, 60, 6);
    assert_int_equal(fixture->count, 6);
    /* It is taken up again. */
    packet(fixture, 1, 55, 7);
    packet(fixture, 0, 70, 8);
    assert_int_equal(fixture->count, 6);
    end(fixture);
}

/* One has ended, the other still has something from before. */
static void test_at_the_end_each_is_waited_for(void **state)
{
    struct fixture *fixture = begin(WINDOW, 2);

    (void)state;
    packet(fixture, 0, 10, 1);
    packet(fixture, 1, 11, 2);
    merge_end(&fixture->merge, 2 * SECOND);
    packet(fixture, 0, 20, 3);
    merge_close(&fixture->merge, 0);
    merge_advance(&fixture->merge, fixture->now);
    wait_until(fixture, START + 500 * MS);
    packet(fixture, 1, 19, 4);
    merge_close(&fixture->merge, 1);
    assert_true(merge_advance(&fixture->merge, fixture->now));
    assert_int_equal(fixture->count, 4);
    assert_int_equal(backwards(fixture), 0);
    end(fixture);
}

static void test_a_number_is_used_again(void **state)
{
    struct fixture *fixture = begin(WINDOW, 3);

    (void)state;
    packet(fixture, 1, 10, 1);
    merge_close(&fixture->merge, 1);
    merge_flush(&fixture->merge);
    merge_remove(&fixture->merge, 1);
    assert_int_equal(merge_add(&fixture->merge), 1);
    assert_int_equal(merge_add(&fixture->merge), 3);
    assert_int_equal(merge_late(&fixture->merge, 1), 0);
    end(fixture);
}

static void test_what_comes_too_late_is_given_out_and_counted(void **state)
{
    struct fixture *fixture = begin(WINDOW, 2);

    (void)state;
    packet(fixture, 0, 0, 1);
    packet(fixture, 1, 0, 2);
    packet(fixture, 0, 100, 3);
    wait_until(fixture, START + SECOND);
    assert_int_equal(fixture->count, 3);
    packet(fixture, 1, 90, 4);
    assert_int_equal(fixture->count, 4);
    assert_int_equal(fixture->out[3].mark, 4);
    assert_int_equal(merge_late(&fixture->merge, 1), 1);
    assert_int_equal(merge_late(&fixture->merge, 0), 0);
    assert_int_equal(fixture->merge.late, 1);
    end(fixture);
}

static void test_an_interface_comes_before_its_packets_and_statistics_behind_them(void **state)
{
    struct fixture *fixture = begin(WINDOW, 2);

    (void)state;
    interface(fixture, 0);
    assert_int_equal(fixture->count, 1); /* at once */
    packet(fixture, 0, 10, 1);
    packet(fixture, 0, 12, 2);
    /* They say so of the time at which they were written: packets from before are to come. */
    statistics(fixture, 0, 30, 2);
    interface(fixture, 0);
    packet(fixture, 0, 20, 3);
    statistics(fixture, 0, 31, 3);
    assert_int_equal(fixture->count, 1);
    merge_flush(&fixture->merge);
    static const enum capture_item_kind kinds[] = {
        CAPTURE_INTERFACE, CAPTURE_PACKET, CAPTURE_PACKET,    CAPTURE_STATISTICS,
        CAPTURE_INTERFACE, CAPTURE_PACKET, CAPTURE_STATISTICS};
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(fixture->out[i].kind, kinds[i]);
    assert_int_equal(fixture->out[3].received, 2);
    assert_int_equal(fixture->out[3].time, START + 30 * MS);
    assert_int_equal(fixture->out[6].received, 3);
    end(fixture);
}

/* Two processors have stamped them side by side. */
static void test_a_source_that_is_a_little_out_of_order_is_put_in_order(void **state)
{
    struct fixture *fixture = begin(WINDOW, 2);
    static const unsigned times[] = {10, 11, 13, 12, 17, 14, 16, 15, 18};

    (void)state;
    for (size_t i = 0; i < 9; i++)
        packet(fixture, 0, times[i], times[i]);
    packet(fixture, 1, 100, 0);
    packet(fixture, 0, 100, 0);
    assert_int_equal(fixture->count, 9);
    assert_int_equal(backwards(fixture), 0);
    end(fixture);
}

/* ---- who takes them ---- */

static void test_nothing_is_lost_or_reordered_when_nothing_is_taken(void **state)
{
    struct fixture *fixture = begin(WINDOW, 2);
    unsigned offered = 0;

    (void)state;
    fixture->refuse = 7;
    for (unsigned i = 0; i < 100 && offer(fixture, i % 2, START + i * 10 * MS, i); i++) {
        offered++;
        fixture->now = START + i * 10 * MS;
        merge_advance(&fixture->merge, fixture->now);
    }
    assert_int_equal(fixture->count, 7);
    assert_true(offered < 20); /* it is told */
    assert_true(merge_deadline(&fixture->merge) == MERGE_NEVER);
    fixture->refuse = OUT_MAX;
    for (unsigned i = offered; i < 100; i++) {
        fixture->now = START + i * 10 * MS;
        packet(fixture, i % 2, i * 10, i);
    }
    merge_flush(&fixture->merge);
    assert_int_equal(fixture->count, 100);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(fixture->out[i].mark, i);
    assert_int_equal(late_of_all(fixture), 0);
    end(fixture);
}

static void test_one_source_is_told_too(void **state)
{
    struct fixture *fixture = begin(WINDOW, 1);

    (void)state;
    fixture->refuse = 1;
    packet(fixture, 0, 1, 1);
    assert_false(offer(fixture, 0, START + 2 * MS, 2));
    assert_int_equal(fixture->merge.held, 0);
    fixture->refuse = OUT_MAX;
    assert_true(offer(fixture, 0, START + 2 * MS, 2));
    assert_int_equal(fixture->count, 2);
    end(fixture);
}

/* ---- corrections ---- */

static void test_the_order_is_that_of_the_corrected_times(void **state)
{
    struct fixture *fixture = begin(WINDOW, 2);

    (void)state;
    /* The second's clock is 50 ms ahead: what it stamps 60 happened at 10. */
    packet(fixture, 0, 12, 1);
    packet(fixture, 1, 60, 2);
    merge_correct(&fixture->merge, 1, -50 * (int64_t)MS);
    packet(fixture, 1, 63, 3);
    packet(fixture, 0, 14, 4);
    statistics(fixture, 1, 65, 2);
    merge_flush(&fixture->merge);
    static const uint32_t marks[] = {2, 1, 3, 0, 4};
    static const uint64_t times[] = {10, 12, 13, 15, 14};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(fixture->out[i].mark, marks[i]);
        assert_int_equal(fixture->out[i].time, START + times[i] * MS);
    }
    end(fixture);
}

static void test_who_is_corrected_has_not_come_as_far(void **state)
{
    struct fixture *fixture = begin(WINDOW, 2);

    (void)state;
    statistics(fixture, 0, 0, 0);
    fixture->now = START + 100 * MS;
    packet(fixture, 1, 100, 1);
    packet(fixture, 0, 5, 2);
    packet(fixture, 0, 30, 3);
    assert_int_equal(fixture->count, 2);
    merge_correct(&fixture->merge, 1, -50 * (int64_t)MS);
    packet(fixture, 0, 60, 4);
    packet(fixture, 0, 80, 5);
    assert_int_equal(fixture->count, 3); /* 30: it has come to 40 */
    end(fixture);
}

static void test_a_correction_that_changes_lets_no_time_run_backwards(void **state)
{
    struct fixture *fixture = begin(WINDOW, 2);
    uint64_t last = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        fixture->now = START + i * MS;
        packet(fixture, 0, i, 0);
        packet(fixture, 1, i, 1);
        if (i % 300 == 150)
            merge_correct(&fixture->merge, 1, (i / 300 % 2 ? -1 : 1) * 40 * (int64_t)MS);
    }
    merge_flush(&fixture->merge);
    for (size_t i = 0; i < fixture->count; i++) {
        if (fixture->out[i].source != 1)
            continue;
        assert_true(fixture->out[i].time >= last);
        last = fixture->out[i].time;
    }
    assert_int_equal(fixture->count, 2000);
    end(fixture);
}

/* ---- clocks that are wrong, and agents that lie ---- */

static void begin_honest_ones(struct fixture *fixture)
{
    for (unsigned i = 0; i < 4; i++)
        statistics(fixture, i, 0, 0);
    fixture->now = START + 100 * MS;
}

/* What the honest ones bring, each on a way of its own, while source 0 brings what @lie says. */
static void among_honest_ones(struct fixture *fixture, uint64_t (*lie)(unsigned ms))
{
    static const unsigned ways[] = {5, 30, 60};

    begin_honest_ones(fixture);
    for (unsigned ms = 100; ms < 3000; ms++) {
        wait_until(fixture, START + ms * MS);
        assert_true(offer(fixture, 0, lie(ms), 0));
        for (unsigned i = 0; i < 3; i++)
            packet(fixture, i + 1, ms - ways[i], ms);
    }
    merge_flush(&fixture->merge);
}

static void check_honest_ones(struct fixture *fixture, size_t from)
{
    uint64_t latest = 0;

    for (size_t i = 0; i < fixture->count; i++) {
        const struct out *out = &fixture->out[i];

        if (out->source == 0)
            continue;
        if (i >= from)
            assert_true(out->time >= latest);
        latest = out->time;
    }
    for (unsigned i = 1; i < 4; i++)
        assert_int_equal(merge_late(&fixture->merge, i), 0);
}

static uint64_t in_the_year_2500(unsigned ms)
{
    return 16725225600ull * SECOND + ms;
}

static uint64_t at_the_end_of_time(unsigned ms)
{
    return UINT64_MAX - ms;
}

static uint64_t in_1970(unsigned ms)
{
    return ms;
}

static uint64_t an_hour_ahead(unsigned ms)
{
    return START + 3600 * SECOND + ms * MS;
}

static uint64_t sometimes_absurd(unsigned ms)
{
    return ms % 100 == 7 ? UINT64_MAX / 2 : START + ms * MS;
}

static uint64_t backwards_in_time(unsigned ms)
{
    return START + SECOND - ms * MS / 10;
}

static void test_an_absurd_clock_does_not_break_the_order_of_the_others(void **state)
{
    uint64_t (*const lies[])(unsigned) = {in_the_year_2500, at_the_end_of_time, in_1970,
                                          an_hour_ahead,    sometimes_absurd,   backwards_in_time};

    (void)state;
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct fixture *fixture = begin(WINDOW, 4);

        merge_correct(&fixture->merge, 0, i % 2 ? INT64_MIN : INT64_MAX);
        merge_correct(&fixture->merge, 0, 0);
        among_honest_ones(fixture, lies[i]);
        check_honest_ones(fixture, 0);
        end(fixture);
    }
}

/* The clock of this machine is wrong: all are far from it, and each other's. */
static void test_our_own_clock_does_not_matter(void **state)
{
    static const int64_t off[] = {3600, -3600};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct fixture *fixture = begin(WINDOW, 4);

        for (unsigned ms = 1; ms < 2000; ms++) {
            wait_until(fixture, START + ms * MS);
            packet(fixture, ms % 4, (uint64_t)(off[i] * 1000 + ms - ms % 3), ms);
        }
        merge_flush(&fixture->merge);
        assert_int_equal(fixture->count, 1999);
        assert_int_equal(backwards(fixture), 0);
        assert_int_equal(late_of_all(fixture), 0);
        end(fixture);
    }
}

/* It brings everything half a second after the others. */
static void test_who_is_too_slow_is_not_waited_for(void **state)
{
    struct fixture *fixture = begin(WINDOW, 3);
    size_t slow = 0;

    (void)state;
    for (unsigned ms = 1; ms < 4000; ms += 3) {
        wait_until(fixture, START + ms * MS);
        packet(fixture, 0, ms, 0);
        packet(fixture, 1, ms + 1, 0);
        if (ms > 500)
            packet(fixture, 2, ms - 500, 0);
    }
    for (size_t i = 0; i < fixture->count; i++) {
        const struct out *out = &fixture->out[i];

        slow += out->source == 2;
        if (out->source != 2 && out->time > START + SECOND)
            assert_true(out->given - out->time <= WINDOW / 2);
    }
    assert_int_equal(merge_late(&fixture->merge, 2), slow);
    assert_int_equal(merge_late(&fixture->merge, 0) + merge_late(&fixture->merge, 1), 0);
    end(fixture);
}

/* ---- memory ---- */

static bool offer_large(struct fixture *fixture, unsigned source, uint64_t time, uint32_t length)
{
    static unsigned char data[CAPTURE_PACKET_MAX];
    const struct capture_item item = {
        .packet = {
            .timestamp = time, .captured_length = length, .data = data, .comment = "a comment"}};

    return merge_put(&fixture->merge, source, CAPTURE_PACKET, &item, fixture->now);
}

static void test_what_is_held_is_bounded_and_the_earliest_goes_first(void **state)
{
    struct fixture *fixture = begin(3600 * SECOND, 2);
    size_t most = 0;

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        uint32_t length = i % 100 == 0 ? CAPTURE_PACKET_MAX : i % 3000;

        assert_true(offer_large(fixture, 0, START + i, length));
        most = fixture->merge.shelf.used > most ? fixture->merge.shelf.used : most;
    }
    assert_true(most <= MERGE_HELD_MAX && most > MERGE_HELD_MAX / 2);
    assert_int_equal(fixture->count + fixture->merge.held, 20000);
    assert_int_equal(late_of_all(fixture), 0);
    /* What is earlier than what went early is late now. */
    assert_true(offer_large(fixture, 1, START, 10));
    merge_flush(&fixture->merge);
    assert_int_equal(backwards(fixture), 1);
    assert_int_equal(merge_late(&fixture->merge, 1), 1);
    assert_true(fixture->merge.shelf.spares <= 32);
    end(fixture);
}

/* A busy machine: what comes first comes late, so that the rest seems to lie in the future,
 * until the next look at all lags: a quarter of a window, and two where our own clock is wrong. */
static void test_all_sources_begin_slowly(void **state)
{
    static const int64_t off[] = {0, 3600 * 1000};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct fixture *fixture = begin(WINDOW, 2);

        wait_until(fixture, START + SECOND);
        statistics(fixture, 0, (uint64_t)off[i] + 100, 0);
        statistics(fixture, 1, (uint64_t)off[i] + 200, 0);
        for (unsigned ms = 1200; ms < 2000; ms++) {
            wait_until(fixture, START + ms * MS);
            packet(fixture, ms % 2, (uint64_t)off[i] + ms - 10 * (ms % 2), ms);
        }
        merge_flush(&fixture->merge);
        assert_true(late_of_all(fixture) <= (i + 1) * WINDOW / 4 / MS);
        assert_true(backwards(fixture) <= (i + 1) * WINDOW / 4 / MS);
        end(fixture);
    }
}

/* They do not take the others' room. */
static void test_much_of_what_is_in_the_future(void **state)
{
    struct fixture *fixture = begin(WINDOW, 4);

    (void)state;
    begin_honest_ones(fixture);
    for (unsigned ms = 100; ms < 1000; ms++) {
        wait_until(fixture, START + ms * MS);
        packet(fixture, 1, ms - 5, ms);
        packet(fixture, 2, ms - 30, ms);
        packet(fixture, 3, ms - 60, ms);
        if (ms > 110)
            assert_true(offer_large(fixture, 0, START + 3600 * SECOND, 200000));
    }
    merge_flush(&fixture->merge);
    check_honest_ones(fixture, 0);
    end(fixture);
}

static void test_times_that_run_backwards_cost_no_more_than_others(void **state)
{
    struct fixture *fixture = begin(3600 * SECOND, 2);

    (void)state;
    for (unsigned i = 0; i < 100000; i++)
        assert_true(offer_large(fixture, 0, START + SECOND - i, 0));
    merge_flush(&fixture->merge);
    assert_int_equal(fixture->count, 100000);
    end(fixture);
}

/* ---- all at once ---- */

struct event {
    uint64_t arrival, time;
    unsigned source;
};

static int by_arrival(const void *a, const void *b)
{
    const struct event *left = a, *right = b;

    if (left->arrival != right->arrival)
        return left->arrival < right->arrival ? -1 : 1;
    return left->time < right->time ? -1 : left->time > right->time;
}

/*
 * Sources of which each is now busy, now silent, a way of its own to us, and packets that arrive
 * out of order by as much as processors stamp them.
 * @most: how long an item is under way beyond what its source's quickest is
 */
static size_t make_events(struct event *events, size_t count, uint64_t most, unsigned seed)
{
    uint64_t time[SOURCES], arrival[SOURCES] = {0}, way[SOURCES];

    for (unsigned i = 0; i < SOURCES; i++) {
        time[i] = START;
        way[i] = (uint64_t)rand_r(&seed) % (WINDOW / 4);
        events[i] = (struct event){.arrival = START + way[i], .time = START, .source = i};
    }
    for (size_t i = SOURCES; i < count; i++) {
        unsigned source = (unsigned)rand_r(&seed) % SOURCES;
        unsigned pause = (unsigned)rand_r(&seed) % 1000;

        time[source] += pause == 0 ? (uint64_t)rand_r(&seed) % (3 * SECOND)
                                   : (uint64_t)rand_r(&seed) % (2 * MS);
        uint64_t at = time[source] + way[source] + (uint64_t)rand_r(&seed) % most;
        /* A stream keeps its order. */
        arrival[source] = at > arrival[source] ? at : arrival[source];
        uint64_t stamp = time[source] - (uint64_t)rand_r(&seed) % (MS / 2);
        events[i] = (struct event){
            .arrival = arrival[source], .time = stamp < START ? START : stamp, .source = source};
    }
    qsort(events, count, sizeof(*events), by_arrival);
    return count;
}

static void run_events(struct fixture *fixture, const struct event *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        wait_until(fixture, events[i].arrival);
        assert_true(offer(fixture, events[i].source, events[i].time, (uint32_t)i));
        merge_advance(&fixture->merge, fixture->now);
    }
    merge_flush(&fixture->merge);
}

static void check_all_there(const struct fixture *fixture, size_t count)
{
    unsigned char *seen = calloc(count, 1);

    assert_int_equal(fixture->count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(seen[fixture->out[i].mark]++, 0);
    free(seen);
}

static void test_within_the_window_everything_is_in_order(void **state)
{
    struct event *events = calloc(20000, sizeof(*events));

    (void)state;
    for (unsigned seed = 1; seed < 20; seed++) {
        struct fixture *fixture = begin(WINDOW, SOURCES);
        size_t count = make_events(events, 20000, WINDOW / 3, seed);

        run_events(fixture, events, count);
        check_all_there(fixture, count);
        assert_int_equal(backwards(fixture), 0);
        assert_int_equal(late_of_all(fixture), 0);
        end(fixture);
    }
    free(events);
}

static void test_beyond_the_window_everything_is_there_and_what_is_late_is_counted(void **state)
{
    struct event *events = calloc(20000, sizeof(*events));

    (void)state;
    for (unsigned seed = 1; seed < 20; seed++) {
        struct fixture *fixture = begin(WINDOW, SOURCES);
        size_t count = make_events(events, 20000, 3 * WINDOW, seed);

        run_events(fixture, events, count);
        check_all_there(fixture, count);
        assert_true(backwards(fixture) > 0);
        assert_int_equal(late_of_all(fixture), backwards(fixture));
        end(fixture);
    }
    free(events);
}

static void test_without_a_window_nothing_waits(void **state)
{
    struct fixture *fixture = begin(0, 3);

    (void)state;
    packet(fixture, 0, 10, 1);
    packet(fixture, 1, 5, 2);
    assert_int_equal(fixture->count, 2);
    assert_int_equal(fixture->merge.held, 0);
    assert_int_equal(late_of_all(fixture), 0);
    end(fixture);
}

/* Each packet waits for the window, with one source as with several, in order all the same. */
static void test_patience(void **state)
{
    struct fixture *fixture = begin(WINDOW, 1);

    (void)state;
    fixture->merge.patient = true;
    statistics(fixture, 0, 0, 0);
    packet(fixture, 0, 1, 1);
    fixture->now += 50 * MS;
    packet(fixture, 0, 50, 2);
    assert_int_equal(fixture->count, 0);
    wait_until(fixture, START + WINDOW - 1);
    assert_int_equal(fixture->count, 0);
    wait_until(fixture, START + WINDOW);
    assert_int_equal(fixture->count, 2); /* the statistics, and the first */
    wait_until(fixture, START + WINDOW + 50 * MS);
    assert_int_equal(fixture->count, 3);
    /* Another is silent, and nothing else is waited for than the time. */
    assert_int_equal(merge_add(&fixture->merge), 1);
    packet(fixture, 0, 250, 3);
    packet(fixture, 1, 249, 4);
    packet(fixture, 1, 20, 5); /* late, and it waits as well */
    assert_int_equal(fixture->count, 3);
    wait_until(fixture, fixture->now + WINDOW);
    assert_int_equal(fixture->count, 6);
    assert_int_equal(fixture->out[3].mark, 5);
    assert_int_equal(fixture->out[4].mark, 4);
    /* Who has ended holds nothing up. */
    packet(fixture, 0, 500, 6);
    merge_close(&fixture->merge, 1);
    merge_advance(&fixture->merge, fixture->now);
    assert_int_equal(fixture->count, 6);
    merge_close(&fixture->merge, 0);
    merge_advance(&fixture->merge, fixture->now);
    assert_int_equal(fixture->count, 7);
    end(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_source_neither_waits_nor_is_copied),
        cmocka_unit_test(test_an_earlier_packet_of_another_source_comes_first),
        cmocka_unit_test(test_who_has_brought_something_later_is_not_waited_for),
        cmocka_unit_test(test_a_slow_source_is_waited_for_the_window_at_most),
        cmocka_unit_test(test_a_silent_source_does_not_make_the_others_wait_the_whole_window),
        cmocka_unit_test(test_the_latency_of_busy_sources_is_that_of_their_agents),
        cmocka_unit_test(test_a_busy_source_that_pauses_is_waited_for),
        cmocka_unit_test(test_a_source_that_was_slow_before_is_given_more_time),
        cmocka_unit_test(test_a_source_that_is_starting_holds_up_nobody),
        cmocka_unit_test(test_statistics_do_not_tell_that_nothing_earlier_comes),
        cmocka_unit_test(test_before_the_start_nothing_is_waited_for),
        cmocka_unit_test(test_a_source_that_is_closed_is_not_waited_for),
        cmocka_unit_test(test_at_the_end_each_is_waited_for),
        cmocka_unit_test(test_a_number_is_used_again),
        cmocka_unit_test(test_what_comes_too_late_is_given_out_and_counted),
        cmocka_unit_test(test_an_interface_comes_before_its_packets_and_statistics_behind_them),
        cmocka_unit_test(test_a_source_that_is_a_little_out_of_order_is_put_in_order),
        cmocka_unit_test(test_nothing_is_lost_or_reordered_when_nothing_is_taken),
        cmocka_unit_test(test_one_source_is_told_too),
        cmocka_unit_test(test_the_order_is_that_of_the_corrected_times),
        cmocka_unit_test(test_who_is_corrected_has_not_come_as_far),
        cmocka_unit_test(test_a_correction_that_changes_lets_no_time_run_backwards),
        cmocka_unit_test(test_an_absurd_clock_does_not_break_the_order_of_the_others),
        cmocka_unit_test(test_our_own_clock_does_not_matter),
        cmocka_unit_test(test_who_is_too_slow_is_not_waited_for),
        cmocka_unit_test(test_what_is_held_is_bounded_and_the_earliest_goes_first),
        cmocka_unit_test(test_all_sources_begin_slowly),
        cmocka_unit_test(test_much_of_what_is_in_the_future),
        cmocka_unit_test(test_times_that_run_backwards_cost_no_more_than_others),
        cmocka_unit_test(test_within_the_window_everything_is_in_order),
        cmocka_unit_test(test_beyond_the_window_everything_is_there_and_what_is_late_is_counted),
        cmocka_unit_test(test_without_a_window_nothing_waits),
        cmocka_unit_test(test_patience),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
