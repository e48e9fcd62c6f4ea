/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "base/error.h"
#include "cli/flags.h"
#include "cli/help.h"
#include "cli/options.h"

#define WORDS_MAX 32

/* Parses "a b c" split at spaces. The words live in a static buffer. */
static int parse(const char *line, struct options *options, struct error *err)
{
    static char text[1024];
    char *argv[WORDS_MAX] = {(char *)"kubectl-sniff"};
    int argc = 1;

    snprintf(text, sizeof(text), "%s", line);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    return options_parse(argc, argv, options, err);
}

static struct options parsed(const char *line)
{
    struct options options;
    struct error err = {0};

    if (parse(line, &options, &err) < 0)
        fail_msg("\"%s\": %s", line, err.text);
    return options;
}

static void refused(const char *line, const char *text, const char *remedy)
{
    struct options options;
    struct error err = {0};

    if (parse(line, &options, &err) == 0)
        fail_msg("\"%s\" is taken", line);
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_string_equal(err.text, text);
    if (remedy)
        assert_string_equal(err.remedy, remedy);
}

static void test_defaults(void **state)
{
    struct options options = parsed("web");

    (void)state;
    assert_int_equal(options.action, OPTIONS_SNIFF);
    assert_string_equal(options.target, "web");
    assert_null(options.namespace);
    assert_null(options.container);
    assert_int_equal(options.interface_count, 0);
    assert_null(options.filter);
    assert_null(options.output_file);
    assert_int_equal(options.snaplen, 262144);
    assert_int_equal(options.count, 0);
    assert_int_equal(options.duration, 0);
    assert_int_equal(options.max_size, 0);
    assert_int_equal(options.buffer_size, 0);
    assert_int_equal(options.format, OPTIONS_FORMAT_DEFAULT);
    assert_int_equal(options.verbose, 0);
}

static void test_ways_to_write_a_value(void **state)
{
    static const char *const lines[] = {
        "web -n shop",          "web -nshop",           "web -n=shop",
        "-n shop web",          "web --namespace shop", "--namespace=shop web",
        "-n other -n shop web", "-vn shop web",         "-n shop -- web"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct options options = parsed(lines[i]);

        assert_string_equal(options.namespace, "shop");
        assert_string_equal(options.target, "web");
    }
}

static void test_values(void **state)
{
    struct options options =
        parsed("po/web -i eth0 -i lo --snaplen 0 --count 7 --duration 1m --max-size 1M "
               "--buffer-size 64M --format pcap -o x -vv --as-group a --as-group b "
               "--insecure-skip-tls-verify=false --request-timeout 5s");

    (void)state;
    assert_int_equal(options.interface_count, 2);
    assert_string_equal(options.interfaces[1], "lo");
    assert_null(options.interfaces[2]);
    assert_int_equal(options.snaplen, 262144); /* as for tcpdump */
    assert_int_equal(options.count, 7);
    assert_int_equal(options.duration, 60000);
    assert_int_equal(options.max_size, 1 << 20);
    assert_int_equal(options.buffer_size, 64 << 20);
    assert_int_equal(options.format, OPTIONS_FORMAT_PCAP);
    assert_int_equal(options.verbose, 2);
    assert_string_equal(options.as_groups[1], "b");
    assert_false(options.kube.insecure_skip_tls_verify);
    assert_int_equal(options.request_timeout, 5000);
    assert_int_equal(parsed("web -i any").interface_count, 0);
    assert_int_equal(parsed("web -v --verbose=false").verbose, 0);
    assert_int_equal(parsed("web --help").action, OPTIONS_HELP);
    assert_int_equal(parsed("-h").action, OPTIONS_HELP);
    assert_int_equal(parsed("--version").action, OPTIONS_VERSION);
}

static void test_refusals(void **state)
{
    (void)state;
    refused("", "no pod is named", NULL);
    refused("web --contaner x", "unknown flag \"--contaner\"", "did you mean \"--container\"?");
    refused("web --flter=x", "unknown flag \"--flter\"", "did you mean \"--filter\"?");
    refused("web --xyzzy", "unknown flag \"--xyzzy\"", "see: kubectl sniff --help");
    refused("web -z", "unknown flag \"-z\"", NULL);
    refused("web --name", "unknown flag \"--name\"", NULL); /* no prefixes */
    refused("web -o", "-o needs a value", "-o FILE");
    refused("web b", "unexpected argument \"b\": the pod is \"web\" already",
            "a filter stands behind -f, in quotes");
    refused("web --count x", "--count takes a whole number, not \"x\"", NULL);
    refused("web --count -1", "--count takes a whole number, not \"-1\"", NULL);
    refused("web --count 99999999999999999999",
            "--count takes a whole number, not \"99999999999999999999\"", NULL);
    refused("web --snaplen 262145", "--snaplen takes at most 262144 bytes, not \"262145\"", NULL);
    refused("web --max-size 1X", "--max-size takes a size such as 64k, 32M or 1G, not \"1X\"",
            NULL);
    refused("web --duration soon",
            "--duration takes a duration such as 30s, 5m or 1h30m, not \"soon\"", NULL);
    refused("web --quiet=maybe", "--quiet takes true or false, not \"maybe\"", NULL);
    refused("web --format=cap -o x", "--format takes pcapng or pcap, not \"cap\"", NULL);
    refused("web -i waytoolongforaname",
            "-i takes the name of an interface, such as eth0, not \"waytoolongforaname\"", NULL);
    refused("web -n Shop", "-n takes a name of lower-case letters, digits and dashes, not \"Shop\"",
            NULL);
    refused("web --filter=", "--filter is empty", NULL);
    refused("deploy/web", "\"deploy/web\" is no pod", NULL);
    refused("we_b", "\"we_b\" cannot be the name of a pod", NULL);
    refused("web --quiet -v", "--quiet contradicts --verbose", NULL);
    refused("web --format pcap", "Wireshark is given pcapng: --format pcap needs -o", NULL);
    refused("web -i any -i lo", "-i any contradicts the other -i", NULL);
    refused("web -l x -i eth0 -i lo", "tcpdump (-l) takes one -i", NULL);
    refused("web -l x --buffer-size 2M", "--buffer-size is of the agent's ring: -l does without it",
            NULL);
    refused("web --buffer-size 4k", "--buffer-size takes at least 1M", NULL);
    refused("web -p", "-p belongs to the node method, which this version does not have", NULL);
    refused("web --pod-creation-timeout 5s",
            "--pod-creation-timeout belongs to the node method, which this version does not have",
            NULL);
}

static void test_environment(void **state)
{
    struct options options;
    struct error err;

    (void)state;
    setenv("KUBECTL_PLUGINS_CURRENT_NAMESPACE", "shop", 1);
    setenv("KUBECTL_PLUGINS_LOCAL_FLAG_FILTER", "tcp", 1);
    setenv("KUBECTL_PLUGINS_LOCAL_FLAG_VERBOSE", "true", 1);
    setenv("KUBECTL_PLUGINS_LOCAL_FLAG_CONTAINER", "", 1);
    options = parsed("web");
    assert_string_equal(options.namespace, "shop");
    assert_string_equal(options.filter, "tcp");
    assert_int_equal(options.verbose, 1);
    assert_null(options.container);
    options = parsed("web -n mine -f udp");
    assert_string_equal(options.namespace, "mine");
    assert_string_equal(options.filter, "udp");
    setenv("KUBECTL_PLUGINS_LOCAL_FLAG_VERBOSE", "loud", 1);
    assert_int_equal(parse("web", &options, &err), -1);
    assert_string_equal(err.text,
                        "KUBECTL_PLUGINS_LOCAL_FLAG_VERBOSE takes true or false, not \"loud\"");
    unsetenv("KUBECTL_PLUGINS_CURRENT_NAMESPACE");
    unsetenv("KUBECTL_PLUGINS_LOCAL_FLAG_FILTER");
    unsetenv("KUBECTL_PLUGINS_LOCAL_FLAG_VERBOSE");
    unsetenv("KUBECTL_PLUGINS_LOCAL_FLAG_CONTAINER");
}

/* What help_print() writes to standard output. Return: owned by the caller. */
static char *printed(enum options_action action)
{
    struct options options = {.action = action};
    char *text = calloc(1, 1 << 16);
    FILE *file = tmpfile();
    int saved = dup(1);

    fflush(stdout);
    dup2(fileno(file), 1);
    assert_int_equal(help_print(&options), 0);
    dup2(saved, 1);
    close(saved);
    rewind(file);
    assert_true(fread(text, 1, (1 << 16) - 1, file) > 0);
    fclose(file);
    return text;
}

/* Return: how often @word stands in @text, followed by no letter and no dash. */
static int count_word(const char *text, const char *word)
{
    int count = 0;

    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
        char after = at[strlen(word)];

        count += !((after >= 'a' && after <= 'z') || after == '-' || after == '\\');
    }
    return count;
}

/* Each flag of the table stands in the help and in the man page, and the parser knows it. */
static void test_one_table(void **state)
{
    char *help = printed(OPTIONS_HELP), *man = printed(OPTIONS_MAN);

    (void)state;
    for (size_t i = 0; i < flag_count; i++) {
        char word[128], escaped[128] = "\\fB\\-\\-";
        size_t used = strlen(escaped);

        snprintf(word, sizeof(word), "      --%s", flags[i].name);
        if (flags[i].letter)
            snprintf(word, sizeof(word), "  -%c, --%s", flags[i].letter, flags[i].name);
        if (count_word(help, word) != 1)
            fail_msg("\"%s\" stands %d times in the help", word, count_word(help, word));
        for (const char *c = flags[i].name; *c; c++)
            used += (size_t)snprintf(escaped + used, sizeof(escaped) - used, "%s%c",
                                     *c == '-' ? "\\" : "", *c);
        snprintf(escaped + used, sizeof(escaped) - used, "\\fR");
        if (!strstr(man, escaped))
            fail_msg("\"%s\" is not in the man page", escaped);
        if (flags[i].environment &&
            (!strstr(help, flags[i].environment) || !strstr(man, flags[i].environment)))
            fail_msg("%s is not described", flags[i].environment);
        assert_ptr_equal(flag_find(flags[i].name, strlen(flags[i].name)), &flags[i]);
        if (flags[i].letter)
            assert_ptr_equal(flag_find_letter(flags[i].letter), &flags[i]);
    }
    for (const char *line = help; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        assert_true(strcspn(line, "\n") <= 100);
    }
    free(help);
    free(man);
}

static void test_noise(void **state)
{
    static const char letters[] = "-=abcinofvxlrspABC/., 0123456789";
    struct options options;
    struct error err;

    (void)state;
    srand(2);
    for (int round = 0; round < 50000; round++) {
        char line[64];
        size_t length = (size_t)rand() % sizeof(line);

        for (size_t i = 0; i + 1 < length; i++)
            line[i] = letters[(size_t)rand() % (sizeof(letters) - 1)];
        line[length ? length - 1 : 0] = '\0';
        parse(line, &options, &err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),    cmocka_unit_test(test_ways_to_write_a_value),
        cmocka_unit_test(test_values),      cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_environment), cmocka_unit_test(test_one_table),
        cmocka_unit_test(test_noise),
    };

    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
