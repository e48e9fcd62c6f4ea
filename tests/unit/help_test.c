/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the program says about itself. Started under the name kubectl-sniff, this test is the
 * program, as far as completion goes: so that the shells' scripts run with the real one.
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/flags.h"
#include "cli/help.h"
#include "cli/options.h"

#define TEXT_MAX (1 << 16)

static char directory[] = "/tmp/ksniff-help-test-XXXXXX";

/* What help_print() writes to standard output. Return: owned by the caller. */
static char *printed(const struct options *options)
{
    char *text = calloc(1, TEXT_MAX);
    FILE *file = tmpfile();
    int saved = dup(1);

    fflush(stdout);
    dup2(fileno(file), 1);
    assert_int_equal(help_print(options), 0);
    dup2(saved, 1);
    close(saved);
    rewind(file);
    assert_true(fread(text, 1, TEXT_MAX - 1, file) > 0);
    fclose(file);
    return text;
}

static char *printed_action(enum options_action action)
{
    return printed(&(struct options){.action = action});
}

/* What completes the last of up to seven words. Return: owned by the caller. */
static char *completed(const char *const *words)
{
    struct options options = {.action = OPTIONS_COMPLETION, .words = (char *const *)words};

    while (words[options.word_count])
        options.word_count++;
    return printed(&options);
}

#define COMPLETED(...) completed((const char *const[]){__VA_ARGS__, NULL})

/* What a shell command prints. Return: owned by the caller. */
static char *output_of(const char *command)
{
    char *text = calloc(1, TEXT_MAX);
    FILE *pipe = popen(command, "r");

    assert_non_null(pipe);
    size_t used = fread(text, 1, TEXT_MAX - 1, pipe);
    text[used] = '\0';
    if (pclose(pipe) != 0)
        fail_msg("%s", command);
    return text;
}

static void assert_text(char *text, const char *expected)
{
    assert_string_equal(text, expected);
    free(text);
}

/* How often @part stands in @text. */
static int count(const char *text, const char *part)
{
    int found = 0;

    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        found++;
    return found;
}

static void assert_once(const char *text, const char *part, const char *where)
{
    if (count(text, part) != 1)
        fail_msg("\"%s\" stands %d times in %s", part, count(text, part), where);
}

/* As man(7) writes it: each dash escaped. */
static void escape_dashes(const char *text, char *out, size_t size)
{
    size_t used = 0;

    for (; *text && used + 3 < size; text++) {
        if (*text == '-')
            out[used++] = '\\';
        out[used++] = *text;
    }
    out[used] = '\0';
}

static void check_flag(const struct flag *flag, const char *help, const char *man,
                       const char *completion)
{
    char row[128], name[80], part[160];
    bool option = flag->kind == FLAG_OPTION;

    snprintf(row, sizeof(row), flag->letter ? "\n  -%c, --%s%s%s%s " : "\n  %c   --%s%s%s%s ",
             flag->letter ? flag->letter : ' ', flag->name,
             option          ? "[="
             : flag->metavar ? " "
                             : "",
             flag->metavar ? flag->metavar : "", option ? "]" : "");
    assert_once(help, row, "the help");
    escape_dashes(flag->name, name, sizeof(name));
    snprintf(part, sizeof(part), "\\fB\\-\\-%s\\fR%s%s%s%s\n", name,
             option          ? "[=\\fI"
             : flag->metavar ? " \\fI"
                             : "",
             flag->metavar ? flag->metavar : "", flag->metavar ? "\\fR" : "", option ? "]" : "");
    assert_once(man, part, "the man page");
    snprintf(part, sizeof(part), "--%s\t", flag->name);
    assert_once(completion, part, "the completion");
    if (flag->letter) {
        snprintf(part, sizeof(part), "\n-%c\t", flag->letter);
        assert_once(completion, part, "the completion");
        snprintf(part, sizeof(part), "\\fB\\-%c\\fR, \\fB\\-\\-%s\\fR", flag->letter, name);
        assert_once(man, part, "the man page");
    }
    if (flag->environment) {
        snprintf(part, sizeof(part), "[$%s]\n", flag->environment);
        assert_once(help, part, "the help");
        snprintf(part, sizeof(part), "\nEnvironment: %s\n", flag->environment);
        assert_once(man, part, "the man page");
    }
}

/* Each row stands once in the help, in the man page and in the completion; hidden ones in none. */
static void test_every_flag(void **state)
{
    char *help = printed_action(OPTIONS_HELP), *man = printed_action(OPTIONS_MAN);
    char *completion = COMPLETED("web", "-");

    (void)state;
    for (size_t i = 0; i < flag_count; i++) {
        if (flags[i].group != FLAG_GROUP_HIDDEN) {
            check_flag(&flags[i], help, man, completion);
            continue;
        }
        assert_null(strstr(help, flags[i].name));
        assert_null(strstr(man, flags[i].name));
        assert_null(strstr(completion, flags[i].name));
    }
    free(help);
    free(man);
    free(completion);
}

static void test_lines_of_help(void **state)
{
    char *help = printed_action(OPTIONS_HELP);

    (void)state;
    for (char *line = strtok(help, "\n"); line; line = strtok(NULL, "\n")) {
        size_t length = strlen(line);

        if (length > 100 || (length && line[length - 1] == ' '))
            fail_msg("too long, or blank at its end: \"%s\"", line);
    }
    free(help);
}

/* Cuts a line at spaces, apart from those in single quotes, up to a pipe. Return: argc. */
static int split(char *line, char *argv[], int most)
{
    int argc = 0;
    bool quoted = false;
    char *out = line;

    for (char *in = line; *in && argc < most;) {
        argv[argc++] = out;
        for (; *in && (quoted || *in != ' '); in++) {
            if (*in == '\'')
                quoted = !quoted;
            else
                *out++ = *in;
        }
        while (*in == ' ')
            in++;
        *out++ = '\0';
        if (strcmp(argv[argc - 1], "|") == 0)
            return argc - 1;
    }
    return argc;
}

/* The parser takes every example. */
static void test_examples(void **state)
{
    char *help = printed_action(OPTIONS_HELP);
    char *line = strtok(strstr(help, "\nExamples:"), "\n");
    int examples = 0;

    (void)state;
    while ((line = strtok(NULL, "\n")) != NULL) {
        char text[256], *argv[32];
        struct options options;
        struct error err = {0};

        if (strncmp(line, "  kubectl sniff ", 16) != 0)
            continue;
        snprintf(text, sizeof(text), "%s", line + 10);
        int argc = split(text, argv, 32);
        if (options_parse(argc, argv, &options, &err) < 0)
            fail_msg("%s: %s", line, err.text);
        assert_true(options.action <= OPTIONS_CLEANUP);
        examples++;
    }
    assert_in_range(examples, 5, 13);
    free(help);
}

/* A line of the man page that begins with a dot is a request, and only those we mean may. */
static void test_requests_of_man_page(void **state)
{
    static const char *const requests[] = {".TH ", ".SH ", ".SS ", ".TP", ".B ", ".br", ".PP"};
    char *man = printed_action(OPTIONS_MAN);

    (void)state;
    for (char *line = strtok(man, "\n"); line; line = strtok(NULL, "\n")) {
        bool known = line[0] != '.';

        for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
            known = known || strncmp(line, requests[i], strlen(requests[i])) == 0;
        assert_true(known && line[0] != '\'');
    }
    free(man);
}

static void test_version(void **state)
{
    (void)state;
    assert_text(printed_action(OPTIONS_VERSION), "kubectl-sniff " KSNIFF_VERSION "\n");
}

static void test_completion(void **state)
{
    (void)state;
    assert_text(COMPLETED("web", "--dur"), "--duration\tend after this time: 500ms, 30s, 5m, 1h30m "
                                           "(without a unit: seconds); default: 0, no "
                                           "limit\n:4\n");
    assert_text(COMPLETED("web", "--xyzzy"), ":4\n");
    assert_text(COMPLETED("web", "--format", ""), "pcapng\npcap\n:4\n");
    assert_text(COMPLETED("web", "--format="), "pcapng\npcap\n:4\n");
    assert_text(COMPLETED("web", "--quiet="), "true\nfalse\n:4\n");
    assert_text(COMPLETED("web", "-o", ""), ":0\n");
    assert_text(COMPLETED("web", "-vo", ""), ":0\n");
    assert_text(COMPLETED("web", "-o=x"), ":0\n");
    assert_text(COMPLETED("web", "--client-key=x"), ":0\n");
    assert_text(COMPLETED("web", "-r", ""), ":4\n"); /* a path, but not here */
    assert_text(COMPLETED("web", "-f", "-"), ":4\n");
    assert_text(COMPLETED("--", "web", "-"), ":4\n");
    assert_text(COMPLETED("web", "--bogus="), ":4\n");
}

/* Runs a command with our directory first on PATH. Return: what it prints; owned by the caller. */
static char *output_with_us(const char *command)
{
    char *line = calloc(1, TEXT_MAX);

    snprintf(line, TEXT_MAX, "PATH=%s:$PATH; export PATH; cd %s; %s", directory, directory,
             command);
    char *text = output_of(line);
    free(line);
    return text;
}

#define COMPLETE "kubectl-sniff --completion=words -- "

/* kubectl is asked for what only it knows; this one prints the words that it is given. */
static void test_asking_kubectl(void **state)
{
    (void)state;
    assert_text(output_with_us(COMPLETE "we"), "__complete get pods we;");
    assert_text(output_with_us(COMPLETE "-n shop --server=x -v -xctx -f tcp ''"),
                "__complete get pods --namespace shop --server x --context ctx ;");
    assert_text(output_with_us(COMPLETE "web -n s"), "__complete get --namespace s;");
    assert_text(output_with_us(COMPLETE "web --kubeconfig k -x ''"),
                "__complete get --kubeconfig k --context ;");
    assert_text(output_with_us(COMPLETE "web --user=u"), "__complete get --user u;");
    assert_text(output_with_us(COMPLETE "pod/web -n shop --insecure-skip-tls-verify -c si"),
                "__complete exec web --namespace shop --insecure-skip-tls-verify=true "
                "--container si;");
    assert_text(output_with_us(COMPLETE "-c si"), ":4\n");
    /* Any number of targets, and of what kubectl calls types. */
    assert_text(output_with_us(COMPLETE "web -n shop ap"),
                "__complete get pods --namespace shop ap;");
    assert_text(output_with_us(COMPLETE "web deploy/s"), "__complete get deploy/s;");
    assert_text(output_with_us(COMPLETE "svc sh"), "__complete get services sh;");
    assert_text(output_with_us(COMPLETE "deploy shop a"), "__complete get deployments a;");
    assert_text(output_with_us(COMPLETE "d"), "deployment\ndaemonset\n__complete get pods d;");
    assert_text(output_with_us(COMPLETE "web d"), "__complete get pods d;");
    assert_text(output_with_us(COMPLETE "data/d"), ":4\n");
    assert_text(output_with_us(COMPLETE "deploy/web -c si"), ":4\n");
    assert_text(output_with_us(COMPLETE "data/web -c si"), ":4\n");
    /* Nothing that stands where the pod does may become a flag of kubectl. */
    assert_text(output_with_us(COMPLETE "-- -x -c"), ":4\n");
    assert_text(output_with_us(COMPLETE "-c=x pod/--server=evil -c ''"), ":4\n");
}

/* kubectl's own convention for plugins. */
static void test_plugin_script(void **state)
{
    (void)state;
    assert_text(output_with_us("kubectl_complete-sniff web --format ''"), "pcapng\npcap\n:4\n");
    assert_text(output_with_us("kubectl_complete-sniff ''"), "__complete get pods ;");
}

/* The real bash with our script, as Tab would call it: bash cuts the words at "=" too. */
static void test_bash(void **state)
{
    static const char *const tries[][2] = {
        {"web --as", "--as --as-group --as-uid"},
        {"web --format = pcapn", "pcapng"},
        {"web --format =", "pcapng pcap"},
        {"web --format ''", "pcapng pcap"},
        {"web --quiet = f", "false"},
        {"web -o ''", ""},
    };

    (void)state;
    if (system("command -v bash >/dev/null") != 0)
        skip();
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        char command[512];

        snprintf(command, sizeof(command),
                 "bash -c 'eval \"$(kubectl-sniff --completion=bash)\"; "
                 "COMP_WORDS=(kubectl-sniff \"$@\"); COMP_CWORD=$#; _kubectl_sniff; "
                 "printf %%s \"${COMPREPLY[*]}\"' bash %s",
                 tries[i][0]);
        assert_text(output_with_us(command), tries[i][1]);
    }
}

static void test_scripts_name_the_program(void **state)
{
    (void)state;
    for (int kind = OPTIONS_COMPLETE_BASH; kind <= OPTIONS_COMPLETE_FISH; kind++) {
        char *script = printed(&(struct options){.action = OPTIONS_COMPLETION,
                                                 .completion = (enum options_completion)kind});

        assert_once(script, "kubectl-sniff --completion=words -- ", "the script");
        free(script);
    }
}

/* Any words may stand on a line that is not finished; the sanitizers judge. */
static void test_random_words(void **state)
{
    char *path = strdup(getenv("PATH"));

    (void)state;
    srand(4);
    setenv("PATH", "/nonexistent", 1); /* a kubectl would take this test's place */
    for (int round = 0; round < 5000; round++) {
        char words[7][700];
        const char *list[8] = {NULL};
        int length = 1 + rand() % 7;

        for (int i = 0; i < length; i++) {
            const struct flag *flag = &flags[(size_t)rand() % flag_count];
            size_t used = 0, more = (size_t)rand() % (rand() % 8 ? 4 : 600);

            if (rand() % 2)
                used = (size_t)snprintf(words[i], 64, rand() % 2 ? "--%s%s" : "-%.1s%s", flag->name,
                                        rand() % 2 ? "=" : "");
            for (; more; more--)
                words[i][used++] = (char)(1 + rand() % 255);
            words[i][used] = '\0';
            list[i] = words[i];
        }
        char *text = completed(list);
        size_t size = strlen(text);
        assert_true(size >= 3 && text[size - 3] == ':' && text[size - 1] == '\n');
        free(text);
    }
    setenv("PATH", path, 1);
    free(path);
}

/* A directory with this test as kubectl-sniff, the plugin's script, and a kubectl that echoes. */
static int make_directory(const char *self)
{
    char path[PATH_MAX + 32], real[PATH_MAX], script[PATH_MAX];

    if (!mkdtemp(directory) || !realpath(self, real) ||
        !realpath(TEST_DATA "/../../packaging/kubectl_complete-sniff", script))
        return -1;
    snprintf(path, sizeof(path), "%s/kubectl-sniff", directory);
    if (symlink(real, path) < 0)
        return -1;
    snprintf(path, sizeof(path), "%s/kubectl_complete-sniff", directory);
    if (symlink(script, path) < 0)
        return -1;
    snprintf(path, sizeof(path), "%s/kubectl", directory);
    FILE *file = fopen(path, "w");
    if (!file)
        return -1;
    fputs("#!/bin/sh\nprintf '%s;' \"$*\"\n", file);
    return fclose(file) == 0 ? chmod(path, 0755) : -1;
}

static void remove_directory(void)
{
    static const char *const names[] = {"kubectl-sniff", "kubectl_complete-sniff", "kubectl"};
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        unlink(path);
    }
    rmdir(directory);
}

static int be_the_program(int argc, char *argv[])
{
    struct options options;
    struct error err = {0};

    return options_parse(argc, argv, &options, &err) < 0 ? 2 : help_print(&options);
}

int main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_flag),     cmocka_unit_test(test_lines_of_help),
        cmocka_unit_test(test_examples),       cmocka_unit_test(test_requests_of_man_page),
        cmocka_unit_test(test_version),        cmocka_unit_test(test_completion),
        cmocka_unit_test(test_asking_kubectl), cmocka_unit_test(test_plugin_script),
        cmocka_unit_test(test_bash),           cmocka_unit_test(test_scripts_name_the_program),
        cmocka_unit_test(test_random_words),
    };
    const char *name = strrchr(argv[0], '/');

    if (strcmp(name ? name + 1 : argv[0], "kubectl-sniff") == 0)
        return be_the_program(argc, argv);
    setenv("KSNIFF_CONFIG", "", 1);
    if (make_directory(argv[0]) < 0) {
        perror("help_test");
        return 1;
    }
    int failed = cmocka_run_group_tests_name("help", tests, NULL, NULL);
    remove_directory();
    return failed;
}
