/* SPDX-License-Identifier: Apache-2.0 */
/* Wireshark's columns: the user's own, in his order, and ours. */
#include "tests/unit/unit.h"

#include <sys/stat.h>
#include <unistd.h>

#include "sink/columns.h"

#define OURS "\"Seen at\", \"%Cus:frame.interface_name:0:R\""
#define DEFAULTS                                                                                   \
    "gui.column.format:\"No.\", \"%m\", \"Time\", \"%t\", " OURS ", \"Source\", \"%s\", "          \
    "\"Destination\", \"%d\", \"Protocol\", \"%p\", \"Length\", \"%L\", \"Info\", \"%i\""

static void test_insert(void **state)
{
    static const struct {
        const char *list;
        bool hidden;
        const char *result;
    } cases[] = {
        {"\"No.\", \"%m\", \"From\", \"%rs\"", false,
         "\"No.\", \"%m\", " OURS ", \"From\", \"%rs\""},
        {"\"No.\", \"%m\", \"From\", \"%rs\"", true, "\"No.\", \"%m\", \"From\", \"%rs\", " OURS},
        {"\"No.\",\"%m\",\n\t\"Source\",\"%Cus:ip.src:0:R\"", false,
         "\"No.\",\"%m\",  \"Source\",\"%Cus:ip.src:0:R\", " OURS},
        {"No,%m,S,%s", false, "No,%m," OURS ", S,%s"},
        {"\"a \\\" %s, \\\\\", \"%t\", \"Source, \", \"%us\"", false,
         "\"a \\\" %s, \\\\\", \"%t\", " OURS ", \"Source, \", \"%us\""},
        {"\"%s\", \"%t\"", false, "\"%s\", \"%t\", " OURS},
        {"\"Where\", \"%Cus:frame.interface_name:0:R\", \"Source\", \"%s\"", false, NULL},
        {"\"No.\", \"%m\", \"Source\"", false, NULL},
        {"\"No.\", \"%m", false, NULL},
        {"\"No.\", \"%m\", \"No, %t", false, NULL},
        {"\"No.\\", false, NULL},
        {"", false, NULL},
        {" ,, ", false, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *result = columns_insert(cases[i].list, cases[i].hidden);

        if (cases[i].result ? !result || strcmp(result, cases[i].result) != 0 : result != NULL)
            fail_msg("%s: %s", cases[i].list, result ? result : "(none)");
        free(result);
    }
}

/* ---- the user's files ---- */

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void expect(const char *wanted)
{
    char *result = columns_seen_at();

    if (wanted)
        assert_string_equal(result ? result : "(none)", wanted);
    else
        assert_null(result);
    free(result);
}

static void test_files(void **state)
{
    char home[] = "/tmp/ksniff-columns-XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(home));
    assert_int_equal(chdir(home), 0);
    setenv("HOME", home, 1);
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("WIRESHARK_CONFIG_DIR");
    expect(DEFAULTS);
    mkdir(".wireshark", 0700);
    write_file(".wireshark/preferences", "gui.column.format: \"O\", \"%t\"\n");
    expect("gui.column.format: \"O\", \"%t\", " OURS);
    mkdir(".config", 0700);
    mkdir(".config/wireshark", 0700);
    expect(DEFAULTS);
    write_file(".config/wireshark/preferences",
               "# Packet list column format\n#gui.column.format: \n#\t\"X\", \"%s\"\n\n"
               "gui.column.hidden: \n");
    expect(DEFAULTS);
    write_file(".config/wireshark/preferences",
               "a.b: c\ngui.column.format: \n\t\"A\", \"%t\",\n\t\"B\", \"%s\"\n\nx.y: z\n");
    expect("gui.column.format:   \"A\", \"%t\",  " OURS ", \"B\", \"%s\"");
    write_file(".config/wireshark/preferences",
               "gui.column.hide: 1\ngui.column.format: \"A\",\"%t\",\"B\",\"%s\"");
    expect("gui.column.format: \"A\",\"%t\",\"B\",\"%s\", " OURS);

    /* The profile that was used last. */
    write_file(".config/wireshark/recent_common", "a: b\ngui.last_used_profile: mine\n");
    expect("gui.column.format: \"A\",\"%t\",\"B\",\"%s\", " OURS);
    mkdir(".config/wireshark/profiles", 0700);
    mkdir(".config/wireshark/profiles/mine", 0700);
    expect(DEFAULTS);
    write_file(".config/wireshark/profiles/mine/preferences",
               "gui.column.format: \"Where\", \"%Cus:frame.interface_name\"\n");
    expect(NULL);
    write_file(".config/wireshark/profiles/mine/preferences", "gui.column.format: \"M\", \"%i\"\n");
    expect("gui.column.format: \"M\", \"%i\", " OURS);
    write_file(".config/wireshark/recent_common", "gui.last_used_profile: ../profiles\n");
    expect("gui.column.format: \"A\",\"%t\",\"B\",\"%s\", " OURS);

    setenv("WIRESHARK_CONFIG_DIR", ".wireshark", 1);
    expect("gui.column.format: \"O\", \"%t\", " OURS);
    unsetenv("WIRESHARK_CONFIG_DIR");
    setenv("XDG_CONFIG_HOME", "elsewhere", 1);
    mkdir("elsewhere", 0700);
    mkdir("elsewhere/wireshark", 0700);
    expect(DEFAULTS);
    assert_int_equal(truncate(".wireshark/preferences", 5 << 20), 0);
    setenv("WIRESHARK_CONFIG_DIR", ".wireshark", 1);
    expect(NULL);
    assert_int_equal(chdir("/"), 0);
    char command[64];
    snprintf(command, sizeof(command), "rm -rf %s", home);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_insert),
        cmocka_unit_test(test_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
