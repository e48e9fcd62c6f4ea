/* SPDX-License-Identifier: Apache-2.0 */
/* The user's file of defaults: what it may say, and who comes before it. */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "base/error.h"
#include "cli/defaults.h"
#include "cli/flags.h"
#include "cli/options.h"

static char path[] = "/tmp/ksniff-defaults-XXXXXX";

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    setenv("KSNIFF_CONFIG", path, 1);
}

#define WORDS_MAX 16

/* Parses "a b c" with a file of this text. @words must outlive the options. */
static int parse(const char *text, char *words, struct defaults *defaults, struct options *options,
                 struct error *err)
{
    char *argv[WORDS_MAX] = {(char *)"kubectl-sniff"};
    int argc = 1;

    write_file(text);
    *defaults = (struct defaults){0};
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    return options_parse_with(argc, argv, defaults, options, err);
}

static struct defaults defaults;
static char line_words[256];

static struct options parsed(const char *text, const char *line)
{
    struct options options;
    struct error err = {0};

    defaults_free(&defaults);
    snprintf(line_words, sizeof(line_words), "%s", line);
    if (parse(text, line_words, &defaults, &options, &err) < 0)
        fail_msg("%s: %s", line, err.text);
    return options;
}

static void refused(const char *text, const char *expected, const char *remedy)
{
    char whole[300];
    struct options options;
    struct error err = {0};

    defaults_free(&defaults);
    snprintf(line_words, sizeof(line_words), "web --image y");
    if (parse(text, line_words, &defaults, &options, &err) == 0)
        fail_msg("\"%s\" is taken", text);
    assert_int_equal(err.kind, ERROR_USAGE);
    snprintf(whole, sizeof(whole), "\"%s\", %s", path, expected);
    assert_string_equal(err.text, whole);
    assert_string_equal(err.remedy, remedy);
}

static void test_values(void **state)
{
    struct options options = parsed("# ours\n\n  method=node\r\nimage =  a/b:c  # the small one\n"
                                    "viewer = 'tcpdump -n -r - # x'\nfilter = \"tcp port 80\"\n"
                                    "no-names\nnamespace = shop",
                                    "web");

    (void)state;
    assert_string_equal(options.method, "node");
    assert_string_equal(options.image, "a/b:c");
    assert_string_equal(options.viewer, "tcpdump -n -r - # x");
    assert_string_equal(options.filter, "tcp port 80");
    assert_string_equal(options.namespace, "shop");
    assert_true(options.no_names);
    assert_int_equal(options.action, OPTIONS_SNIFF);
    assert_null(parsed("", "web").method);
}

static void test_who_comes_first(void **state)
{
    static const char file[] = "method = node\ninterface = eth0\ninterface = lo\nquiet\nfilter = a";
    struct options options = parsed(file, "web --method upload -i eth1 --quiet=false");

    (void)state;
    assert_string_equal(options.method, "upload");
    assert_int_equal(options.interface_count, 1);
    assert_string_equal(options.interfaces[0], "eth1");
    assert_false(options.quiet);
    options = parsed(file, "web");
    assert_int_equal(options.interface_count, 2);
    assert_true(options.quiet);
    setenv("KUBECTL_PLUGINS_LOCAL_FLAG_FILTER", "b", 1);
    assert_string_equal(parsed(file, "web").filter, "b");
    unsetenv("KUBECTL_PLUGINS_LOCAL_FLAG_FILTER");
    assert_string_equal(parsed(file, "web").filter, "a");
}

/* A default is no contradiction to what is asked for here and now. */
static void test_what_yields(void **state)
{
    struct options options = parsed("viewer = tshark\nformat = pcap", "web -o x.pcapng");

    (void)state;
    assert_null(options.viewer);
    assert_int_equal(options.format, OPTIONS_FORMAT_PCAP);
    assert_string_equal(parsed("method = upload\nimage = i", "web -p").method, "node");
    assert_string_equal(parsed("method = upload", "node/one").method, "node");
    assert_int_equal(parsed("verbose", "web --quiet").verbose, 0);
    assert_false(parsed("follow", "node/one").follow);
    assert_null(parsed("output-file = x", "web --viewer tshark").output_file);
    assert_int_equal(parsed("format = pcap", "web").format, OPTIONS_FORMAT_DEFAULT);
    assert_string_equal(parsed("image = i\nmethod = node", "--cleanup").image, "i");
}

static void test_refused(void **state)
{
    (void)state;
    refused("# x\nmethd = node", "line 2: there is no flag \"methd\"", "did you mean \"method\"?");
    refused("--image = a", "line 1: there is no flag \"--image\"", "did you mean \"image\"?");
    refused("x = a", "line 1: there is no flag \"x\"",
            "names are those of the flags, without dashes: see kubectl sniff --help");
    refused("method = nodes", "line 1: method takes auto, upload, node or ephemeral, not \"nodes\"",
            "");
    refused("image", "line 1: a value is missing", "write: name = value");
    refused("image = 'a", "line 1: a quote is missing", "quote all of the value, or nothing");
    refused("image = 'a' b", "line 1: a quote is missing", "quote all of the value, or nothing");
    refused("quiet\n\nquiet = false", "line 3: \"quiet\" stands in line 1 already",
            "leave out one of them");
    /* Also where the command line has another one. */
    refused("snaplen = many", "line 1: snaplen takes a whole number, not \"many\"", "");
}

static void test_what_is_no_default(void **state)
{
    static const char *const names[] = {
        "help",   "version",    "completion", "check",    "cleanup",        "print-config",
        "record", "recordings", "end",        "selector", "field-selector", "all-namespaces"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char text[64], expected[100];

        assert_non_null(flag_find(names[i], strlen(names[i])));
        snprintf(text, sizeof(text), "%s = true", names[i]);
        snprintf(expected, sizeof(expected), "line 1: \"%s\" cannot be a default", names[i]);
        refused(text, expected, "give it on the command line");
    }
}

/* Who asks for help, or wants a completion, is not told of the file. */
static void test_help_comes_first(void **state)
{
    (void)state;
    assert_int_equal(parsed("nonsense", "web --help").action, OPTIONS_HELP);
    assert_int_equal(parsed("nonsense", "--version").action, OPTIONS_VERSION);
    assert_int_equal(parsed("nonsense", "--completion bash").action, OPTIONS_COMPLETION);
}

static void test_files(void **state)
{
    struct options options;
    struct error err = {0};
    char *argv[] = {(char *)"x", (char *)"web"};

    (void)state;
    defaults_free(&defaults);
    setenv("KSNIFF_CONFIG", "", 1);
    assert_int_equal(options_parse_with(2, argv, &defaults, &options, &err), 0);
    assert_null(defaults.path);
    setenv("KSNIFF_CONFIG", "/nonexistent", 1);
    assert_int_equal(options_parse_with(2, argv, &defaults, &options, &err), -1);
    assert_int_equal(err.kind, ERROR_CONFIG);
    assert_string_equal(err.text, "cannot read \"/nonexistent\": No such file or directory");
    defaults_free(&defaults);
    unsetenv("KSNIFF_CONFIG");
    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    assert_int_equal(options_parse_with(2, argv, &defaults, &options, &err), 0);
    assert_string_equal(defaults.path, "/nonexistent/ksniff/config");
    defaults_free(&defaults);
    setenv("XDG_CONFIG_HOME", "relative", 1);
    setenv("HOME", "/nonexistent", 1);
    assert_int_equal(options_parse_with(2, argv, &defaults, &options, &err), 0);
    assert_string_equal(defaults.path, "/nonexistent/.config/ksniff/config");
}

/* Any bytes; the sanitizers judge. */
static void test_noise(void **state)
{
    static const char letters[] = "method=node image quiet'\"#\n\n \t\\-x\r";

    (void)state;
    srand(7);
    for (int round = 0; round < 2000; round++) {
        char text[80], words[8] = "web";
        struct options options;
        struct error err = {0};
        size_t length = (size_t)rand() % sizeof(text);

        for (size_t i = 0; i < length; i++)
            text[i] = rand() % 8 ? letters[(size_t)rand() % (sizeof(letters) - 1)]
                                 : (char)(1 + rand() % 255);
        text[length ? length - 1 : 0] = '\0';
        defaults_free(&defaults);
        if (parse(text, words, &defaults, &options, &err) < 0)
            assert_true(err.text[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_who_comes_first),
        cmocka_unit_test(test_what_yields),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_what_is_no_default),
        cmocka_unit_test(test_help_comes_first),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_files),
    };
    int fd = mkstemp(path);

    if (fd < 0)
        return 1;
    close(fd);
    int failed = cmocka_run_group_tests_name("defaults", tests, NULL, NULL);
    defaults_free(&defaults);
    unlink(path);
    return failed;
}
