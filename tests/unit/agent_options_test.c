/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's command line: programs in base64url, limits, the file to remove. */
#include "tests/unit/unit.h"

#include <linux/filter.h>

#include "agent/options.h"

static struct options options;

#define PARSE(...) parse((char *const[]){__VA_ARGS__, NULL})

static int parse(char *const argv[])
{
    int argc = 0;

    while (argv[argc])
        argc++;
    memset(&options, 0, sizeof(options));
    return options_parse(argc, argv, &options);
}

static void test_defaults_and_values(void **state)
{
    (void)state;
    assert_int_equal(options_parse(0, NULL, &options), 0);
    assert_int_equal(options.snaplen, AGENT_SNAPLEN_MAX);
    assert_int_equal(options.ring, AGENT_RING_DEFAULT);
    assert_int_equal(options.silence, AGENT_SILENCE_SECONDS);
    assert_int_equal(options.program_length + options.interface_count, 0);
    assert_false(options.vlan || options.no_ring || options.ethernet_only || options.own);

    assert_int_equal(PARSE("-V", "-i", "eth0", "-s", "96", "-R", "-i", "-V", "-b", "4194304", "-S",
                           "7", "-u", "/tmp/x"),
                     0);
    assert_int_equal(options.interface_count, 2);
    assert_string_equal(options.interfaces[0], "eth0");
    assert_string_equal(options.interfaces[1], "-V"); /* a value is a value */
    assert_int_equal(options.snaplen, 96);
    assert_int_equal(options.ring, 4194304);
    assert_int_equal(options.silence, 7);
    assert_true(options.vlan && options.no_ring);
    assert_string_equal(options.unlink_path, "/tmp/x");
    assert_false(options.ethernet_only || options.own);
    assert_int_equal(PARSE("-E"), 0);
    assert_true(options.ethernet_only && !options.own);
    assert_false(options.headers_only);
    assert_int_equal(PARSE("-H"), 0);
    assert_true(options.headers_only);
    assert_int_equal(options.snaplen, 512); /* for the kernel, too */
    assert_int_equal(PARSE("-H", "-O"), 0);
    assert_int_equal(options.snaplen, AGENT_SNAPLEN_MAX); /* the mark may stand there */
    assert_int_equal(PARSE("-s", "96", "-H"), 0);
    assert_int_equal(options.snaplen, 96);
    assert_int_equal(PARSE("-O"), 0);
    assert_true(options.own && !options.ethernet_only);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-s", "0"), -1);
    assert_int_equal(PARSE("-s", "262145"), -1);
    assert_int_equal(PARSE("-s", "18446744073709551617"), -1); /* 2^64 + 1 */
    assert_int_equal(PARSE("-s", "-1"), -1);
    assert_int_equal(PARSE("-s", ""), -1);
    assert_int_equal(PARSE("-b", "4294967297"), -1);
    assert_int_equal(PARSE("-i", "sixteenlettersxx"), -1);
    assert_int_equal(PARSE("-i"), -1);
    assert_int_equal(PARSE("-"), -1);
    assert_int_equal(PARSE("-VV"), -1);
    assert_int_equal(PARSE("eth0"), -1);
}

/* The longest program, with every byte value, comes back as it was; one more instruction does not.
 */
static void test_programs(void **state)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    enum { MOST = AGENT_BPF_INSNS_MAX - AGENT_BPF_OWN_MAX };
    static uint8_t bytes[(MOST + 1) * 8 + 3];
    static char text[sizeof(bytes) * 2];
    static const size_t counts[] = {1, 2, 3, 4, MOST, MOST + 1};

    (void)state;
    for (size_t n = 0; n < sizeof(counts) / sizeof(counts[0]); n++) {
        size_t used = 0, count = counts[n];

        for (size_t i = 0; i < count; i++) {
            uint8_t *insn = bytes + 8 * i;
            uint32_t k = (uint32_t)i * 2654435761u;
            uint16_t code = i + 1 == count ? BPF_RET | BPF_K : BPF_LD | BPF_IMM;

            insn[0] = (uint8_t)code;
            insn[1] = 0;
            insn[2] = (uint8_t)i; /* means nothing to these two, and must come through */
            insn[3] = (uint8_t)~i;
            for (int b = 0; b < 4; b++)
                insn[4 + b] = (uint8_t)(k >> 8 * b);
        }
        memset(bytes + 8 * count, 0, 3);
        for (size_t bit = 0; bit < count * 64; bit += 6) {
            unsigned two = (unsigned)bytes[bit / 8] << 8 | bytes[bit / 8 + 1];

            text[used++] = digits[two >> (10 - bit % 8) & 63];
        }
        text[used] = '\0';
        if (count > MOST) {
            assert_int_equal(PARSE("-F", text), -1);
            continue;
        }
        assert_int_equal(PARSE("-F", text), 0);
        assert_int_equal(options.program_length, count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(options.program[i].k, (uint32_t)i * 2654435761u);
            assert_int_equal(options.program[i].jt, (uint8_t)i);
            assert_int_equal(options.program[i].jf, (uint8_t)~i);
        }
        text[used - 3] = '\0'; /* cut: no whole instruction at the end */
        assert_int_equal(PARSE("-F", text), -1);
    }
    assert_int_equal(PARSE("-F", ""), -1);
    assert_int_equal(PARSE("-F", "BgAAAAAAAA="), -1); /* padding does not belong there */
}

static void test_own_file(void **state)
{
    char *const wrong[] = {"-x", "-u", "/tmp/own", "-s"}, *const none[] = {"-i", "eth0", "-u"};

    (void)state;
    assert_string_equal(options_unlink(4, wrong), "/tmp/own");
    assert_null(options_unlink(3, none));
    assert_null(options_unlink(0, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_and_values),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_programs),
        cmocka_unit_test(test_own_file),
    };

    return cmocka_run_group_tests_name("agent_options", tests, NULL, NULL);
}
