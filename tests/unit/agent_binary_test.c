/* SPDX-License-Identifier: Apache-2.0 */
/* Which agent is for which machine, and what is said where there is none. */
#include "tests/unit/unit.h"

#include "base/error.h"
#include "method/agent_binary.h"

static void names_of_machines(void **state)
{
    static const char *const same[][2] = {
        {"x86_64", "amd64"},    {"amd64", "amd64"}, {"aarch64", "arm64"}, {"arm64", "arm64"},
        {"armv7l", "arm"},      {"armv8l", "arm"},  {"arm", "arm"},       {"riscv64", "riscv64"},
        {"ppc64le", "ppc64le"}, {"s390x", "s390x"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        const struct agent_binary *agent = agent_binary_find(same[i][0]);

        /* A build carries those of -Dagents. */
        if (agent)
            assert_string_equal(agent->architecture, same[i][1]);
        assert_ptr_equal(agent, agent_binary_find(same[i][1]));
    }
    assert_non_null(agent_binary_find("x86_64"));
    for (const struct agent_binary *agent = agent_binaries; agent->architecture; agent++) {
        const struct agent_binary *recorder = recorder_binary_find(agent->architecture);

        assert_non_null(recorder);
        assert_string_equal(recorder->architecture, agent->architecture);
        assert_memory_equal(recorder->bytes,
                            "\x7f"
                            "ELF",
                            4);
        assert_ptr_not_equal(recorder->bytes, agent->bytes);
    }
    assert_null(recorder_binary_find("mips64"));
    assert_non_null(agent_binary_find("aarch64"));
}

/* Of another byte order, of other instructions, or of none that there is. */
static void others_have_none(void **state)
{
    static const char *const others[] = {"ppc64", "s390", "armv6l", "armv5tel", "mips64",
                                         "i686",  "x86",  "",       "arm6",     "amd64 "};

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_null(agent_binary_find(others[i]));
}

static void what_is_said(void **state)
{
    struct error err = {0};

    (void)state;
    assert_ptr_equal(agent_binary_choose("x86_64", &err), agent_binary_find("amd64"));
    assert_null(agent_binary_choose("mips64", &err));
    assert_int_equal(err.kind, ERROR_TARGET);
    assert_string_equal(err.text, "there is no agent for \"mips64\" machines");
    assert_non_null(strstr(err.remedy, "upload a static tcpdump for it with -l PATH; this program "
                                       "carries agents for amd64, arm64"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_machines),
        cmocka_unit_test(others_have_none),
        cmocka_unit_test(what_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
