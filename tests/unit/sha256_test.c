/* SPDX-License-Identifier: Apache-2.0 */
/* Against the examples of NIST for FIPS 180-4 (FIPS 180-2 has them too, appendix B), and vectors of
 * its validation program (SHAVS) at the lengths where the padding needs another block. */
#include "tests/unit/unit.h"

#include "common/sha256.h"

static void check(const void *bytes, size_t length, const char *expected)
{
    uint8_t hash[SHA256_LENGTH];
    char text[2 * SHA256_LENGTH + 1];

    sha256(bytes, length, hash);
    for (size_t i = 0; i < SHA256_LENGTH; i++)
        snprintf(text + 2 * i, 3, "%02x", hash[i]);
    assert_string_equal(text, expected);
}

static void test_vectors(void **state)
{
    static const char two[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    static char million[1000000];

    (void)state;
    check("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check(two, 56, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    memset(million, 'a', sizeof(million));
    check(million, sizeof(million),
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    /* SHAVS, SHA256ShortMsg.rsp, Len = 8 */
    check("\xd3", 1, "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1");
}

/* Zeros, of every length about the end of a block; by sha256sum(1). */
static void test_padding(void **state)
{
    static const char zeros[130];

    (void)state;
    for (size_t length = 54; length < sizeof(zeros); length++) {
        char command[100], expected[65] = "";

        snprintf(command, sizeof(command), "head -c %zu /dev/zero | sha256sum", length);
        FILE *tool = popen(command, "r");
        assert_non_null(tool);
        assert_int_equal(fread(expected, 1, 64, tool), 64);
        pclose(tool);
        check(zeros, length, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors),
                                       cmocka_unit_test(test_padding)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
