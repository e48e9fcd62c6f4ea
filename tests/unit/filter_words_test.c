/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/filter_words.h"

#include "unit.h"

/* All names of a text, with a space between; 4 or 6 before those of one family alone. */
static void assert_names(const char *text, const char *expected)
{
    char names[400] = "";
    struct filter_name name;

    for (size_t from = 0; filter_next_name(text, from, &name); from = name.at + name.length) {
        size_t used = strlen(names);

        snprintf(names + used, sizeof(names) - used, "%s%s%.*s", used ? " " : "",
                 name.family == FILTER_IPV4   ? "4:"
                 : name.family == FILTER_IPV6 ? "6:"
                                              : "",
                 (int)name.length, text + name.at);
    }
    assert_string_equal(names, expected);
}

static void names_of_hosts(void **state)
{
    (void)state;
    assert_names("host db", "db");
    assert_names("host db.data.svc and tcp port 5432", "db.data.svc");
    assert_names("src web-0", "web-0");
    assert_names("src host a or dst host b", "a b");
    assert_names("src or dst host a", "a");
    assert_names("src and dst a", "a");
    assert_names("host a or b and not c", "a b c");
    assert_names("host (a or b)", "a b");
    assert_names("not(host a||host b)&&port 80", "a b");
    assert_names("host 3scale.shop.svc", "3scale.shop.svc");
    assert_names("host \\ip", "\\ip");
    assert_names("port 80 and host a", "a");
    assert_names("ip host a or ip6 host b or arp src c", "4:a 6:b 4:c");
    assert_names("ip host a and host b", "4:a b");
    assert_names("tcp[tcpflags] & tcp-syn != 0 and host a", "a");
    assert_names("vlan 5 and host a", "a");
}

static void what_is_none(void **state)
{
    (void)state;
    assert_names("", "");
    assert_names("tcp port http", "");
    assert_names("port http or domain", "");
    assert_names("dst port http and src portrange a-b", "");
    assert_names("net loopback or net 10.0.0.0/8 mask 255.0.0.0", "");
    assert_names("src net x", "");
    assert_names("host 10.0.0.1 or fd00::1 or ::1", "");
    assert_names("host 0x0a000001", "");
    assert_names("ether host gw and ether src x", "");
    assert_names("gateway gw", "");
    assert_names("ip proto tcp", "");
    assert_names("ip proto \\tcp", "");
    assert_names("tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "");
    assert_names("host 10.0.0.1 and tcp[tcpflags] & tcp-syn != 0", "");
    assert_names("icmp[icmptype] == icmp-echo", "");
    assert_names("db", ""); /* libpcap takes none alone */
    assert_names("host [unfinished", "");
    assert_names("host \\", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_hosts),
        cmocka_unit_test(what_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
