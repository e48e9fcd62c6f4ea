/* SPDX-License-Identifier: Apache-2.0 */
/* Filters: judged by running the compiled program over packets, link type by link type. */
#include "tests/unit/unit.h"

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"
#include "settings/filter.h"

#define HATYPE   0xfffff01cu /* SKF_AD_OFF + SKF_AD_HATYPE */
#define ETHERNET 1
#define LOOPBACK 772
#define TUN      0xfffe

/*
 * A classic BPF machine, as small as it can be: the loads, jumps and operations that libpcap's code
 * for these filters uses; anything else fails the test.
 */
static uint32_t run(const struct filter *filter, uint32_t hatype, const uint8_t *packet,
                    size_t length)
{
    uint32_t a = 0, x = 0, mem[16] = {0};

    for (size_t pc = 0; pc < filter->length; pc++) {
        const struct agent_bpf_insn *i = &filter->program[pc];
        uint32_t at = i->k;

        switch (i->code) {
        case 0x20:
        case 0x28:
        case 0x30: /* ld, ldh, ldb [k] */
        case 0x40:
        case 0x48:
        case 0x50: { /* [x + k] */
            uint32_t size = (i->code & 0x18) == 0 ? 4 : (i->code & 0x18) == 8 ? 2 : 1;

            if (i->code == 0x20 && at == HATYPE) {
                a = hatype;
                break;
            }
            at += i->code & 0x40 ? x : 0;
            if (at + size > length)
                return 0;
            a = 0;
            while (size--)
                a = a << 8 | packet[at++];
            break;
        }
        case 0xb1: /* ldx 4*([k]&0xf) */
            if (at >= length)
                return 0;
            x = 4 * (packet[at] & 15u);
            break;
        case 0x01:
            x = i->k;
            break;
        case 0x00:
            a = i->k;
            break;
        case 0x02:
            mem[i->k & 15] = a;
            break;
        case 0x60:
            a = mem[i->k & 15];
            break;
        case 0x61:
            x = mem[i->k & 15];
            break;
        case 0x07:
            x = a;
            break;
        case 0x87:
            a = x;
            break;
        case 0x04:
            a += i->k;
            break;
        case 0x0c:
            a += x;
            break;
        case 0x54:
            a &= i->k;
            break;
        case 0x05:
            pc += i->k;
            break;
        case 0x15:
            pc += a == i->k ? i->jt : i->jf;
            break;
        case 0x25:
            pc += a > i->k ? i->jt : i->jf;
            break;
        case 0x35:
            pc += a >= i->k ? i->jt : i->jf;
            break;
        case 0x45:
            pc += a & i->k ? i->jt : i->jf;
            break;
        case 0x06:
            return i->k;
        default:
            fail_msg("instruction 0x%02x", i->code);
        }
    }
    fail_msg("ran off the end");
    return 0;
}

/* Ethernet, IPv4, TCP from port 1000 to 8080. */
static const uint8_t tcp[] = {2,    0, 0,  0,  0,    2, 2,    0,    0,    0,    0, 1, 8,  0,
                              0x45, 0, 0,  40, 0,    0, 0,    0,    64,   6,    0, 0, 10, 0,
                              0,    1, 10, 0,  0,    2, 0x03, 0xe8, 0x1f, 0x90, 0, 0, 0,  0,
                              0,    0, 0,  0,  0x50, 2, 0,    0,    0,    0,    0, 0};

static struct filter compile(const char *text)
{
    struct filter filter;
    struct error err = {0};

    if (filter_compile(text, 4321, &filter, &err) < 0)
        fail_msg("%s", err.text);
    return filter;
}

static void test_dispatches_on_the_link_type(void **state)
{
    struct filter filter = compile("tcp port 8080");
    uint8_t other[sizeof(tcp)];

    (void)state;
    memcpy(other, tcp, sizeof(tcp));
    other[37] = 0x91;
    assert_int_equal(run(&filter, ETHERNET, tcp, sizeof(tcp)), 4321);
    assert_int_equal(run(&filter, LOOPBACK, tcp, sizeof(tcp)), 4321);
    assert_int_equal(run(&filter, TUN, tcp + 14, sizeof(tcp) - 14), 4321);
    assert_int_equal(run(&filter, ETHERNET, other, sizeof(other)), 0);
    assert_int_equal(run(&filter, TUN, other + 14, sizeof(other) - 14), 0);
    /* The part for one link type does not fit the other. */
    assert_int_equal(run(&filter, ETHERNET, tcp + 14, sizeof(tcp) - 14), 0);
    assert_int_equal(run(&filter, TUN, tcp, sizeof(tcp)), 0);
    filter_free(&filter);
}

static void test_ethernet_alone(void **state)
{
    struct filter filter = compile("ether src 02:00:00:00:00:01");

    (void)state;
    assert_true(filter.ethernet_only);
    assert_int_equal(run(&filter, ETHERNET, tcp, sizeof(tcp)), 4321);
    filter_free(&filter);
    filter = compile("tcp");
    assert_false(filter.ethernet_only);
    filter_free(&filter);
    /* What is not Ethernet is shown to it with a header of zeros: it has no tag, so it is taken. */
    uint8_t without[sizeof(tcp)];
    memcpy(without, tcp, sizeof(tcp));
    memset(without, 0, 12);
    filter = compile("tcp and not ether src 02:00:00:00:00:01");
    assert_true(filter.ethernet_only);
    assert_int_equal(run(&filter, TUN, without, sizeof(without)), 4321);
    assert_int_equal(run(&filter, TUN, tcp, sizeof(tcp)), 0);
    filter_free(&filter);
}

static void test_none(void **state)
{
    (void)state;
    assert_null(compile(NULL).program);
    assert_null(compile("").program);
    assert_null(compile(" \t\n").program);
}

static void test_vlan_is_a_word(void **state)
{
    static const struct {
        const char *text;
        bool vlan;
    } cases[] = {{"vlan", true},
                 {"vlan 100 and tcp", true},
                 {"not(vlan)", true},
                 {"tcp or (vlan 5)", true},
                 {"tcp port 80", false}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct filter filter = compile(cases[i].text);

        assert_int_equal(filter.vlan, cases[i].vlan);
        filter_free(&filter);
    }
}

static void test_refused_with_the_place(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"tcp prt 80", "at or after \"prt 80\" (column 5)"},
        {"tcp port 80 and and udp", "at or after \"and and udp\" (column 13)"},
        {"tcp port 80 or", "syntax error"},
        {"host 1.2.3.4.5", "filter \"host 1.2.3.4.5\": "},
        {"port 99999", "filter \"port 99999\": "},
        {"(tcp", "syntax error"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct filter filter;
        struct error err = {0};

        assert_int_equal(filter_compile(cases[i].text, 1000, &filter, &err), -1);
        assert_int_equal(err.kind, ERROR_USAGE);
        if (!strstr(err.text, cases[i].says))
            fail_msg("\"%s\" is not in \"%s\"", cases[i].says, err.text);
        assert_null(filter.program);
    }
}

static void test_too_long(void **state)
{
    struct filter filter;
    struct error err = {0};
    char *text = malloc(400000);
    size_t used = 0;

    (void)state;
    for (int i = 0; i < 6000; i++)
        used += (size_t)sprintf(text + used, "%shost 10.%d.%d.%d", i ? " or " : "", i % 250,
                                i / 250, i % 7);
    assert_int_equal(filter_compile(text, 1000, &filter, &err), -1);
    assert_non_null(strstr(err.text, "longer than 16384 bytes"));
    free(text);
}

static void test_encoding(void **state)
{
    struct filter filter = compile("tcp");
    size_t length;

    (void)state;
    char *text = filter_encode(&filter);
    assert_null(strpbrk(text, "+/="));
    for (char *c = text; *c; c++)
        *c = (char)(*c == '-' ? '+' : *c == '_' ? '/' : *c);
    unsigned char *bytes = text_base64_decode(text, strlen(text), &length);
    assert_int_equal(length, filter.length * 8);
    for (size_t i = 0; i < filter.length; i++) {
        const unsigned char *b = bytes + 8 * i;

        assert_int_equal(b[0] | b[1] << 8, filter.program[i].code);
        assert_int_equal(b[2], filter.program[i].jt);
        assert_int_equal(b[3], filter.program[i].jf);
        assert_int_equal((uint32_t)b[4] | (uint32_t)b[5] << 8 | (uint32_t)b[6] << 16 |
                             (uint32_t)b[7] << 24,
                         filter.program[i].k);
    }
    free(bytes);
    free(text);
    filter_free(&filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dispatches_on_the_link_type),
        cmocka_unit_test(test_ethernet_alone),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_vlan_is_a_word),
        cmocka_unit_test(test_refused_with_the_place),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_encoding),
    };

    return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
