/* SPDX-License-Identifier: Apache-2.0 */
#include "method/elf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "method/agent_binary.h"
#include "unit.h"

static void this_test_is_dynamic(void **state)
{
    static unsigned char bytes[4096];
    FILE *file = fopen("/proc/self/exe", "rb");

    (void)state;
    assert_non_null(file);
    size_t length = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    assert_true(elf_is_dynamic(bytes, length));
    bytes[0] = 'x';
    assert_false(elf_is_dynamic(bytes, length));
}

static void agents_are_static(void **state)
{
    const struct agent_binary *agent = agent_binary_find("x86_64");

    (void)state;
    assert_non_null(agent);
    assert_false(elf_is_dynamic(agent->bytes, agent->length));
}

/* A 32-bit file of the other byte order, and one whose headers lie beyond its end. */
static void other_forms(void **state)
{
    unsigned char bytes[128] = "\177ELF\1\2\1";

    (void)state;
    bytes[31] = 52; /* e_phoff */
    bytes[43] = 32; /* e_phentsize */
    bytes[45] = 2;  /* e_phnum */
    bytes[52 + 3] = 1;
    assert_false(elf_is_dynamic(bytes, sizeof(bytes)));
    bytes[52 + 32 + 3] = 3;
    assert_true(elf_is_dynamic(bytes, sizeof(bytes)));
    memset(bytes + 28, 0xff, 18);
    assert_false(elf_is_dynamic(bytes, sizeof(bytes)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_test_is_dynamic),
        cmocka_unit_test(agents_are_static),
        cmocka_unit_test(other_forms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
