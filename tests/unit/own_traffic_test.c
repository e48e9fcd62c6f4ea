/* SPDX-License-Identifier: Apache-2.0 */
/* The warning of a capture that feeds on itself: what an agent may say, and the filter offered. */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "base/error.h"
#include "settings/filter.h"
#include "method/own_traffic.h"

static char shown[2000];

/* Return: whether it was taken; what was shown of it is in @shown. */
static bool warn(const char *carried, const char *text)
{
    int ends[2], old = dup(STDERR_FILENO);

    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    bool taken = own_traffic_warn(carried, text);
    dup2(old, STDERR_FILENO);
    close(old);
    close(ends[1]);
    ssize_t got = read(ends[0], shown, sizeof(shown) - 1);
    close(ends[0]);
    shown[got > 0 ? got : 0] = '\0';
    return taken;
}

static void test_offers_a_filter(void **state)
{
    static const struct {
        const char *carried, *text, *names, *offers;
    } cases[] = {
        {" udp 10.0.0.1 51820 10.0.0.2 51820", NULL,
         "carried by udp from 10.0.0.1 port 51820 to 10.0.0.2 port 51820", "not udp port 51820"},
        {" udp 10.0.0.1 8472 10.0.0.2 40123", "", "10.0.0.2 port 40123", "not udp port 8472"},
        {" tcp fd00::1 40123 fd00::2 15008", "tcp or udp", "fd00::2 port 15008",
         "(tcp or udp) and not tcp port 15008"},
        {" sctp 1.2.3.4 9 5.6.7.8 10", " \t", "sctp", "not sctp port 9"},
        {" 50 10.0.0.1 0 10.0.0.2 0", "port 1 or port 2", "by 50 from",
         "(port 1 or port 2) and not (ip proto 50 and host 10.0.0.1 and host 10.0.0.2)"},
        {" 50 fd00::1 0 fd00::2 0", NULL, "fd00::1",
         "not (ip6 proto 50 and host fd00::1 and host fd00::2)"},
    };
    struct filter filter;
    struct error err;
    char offer[200];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(warn(cases[i].carried, cases[i].text));
        assert_non_null(strstr(shown, cases[i].names));
        snprintf(offer, sizeof(offer), "with -f '%s'\n", cases[i].offers);
        assert_non_null(strstr(shown, offer));
        assert_int_equal(filter_compile(cases[i].offers, 262144, &filter, &err), 0);
        filter_free(&filter);
    }
}

/* The agent runs where its words may be another's. */
static void test_takes_nothing_else(void **state)
{
    static const char *const cases[] = {
        "",
        " udp",
        " udp 10.0.0.1 1 10.0.0.2",
        " udp 10.0.0.1 1 10.0.0.2 2 x",
        " udp 10.0.0.1 1 10.0.0.2 65536",
        " udp 10.0.0.1 -1 10.0.0.2 2",
        " udp nowhere 1 10.0.0.2 2",
        " udp 10.0.0.1 1 $(reboot) 2",
        " ud'p 10.0.0.1 1 10.0.0.2 2",
        " udpudpudp 10.0.0.1 1 10.0.0.2 2",
        " udp 1111:1111:1111:1111:1111:1111:1111:11111111111111 1 ::1 2",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (warn(cases[i], NULL))
            fail_msg("taken: \"%s\"", cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offers_a_filter),
        cmocka_unit_test(test_takes_nothing_else),
    };

    return cmocka_run_group_tests_name("own_traffic", tests, NULL, NULL);
}
