/* SPDX-License-Identifier: Apache-2.0 */
/* Simulated nodes with clocks that are wrong, and packets between them. */
#include "tests/unit/unit.h"

#include "capture/clocks.h"
#include "tests/unit/frames.h"

#define US        1000
#define MS        (1000 * US)
#define SECOND    (1000ll * MS)
#define START     (1790000000ull * (uint64_t)SECOND)
#define NODES_MAX 8

static const uint8_t key[SIPHASH_KEY] = "0123456789abcdef";

struct world {
    struct clocks clocks;
    int64_t error[NODES_MAX]; /* of each node's clock */
    uint64_t now;             /* the true time, and ours */
    uint32_t packets;
    unsigned seed;
    unsigned changes;                                     /* of corrections */
    enum { MIXED, SENDERS_FIRST, RECEIVERS_FIRST } order; /* in which packets come here */
};

static void begin(struct world *world, const int64_t *errors, unsigned nodes)
{
    char name[10];

    *world = (struct world){.now = START, .seed = 5};
    clocks_init(&world->clocks, key);
    for (unsigned i = 0; i < nodes; i++) {
        world->error[i] = errors[i];
        snprintf(name, sizeof(name), "node%u", i);
        assert_int_equal(clocks_node(&world->clocks, name, START), i);
    }
}

static int64_t up_to(struct world *world, int64_t most)
{
    return rand_r(&world->seed) % most;
}

static void update(struct world *world)
{
    uint64_t due = clocks_deadline(&world->clocks);

    if (due != CLOCKS_NEVER && due > world->now)
        world->now = due;
    world->changes += clocks_update(&world->clocks, world->now);
}

/* An answer: the round trip took as long as it may, and not the same time both ways. */
static void answer(struct world *world, unsigned node, int64_t round_trip)
{
    int64_t there = round_trip / 8 + up_to(world, 3 * round_trip / 4);

    clocks_estimate(&world->clocks, node, world->error[node] + there - round_trip / 2,
                    round_trip / 2, world->now);
    update(world);
}

static void see(struct world *world, unsigned node, uint64_t time, uint32_t direction,
                const struct frame *frame)
{
    uint8_t bytes[2000];
    uint32_t length = frame_make(frame, bytes);
    const struct capture_packet packet = {.timestamp = time + (uint64_t)world->error[node],
                                          .captured_length = length,
                                          .original_length = length,
                                          .flags = direction,
                                          .data = bytes};

    clocks_see(&world->clocks, node, LINKTYPE_ETHERNET, &packet, world->now);
}

static struct frame new_frame(struct world *world, unsigned a, unsigned b)
{
    return (struct frame){.protocol = 6,
                          .from = a,
                          .to = b,
                          .id = (uint16_t)world->packets,
                          .seq = 100 * world->packets++,
                          .payload = "request"};
}

/* A packet goes from a to b, by way of a Service, and takes so long. */
static void go(struct world *world, unsigned a, unsigned b, int64_t delay)
{
    struct frame sent = new_frame(world, a, b), received = sent;

    received.to = 200;
    received.ttl = 62;
    if (world->order == SENDERS_FIRST || (world->order == MIXED && up_to(world, 2))) {
        see(world, a, world->now, PCAPNG_FLAG_OUTBOUND, &sent);
        see(world, b, world->now + (uint64_t)delay, PCAPNG_FLAG_INBOUND, &received);
    } else {
        see(world, b, world->now + (uint64_t)delay, PCAPNG_FLAG_INBOUND, &received);
        see(world, a, world->now, PCAPNG_FLAG_OUTBOUND, &sent);
    }
    world->now += (uint64_t)delay;
    update(world);
}

/* Requests and answers between two nodes. */
static void talk(struct world *world, unsigned a, unsigned b, unsigned times, int64_t there,
                 int64_t back)
{
    for (unsigned i = 0; i < times; i++) {
        go(world, a, b, there + up_to(world, 2 * there));
        world->now += (uint64_t)up_to(world, 3 * MS);
        go(world, b, a, back + up_to(world, 2 * back));
        world->now += (uint64_t)up_to(world, 3 * MS);
    }
}

/* How far a's clock and b's are apart, once corrected. */
static int64_t apart(const struct world *world, unsigned a, unsigned b)
{
    const struct clocks *clocks = &world->clocks;

    return world->error[a] + clocks_shift(clocks, a) - (world->error[b] + clocks_shift(clocks, b));
}

/* Would a packet that takes so long each way be seen to leave before it arrives? */
static void check_causal(const struct world *world, unsigned a, unsigned b, int64_t there,
                         int64_t back)
{
    assert_true(apart(world, a, b) <= there);
    assert_true(apart(world, b, a) <= back);
}

static void test_answers_alone_correct_to_within_their_bounds(void **state)
{
    struct world world;

    (void)state;
    begin(&world, (int64_t[]){50 * MS, -50 * MS}, 2);
    answer(&world, 0, 4 * MS);
    answer(&world, 1, 2 * MS);
    assert_true(llabs(apart(&world, 0, 1)) <= 3 * MS);
    /* Towards the clock of this machine, when there is no greater part. */
    assert_true(llabs(world.error[0] + clocks_shift(&world.clocks, 0)) <= 2 * MS);
    assert_true(llabs(world.error[1] + clocks_shift(&world.clocks, 1)) <= 1 * MS);
    clocks_free(&world.clocks);
}

static void test_packets_that_both_have_seen_do_better(void **state)
{
    (void)state;
    for (int order = MIXED; order <= RECEIVERS_FIRST; order++) {
        struct world world;

        begin(&world, (int64_t[]){50 * MS, -50 * MS}, 2);
        world.order = order;
        answer(&world, 0, 20 * MS);
        answer(&world, 1, 20 * MS);
        for (unsigned i = 0; i < 200; i++) {
            talk(&world, 0, 1, 1, 80 * US, 120 * US);
            if (i > 20)
                assert_true(llabs(apart(&world, 0, 1)) < 100 * US);
        }
        check_causal(&world, 0, 1, 80 * US, 120 * US);
        clocks_free(&world.clocks);
    }
}

static void test_a_way_that_is_slower_in_one_direction(void **state)
{
    struct world world;

    (void)state;
    begin(&world, (int64_t[]){50 * MS, -50 * MS}, 2);
    answer(&world, 0, 20 * MS);
    answer(&world, 1, 20 * MS);
    talk(&world, 0, 1, 200, 40 * US, 4 * MS);
    check_causal(&world, 0, 1, 40 * US, 4 * MS);
    clocks_free(&world.clocks);
}

/* An answer is seen behind its question at both ends, along a chain of nodes that do not all talk
 * with each other, also when nothing is told of their clocks. */
static void test_a_chain_of_nodes(void **state)
{
    static const int64_t errors[] = {50 * MS, -50 * MS, 7 * MS, -30 * MS};

    (void)state;
    for (unsigned told = 0; told < 2; told++) {
        struct world world;

        begin(&world, errors, 4);
        for (unsigned i = 0; told && i < 4; i++)
            answer(&world, i, 10 * MS);
        for (unsigned i = 0; i < 100; i++) {
            talk(&world, 0, 1, 1, 50 * US, 60 * US);
            talk(&world, 1, 2, 1, 70 * US, 80 * US);
            talk(&world, 2, 3, 1, 30 * US, 90 * US);
            talk(&world, 1, 3, 1, 40 * US, 40 * US);
        }
        check_causal(&world, 0, 1, 50 * US, 60 * US);
        check_causal(&world, 1, 2, 70 * US, 80 * US);
        check_causal(&world, 2, 3, 30 * US, 90 * US);
        check_causal(&world, 1, 3, 40 * US, 40 * US);
        clocks_free(&world.clocks);
    }
}

static void test_packets_in_one_direction_bound_one_side(void **state)
{
    struct world world;

    (void)state;
    begin(&world, (int64_t[]){0, -5 * MS}, 2);
    answer(&world, 0, 20 * MS);
    answer(&world, 1, 20 * MS);
    assert_int_equal(world.changes, 0);
    for (unsigned i = 0; i < 50; i++) {
        go(&world, 0, 1, 50 * US + up_to(&world, 100 * US));
        world.now += MS;
    }
    /* They arrive 5 ms before they leave: not any more. */
    assert_true(apart(&world, 0, 1) <= 60 * US);
    clocks_free(&world.clocks);
}

static void test_nothing_is_corrected_when_there_is_nothing_to_correct(void **state)
{
    struct world world;

    (void)state;
    begin(&world, (int64_t[]){0, 10 * US, -20 * US}, 3);
    for (unsigned i = 0; i < 3; i++)
        answer(&world, i, 10 * MS);
    for (unsigned i = 0; i < 100; i++) {
        talk(&world, 0, 1, 1, 50 * US, 50 * US);
        talk(&world, 1, 2, 1, 50 * US, 50 * US);
        talk(&world, 0, 2, 1, 50 * US, 50 * US);
        answer(&world, i % 3, 10 * MS);
        world.now += SECOND;
    }
    assert_int_equal(world.changes, 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(clocks_shift(&world.clocks, i), 0);
    clocks_free(&world.clocks);
}

/* The clock of this machine is the wrong one: the packets keep their nodes' times. */
static void test_nothing_is_corrected_where_the_nodes_agree(void **state)
{
    static const int64_t ours[] = {3600 * SECOND, -2 * SECOND};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct world world;

        begin(&world, (int64_t[]){ours[i], ours[i] + MS, ours[i] - MS}, 3);
        for (unsigned node = 0; node < 3; node++)
            clocks_estimate(&world.clocks, node, world.error[node], 5 * MS, world.now);
        update(&world);
        for (unsigned node = 0; node < 3; node++)
            assert_int_equal(clocks_shift(&world.clocks, node), 0);
        assert_int_equal(world.changes, 0);
        clocks_free(&world.clocks);
    }
}

static void test_only_who_differs_from_the_greater_part_is_corrected(void **state)
{
    struct world world;

    (void)state;
    begin(&world, (int64_t[]){2 * SECOND, 2 * SECOND + 300 * MS, 2 * SECOND, 2 * SECOND}, 4);
    for (unsigned node = 0; node < 4; node++)
        clocks_estimate(&world.clocks, node, world.error[node], MS, world.now);
    update(&world);
    for (unsigned node = 0; node < 4; node++)
        assert_true(node == 1 || clocks_shift(&world.clocks, node) == 0);
    assert_true(llabs(apart(&world, 0, 1)) <= 2 * MS);
    clocks_free(&world.clocks);
}

/* The other is found when it begins, and more becomes known of both. */
static void test_who_began_first_keeps_its_time(void **state)
{
    struct world world;

    (void)state;
    begin(&world, (int64_t[]){50 * MS}, 1);
    world.error[1] = -50 * MS;
    clocks_estimate(&world.clocks, 0, 49 * MS, 4 * MS, world.now);
    update(&world);
    world.now += 100 * MS;
    assert_int_equal(clocks_node(&world.clocks, "node1", world.now), 1);
    clocks_estimate(&world.clocks, 1, -51 * MS, 4 * MS, world.now);
    update(&world);
    assert_int_equal(world.changes, 1);
    for (unsigned i = 10; i > 0; i--) {
        world.now += 100 * MS;
        clocks_estimate(&world.clocks, 0, 50 * MS, i * 100 * US, world.now);
        clocks_estimate(&world.clocks, 1, -50 * MS, i * 100 * US, world.now);
        update(&world);
        talk(&world, 0, 1, 10, 50 * US, 50 * US);
    }
    assert_int_equal(clocks_shift(&world.clocks, 0), 0);
    assert_true(llabs(apart(&world, 0, 1)) <= 100 * US);
    clocks_free(&world.clocks);
}

static void test_agents_of_one_node_are_taken_together(void **state)
{
    struct world world;
    int64_t offset, bound;

    (void)state;
    begin(&world, (int64_t[]){10 * MS, 0}, 2);
    assert_int_equal(clocks_node(&world.clocks, "node0", START), 0);
    assert_false(clocks_offset(&world.clocks, 0, &offset, &bound));
    clocks_estimate(&world.clocks, 0, 12 * MS, 3 * MS, world.now);
    clocks_update(&world.clocks, world.now);
    /* At once: answers are waited for. */
    clocks_estimate(&world.clocks, 0, 8 * MS, 3 * MS, world.now);
    clocks_update(&world.clocks, world.now);
    assert_true(clocks_offset(&world.clocks, 0, &offset, &bound));
    assert_int_equal(offset, 10 * MS);
    assert_int_equal(bound, MS);
    clocks_free(&world.clocks);
}

/* 30 ppm, over minutes. */
static void test_clocks_that_drift_apart_stay_together(void **state)
{
    struct world world;

    (void)state;
    begin(&world, (int64_t[]){50 * MS, -50 * MS}, 2);
    for (unsigned i = 0; i < 600; i++) {
        if (i % 15 == 0) {
            answer(&world, 0, 10 * MS);
            answer(&world, 1, 10 * MS);
        }
        talk(&world, 0, 1, 10, 60 * US, 60 * US);
        assert_true(i == 0 || llabs(apart(&world, 0, 1)) <= 150 * US);
        world.now = START + (i + 1) * (uint64_t)SECOND;
        world.error[0] += 30 * US;
    }
    clocks_free(&world.clocks);
}

/* As chrony does it where it must. */
static void test_a_clock_that_is_set_is_followed(void **state)
{
    struct world world;

    (void)state;
    begin(&world, (int64_t[]){0, 0}, 2);
    for (unsigned i = 0; i < 40; i++) {
        answer(&world, 0, 2 * MS);
        answer(&world, 1, 2 * MS);
        talk(&world, 0, 1, 10, 60 * US, 60 * US);
        if (i == 20)
            world.error[1] = -300 * MS;
        world.now = START + (i + 1) * (uint64_t)SECOND;
    }
    assert_true(llabs(apart(&world, 0, 1)) <= 100 * US);
    clocks_free(&world.clocks);
}

/* ---- what could mislead ---- */

/* In every bit the same: each arrives, or only the second. */
static void send_twice(struct world *world, bool both, bool receiver_first)
{
    struct frame frame = new_frame(world, 0, 1);
    uint64_t again = world->now + 3 * MS;

    for (int end = 0; end < 2; end++) {
        if (end == receiver_first) {
            see(world, 0, world->now, PCAPNG_FLAG_OUTBOUND, &frame);
            see(world, 0, again, PCAPNG_FLAG_OUTBOUND, &frame);
            continue;
        }
        if (both)
            see(world, 1, world->now + 90 * US, PCAPNG_FLAG_INBOUND, &frame);
        see(world, 1, again + 90 * US, PCAPNG_FLAG_INBOUND, &frame);
    }
    world->now += 10 * MS;
    update(world);
}

static void test_what_is_sent_again_does_not_mislead(void **state)
{
    struct world world;

    (void)state;
    begin(&world, (int64_t[]){50 * MS, -50 * MS}, 2);
    answer(&world, 0, 20 * MS);
    answer(&world, 1, 20 * MS);
    talk(&world, 0, 1, 50, 90 * US, 90 * US);
    for (unsigned i = 0; i < 100; i++) {
        send_twice(&world, true, i % 2);
        send_twice(&world, false, i % 2);
        talk(&world, 0, 1, 2, 90 * US, 90 * US);
        check_causal(&world, 0, 1, 90 * US, 90 * US);
    }
    clocks_free(&world.clocks);
}

/* Also where nothing goes the other way. */
static void test_what_is_sent_again_in_one_direction_does_not_mislead(void **state)
{
    struct world world;

    (void)state;
    begin(&world, (int64_t[]){0, 0}, 2);
    answer(&world, 0, 20 * MS);
    answer(&world, 1, 20 * MS);
    for (unsigned i = 0; i < 50; i++)
        send_twice(&world, i % 3, i % 2);
    assert_int_equal(world.changes, 0);
    clocks_free(&world.clocks);
}

/* The agent has dropped the first one, which arrived; what answers tell cannot be so is not
 * believed, and what is known stays. */
static void test_a_sender_that_was_missed_the_first_time(void **state)
{
    struct world world;

    (void)state;
    begin(&world, (int64_t[]){0, 0}, 2);
    answer(&world, 0, 20 * MS);
    answer(&world, 1, 20 * MS);
    talk(&world, 0, 1, 5, 90 * US, 90 * US);
    for (unsigned i = 0; i < 20; i++) {
        struct frame frame = new_frame(&world, 0, 1);

        see(&world, 1, world.now, PCAPNG_FLAG_INBOUND, &frame);
        see(&world, 0, world.now + 200 * MS, PCAPNG_FLAG_OUTBOUND, &frame);
        world.now += 300 * MS;
        update(&world);
        assert_int_equal(world.clocks.pair_count, 2);
    }
    assert_int_equal(world.changes, 0);
    clocks_free(&world.clocks);
}

/* Nothing in such a datagram is a number of its own. */
static void test_what_always_looks_the_same_tells_nothing(void **state)
{
    struct world world;
    const struct frame ping = {.ipv6 = true, .protocol = 17, .from = 1, .to = 2, .payload = "ping"};

    (void)state;
    begin(&world, (int64_t[]){0, 0}, 2);
    see(&world, 0, world.now, PCAPNG_FLAG_OUTBOUND, &ping);
    see(&world, 1, world.now + MS, PCAPNG_FLAG_INBOUND, &ping);
    assert_int_equal(world.clocks.pair_count, 0);
    go(&world, 0, 1, MS);
    assert_int_equal(world.clocks.pair_count, 1);
    clocks_free(&world.clocks);
}

static void test_packets_at_absurd_times_do_no_harm(void **state)
{
    static const uint64_t times[] = {0, 1, INT64_MAX, UINT64_MAX, UINT64_MAX - START, START};
    struct world world;

    (void)state;
    begin(&world, (int64_t[]){0, 0}, 2);
    for (unsigned i = 0; i < 72; i++) {
        struct frame frame = new_frame(&world, 0, 1);

        see(&world, i % 2, times[i % 6], PCAPNG_FLAG_OUTBOUND, &frame);
        see(&world, 1 - i % 2, times[i / 12], PCAPNG_FLAG_INBOUND, &frame);
        world.now += 100 * MS;
        update(&world);
    }
    clocks_free(&world.clocks);
}

/* It says anything of its clock, and of the times of packets that it has seen, or has not. */
static void test_a_liar_does_not_move_the_others(void **state)
{
    static const int64_t absurd[] = {INT64_MAX, INT64_MIN, 3600 * SECOND,
                                     -36500ll * 86400 * SECOND};
    struct world world;

    (void)state;
    begin(&world, (int64_t[]){50 * MS, -50 * MS, 10 * MS, 0}, 4);
    for (unsigned i = 0; i < 3; i++)
        answer(&world, i, 4 * MS);
    for (unsigned i = 0; i < 400; i++) {
        clocks_estimate(&world.clocks, 3, absurd[i % 4], i % 7 ? MS : INT64_MAX, world.now);
        clocks_estimate(&world.clocks, 3, 0, i % 2 ? -5 : INT64_MIN, world.now);
        talk(&world, 0, 1, 1, 50 * US, 60 * US);
        talk(&world, 1, 2, 1, 50 * US, 60 * US);
        world.error[3] = up_to(&world, 200 * MS) - 100 * MS;
        talk(&world, i % 3, 3, 1, 50 * US, 60 * US);
        world.error[3] = absurd[i % 4] / 4;
        talk(&world, i % 3, 3, 1, 50 * US, 60 * US);
        update(&world);
        /* At any time to within what their answers bound; in the end, by their packets. */
        if (i > 10)
            assert_true(llabs(apart(&world, 0, 1)) <= 4 * MS);
        if (i > 300)
            assert_true(llabs(apart(&world, 0, 1)) <= 100 * US);
    }
    clocks_free(&world.clocks);
}

/* It answers nothing, and lies of its packets' times only, while the others' clocks drift. */
static void test_who_contradicts_the_others_again_and_again_is_not_believed(void **state)
{
    struct world world;

    (void)state;
    begin(&world, (int64_t[]){0, 0, 0, 0}, 4);
    for (unsigned i = 0; i < 3; i++)
        answer(&world, i, 20 * MS);
    for (unsigned i = 0; i < 1500; i++) {
        talk(&world, 0, 1, 1, 50 * US, 60 * US);
        talk(&world, 1, 2, 1, 50 * US, 60 * US);
        for (unsigned node = 0; node < 3; node++) {
            world.error[3] = up_to(&world, 4 * MS) - 2 * MS;
            talk(&world, node, 3, 1, 50 * US, 60 * US);
        }
        world.error[0] += US;
        if (i > 300)
            assert_true(llabs(apart(&world, 0, 1)) <= 250 * US);
    }
    clocks_free(&world.clocks);
}

/* ---- words ---- */

static void test_what_is_said_of_it(void **state)
{
    struct world world;
    char text[100];

    (void)state;
    begin(&world, (int64_t[]){50 * MS, 0, 0}, 3);
    assert_string_equal(clocks_text(&world.clocks, 0, text, sizeof(text)), "");
    assert_false(clocks_are_known(&world.clocks, world.now));
    clocks_estimate(&world.clocks, 0, 50 * MS + 104 * US, 41 * US, world.now);
    clocks_estimate(&world.clocks, 1, -12 * US, 2 * MS, world.now);
    assert_false(clocks_are_known(&world.clocks, world.now));
    assert_true(clocks_are_known(&world.clocks, world.now + SECOND));
    clocks_estimate(&world.clocks, 2, 0, 2 * MS, world.now);
    assert_true(clocks_are_known(&world.clocks, world.now));
    update(&world);
    assert_string_equal(clocks_text(&world.clocks, 0, text, sizeof(text)),
                        "50.104 ms ahead (± 0.041 ms), corrected");
    assert_string_equal(clocks_text(&world.clocks, 1, text, sizeof(text)),
                        "0.012 ms behind (± 2.000 ms)");
    clocks_free(&world.clocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_alone_correct_to_within_their_bounds),
        cmocka_unit_test(test_packets_that_both_have_seen_do_better),
        cmocka_unit_test(test_a_way_that_is_slower_in_one_direction),
        cmocka_unit_test(test_a_chain_of_nodes),
        cmocka_unit_test(test_packets_in_one_direction_bound_one_side),
        cmocka_unit_test(test_nothing_is_corrected_when_there_is_nothing_to_correct),
        cmocka_unit_test(test_nothing_is_corrected_where_the_nodes_agree),
        cmocka_unit_test(test_only_who_differs_from_the_greater_part_is_corrected),
        cmocka_unit_test(test_who_began_first_keeps_its_time),
        cmocka_unit_test(test_agents_of_one_node_are_taken_together),
        cmocka_unit_test(test_clocks_that_drift_apart_stay_together),
        cmocka_unit_test(test_a_clock_that_is_set_is_followed),
        cmocka_unit_test(test_what_is_sent_again_does_not_mislead),
        cmocka_unit_test(test_what_is_sent_again_in_one_direction_does_not_mislead),
        cmocka_unit_test(test_a_sender_that_was_missed_the_first_time),
        cmocka_unit_test(test_what_always_looks_the_same_tells_nothing),
        cmocka_unit_test(test_packets_at_absurd_times_do_no_harm),
        cmocka_unit_test(test_a_liar_does_not_move_the_others),
        cmocka_unit_test(test_who_contradicts_the_others_again_and_again_is_not_believed),
        cmocka_unit_test(test_what_is_said_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
