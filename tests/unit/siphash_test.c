/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/siphash.h"

/* From the paper (appendix A), and the authors' vectors: the key is 00 01 .. 0f, the text 00 01 ...
 */
static void test_the_vectors_of_its_authors(void **state)
{
    uint8_t key[SIPHASH_KEY], text[64];

    (void)state;
    for (uint8_t i = 0; i < sizeof(key); i++)
        key[i] = i;
    for (uint8_t i = 0; i < sizeof(text); i++)
        text[i] = i;
    assert_true(siphash(key, text, 0) == 0x726fdb47dd0e0e31u);
    assert_true(siphash(key, text, 1) == 0x74f839c593dc67fdu);
    assert_true(siphash(key, text, 8) == 0x93f5f5799a932462u);
    assert_true(siphash(key, text, 15) == 0xa129ca6149be45e5u);
}

static void test_another_key_is_another_hash(void **state)
{
    uint8_t key[SIPHASH_KEY] = {0}, other[SIPHASH_KEY] = {1};

    (void)state;
    assert_true(siphash(key, "text", 4) != siphash(other, "text", 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_vectors_of_its_authors),
        cmocka_unit_test(test_another_key_is_another_hash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
