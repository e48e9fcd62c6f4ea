/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/display_filter.h"

#include "unit.h"

static void are_recognised(void **state)
{
    static const char *const texts[] = {
        "tcp.port == 8080",
        "ip.addr==10.0.0.1",
        "http",
        "dns",
        "tcp and http",
        "!(tls)",
        "http.request",
        "tcp contains \"GET\"",
        "tcp.flags.syn",
        "udp && dns.qry",
        "tcp.port eq 80",
        "frame.len > 100",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_true(display_filter_is_meant(texts[i]));
}

/* Wrong, perhaps, but in the language of libpcap. */
static void are_capture_filters(void **state)
{
    static const char *const texts[] = {
        "tcp prt 80",
        "host tcp.example.com",
        "port http",
        "src host dns",
        "host db.data.svc",
        "net 10.0.0.0/8",
        "tcp[tcpflags] == 2",
        "ether host 1.2.3",
        "",
        "dst port domain and (",
        "portrange ssh-telnetx",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(display_filter_is_meant(texts[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(are_recognised),
        cmocka_unit_test(are_capture_filters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
