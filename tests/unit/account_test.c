/* SPDX-License-Identifier: Apache-2.0 */
/* What an agent says against what came of it. */
#include "tests/unit/unit.h"

#include "method/account.h"

static struct account account;
static struct capture_item item;

static int begin(void **state)
{
    (void)state;
    account_free(&account);
    return 0;
}

static void packets(unsigned count, uint64_t timestamp)
{
    item.packet = (struct capture_packet){.timestamp = timestamp};
    for (unsigned i = 0; i < count; i++)
        assert_true(account_item(&account, CAPTURE_PACKET, &item));
}

static void statistics(uint32_t interface, uint64_t received, uint64_t dropped, bool last)
{
    item.statistics = (struct capture_statistics){.interface = interface,
                                                  .timestamp = 77,
                                                  .received = received,
                                                  .dropped = dropped,
                                                  .last = last};
    assert_true(account_item(&account, CAPTURE_STATISTICS, &item));
}

/* Statistics count from the beginning, each interface for itself; drops are not to come. */
static void test_statistics(void **state)
{
    (void)state;
    assert_int_equal(account_missing(&account), 0);
    packets(5, 50);
    statistics(0, 3, 0, false);
    statistics(1, 12, 10, false);
    assert_int_equal(account_missing(&account), 0);
    assert_int_equal(account_dropped(&account), 10);
    statistics(0, 7, 0, false);
    assert_int_equal(account_missing(&account), 4);
    assert_false(account.complete);
    packets(4, 60);
    statistics(1, 13, 11, true);
    assert_int_equal(account_missing(&account), 0);
    assert_int_equal(account_dropped(&account), 11);
    assert_true(account.complete);
    assert_int_equal(account.latest, 77);
    packets(1, 99);
    assert_int_equal(account.latest, 99);
    packets(1, 98); /* another processor's */
    assert_int_equal(account.latest, 99);
}

/* Of what was recorded: statistics are those of a segment each. */
static void test_what_is_said_at_the_end_counts_alone(void **state)
{
    (void)state;
    account.by_word = true;
    packets(5, 50);
    statistics(0, 1000, 3, true);
    packets(2, 60);
    statistics(0, 9, 4, true);
    assert_false(account_is_whole(&account));
    assert_int_equal(account_missing(&account), 0);
    assert_true(account_line(&account, "stopped: 8 packets, 7 dropped"));
    assert_true(account_is_whole(&account));
    assert_int_equal(account_missing(&account), 1);
    assert_int_equal(account_dropped(&account), 0); /* the segments have said so */
    packets(1, 70);
    assert_int_equal(account_missing(&account), 0);
    assert_int_equal(account.latest, 77);
}

/* Nonsense of a container's does no harm: no number goes below zero, no index is too large. */
static void test_nonsense(void **state)
{
    (void)state;
    statistics(0, 5, 9, false);
    assert_int_equal(account_missing(&account), 0);
    assert_int_equal(account_dropped(&account), 5);
    statistics(CAPTURE_INTERFACES_MAX - 1, 4, 1, false);
    assert_int_equal(account_missing(&account), 3);
    statistics(0, 0, 0, false);
    assert_int_equal(account_dropped(&account), 1);
}

static void test_the_agents_word(void **state)
{
    (void)state;
    packets(10, 1);
    assert_true(account_line(&account, "stopped: 25 packets, 3 dropped"));
    assert_true(account.told && !account.at_most);
    assert_int_equal(account_missing(&account), 15);
    assert_int_equal(account_dropped(&account), 3);
    assert_true(account_line(&account, "stopped: at most 26 packets, 4 dropped"));
    assert_true(account.at_most);
    assert_int_equal(account_missing(&account), 16);
    /* The statistics at the end are exact. */
    statistics(0, 15, 4, true);
    assert_int_equal(account_missing(&account), 1);
    packets(1, 1);
    assert_int_equal(account_missing(&account), 0);
    /* More than was counted when it was told. */
    packets(100, 1);
    assert_int_equal(account_missing(&account), 0);
}

static void test_lines_for_a_person(void **state)
{
    static const char *const lines[] = {"",
                                        "stopped",
                                        "stopped: ",
                                        "stopped: many packets, 3 dropped",
                                        "stopped: at most",
                                        "stopped: 25 packets",
                                        "25 packets, 3 dropped",
                                        "nothing was heard on standard input: ended"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_false(account_line(&account, lines[i]));
    assert_false(account.told);
}

static void test_tcpdump(void **state)
{
    static const char *const lines[] = {
        "listening on any, link-type LINUX_SLL2 (Linux cooked v2), snapshot length 262144 bytes",
        "20 packets captured", "28 packets received by filter", "5 packets dropped by kernel"};

    (void)state;
    packets(18, 1);
    account_tcpdump_line(&account, lines[0]);
    assert_false(account.told);
    for (size_t i = 1; i < 4; i++)
        account_tcpdump_line(&account, lines[i]);
    assert_true(account.told);
    assert_int_equal(account_missing(&account), 2);
    assert_int_equal(account_dropped(&account), 8); /* three of them stood in its ring */
    account_free(&account);
    account_tcpdump_line(&account, "1 packet captured");
    account_tcpdump_line(&account, "1 packet received by filter");
    assert_int_equal(account_missing(&account), 1);
    assert_int_equal(account_dropped(&account), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_statistics, begin, begin),
        cmocka_unit_test_setup_teardown(test_nonsense, begin, begin),
        cmocka_unit_test_setup_teardown(test_what_is_said_at_the_end_counts_alone, begin, begin),
        cmocka_unit_test_setup_teardown(test_the_agents_word, begin, begin),
        cmocka_unit_test_setup_teardown(test_lines_for_a_person, begin, begin),
        cmocka_unit_test_setup_teardown(test_tcpdump, begin, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
