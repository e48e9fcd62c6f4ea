/* SPDX-License-Identifier: Apache-2.0 */
/* Which conversation carries the own stream: a made-up clock, flows that fall silent and others. */
#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

#include "agent/feedback.h"

static struct feedback feedback;
static uint64_t now, sent;

static const struct flow tunnel = {.version = 4,
                                   .protocol = IPPROTO_UDP,
                                   .source = {.address = {10, 0, 0, 1}, .port = 51820},
                                   .target = {.address = {10, 0, 0, 2}, .port = 51820}};
static const struct flow download = {.version = 4,
                                     .protocol = IPPROTO_TCP,
                                     .source = {.address = {1, 1, 1, 1}, .port = 443},
                                     .target = {.address = {10, 0, 0, 2}, .port = 40000}};

static uint64_t real_time(void)
{
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* What the ring keeps during a hold. */
static struct {
    uint64_t times[100];
    uint32_t length;
    size_t count;
} ring;

static void begin(void)
{
    feedback = (struct feedback){.over = false};
    ring.count = 0;
    now = 1000000;
    sent = 0;
}

/* Ten milliseconds pass in which @length bytes come of a flow; they are captured and sent, in a
 * hold after it. The time stamps go with the made-up clock from the moment of a hold on. */
static void step(const struct flow *flow, uint32_t length)
{
    bool dated = feedback.holding || feedback.judging;
    uint64_t time =
        dated ? feedback.quiet_until - (feedback.hold_end - now) * 1000000u : real_time();

    ring.length = length;
    if (length)
        ring.times[ring.count++] = time;
    for (size_t i = 0; !feedback.holding && i < ring.count; i++) {
        feedback_see(&feedback, flow, ring.times[i], ring.length);
        sent += ring.length;
    }
    if (!feedback.holding)
        ring.count = 0;
    now += 10;
    feedback_check(&feedback, now, sent, !feedback.holding, false);
}

static unsigned holds; /* that were begun */

static void run(const struct flow *flow, bool follows, uint32_t length, unsigned milliseconds)
{
    bool held = false;

    holds = 0;
    for (unsigned i = 0; i < milliseconds / 10; i++) {
        step(flow, follows && feedback.holding ? 0 : length);
        holds += feedback.holding && !held;
        held = feedback.holding;
    }
}

/* Return: what it says on standard error. */
static char *said(const struct flow *flow, bool follows, uint32_t length, unsigned milliseconds)
{
    static char text[1000];
    int ends[2], old = dup(STDERR_FILENO);

    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    run(flow, follows, length, milliseconds);
    dup2(old, STDERR_FILENO);
    close(old);
    close(ends[1]);
    ssize_t got = read(ends[0], text, sizeof(text) - 1);
    close(ends[0]);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

static void test_what_follows_is_named(void **state)
{
    (void)state;
    begin();
    assert_string_equal(said(&tunnel, true, 3000, 5000), "ksniff-agent: own stream carried by udp "
                                                         "10.0.0.1 51820 10.0.0.2 51820\n");
    assert_int_equal(holds, 3);
    assert_true(feedback.over);
    /* Once. */
    assert_string_equal(said(&tunnel, true, 3000, 5000), "");
    assert_int_equal(holds, 0);
}

static void test_a_download_is_not(void **state)
{
    (void)state;
    begin();
    assert_string_equal(said(&download, false, 100000, 60000), "");
    assert_in_range(holds, 4, 8); /* less and less often */
    assert_false(feedback.over);
}

static void test_little_is_let_be(void **state)
{
    (void)state;
    begin();
    assert_string_equal(said(&tunnel, true, 1000, 10000), "");
    assert_int_equal(holds, 0);
}

/* One that is silent now and then is no carrier. */
static void test_by_chance(void **state)
{
    (void)state;
    begin();
    for (int i = 0; i < 20; i++) {
        assert_string_equal(said(&download, i % 3 != 2, 5000, 400), "");
        assert_true(feedback.silences < 3);
    }
}

static void test_a_crowded_ring_ends_the_hold(void **state)
{
    (void)state;
    begin();
    while (!feedback.holding)
        step(&tunnel, 5000);
    feedback_check(&feedback, now, sent, false, true);
    assert_false(feedback.holding);
    assert_false(feedback.judging);
    assert_int_equal(feedback.silences, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_follows_is_named),
        cmocka_unit_test(test_a_download_is_not),
        cmocka_unit_test(test_little_is_let_be),
        cmocka_unit_test(test_by_chance),
        cmocka_unit_test(test_a_crowded_ring_ends_the_hold),
    };

    return cmocka_run_group_tests_name("agent_feedback", tests, NULL, NULL);
}
