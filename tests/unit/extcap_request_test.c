/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/error.h"
#include "extcap/request.h"

#define PARSE(request, err, ...)                                                                   \
    extcap_parse((int)(sizeof((char *[]){"kubectl-sniff", __VA_ARGS__}) / sizeof(char *)),         \
                 (char *[]){"kubectl-sniff", __VA_ARGS__}, request, err)
#define ASKED(...)                                                                                 \
    extcap_is_asked((int)(sizeof((char *[]){"kubectl-sniff", __VA_ARGS__}) / sizeof(char *)),      \
                    (char *[]){"kubectl-sniff", __VA_ARGS__})

static void knows_how_wireshark_calls(void **state)
{
    (void)state;
    assert_true(ASKED("--extcap-interfaces", "--extcap-version=4.0"));
    assert_true(ASKED("--extcap-config", "--extcap-interface", "kubernetes"));
    assert_true(ASKED("--capture", "--extcap-interface", "kubernetes", "--fifo", "/tmp/x"));
    assert_true(ASKED("--capture", "--fifo=/tmp/x"));
    assert_false(ASKED("web", "-f", "tcp"));
    assert_false(ASKED("--capture"));
    assert_false(ASKED("web", "--", "--extcap-interfaces"));
}

static void tells_what_is_asked(void **state)
{
    static const struct {
        enum extcap_action action;
        char *words[4];
    } cases[] = {
        {EXTCAP_INTERFACES, {"--extcap-interfaces", "--extcap-version=4.4"}},
        {EXTCAP_ABOUT, {"--extcap-version"}},
        {EXTCAP_DLTS, {"--extcap-dlts", "--extcap-interface", "kubernetes"}},
        {EXTCAP_CONFIG, {"--extcap-config", "--extcap-interface=kubernetes"}},
        {EXTCAP_JUDGE, {"--extcap-capture-filter", "tcp", "--extcap-interface=kubernetes"}},
        {EXTCAP_RELOAD, {"--extcap-config", "--extcap-reload-option", "--pod"}},
        {EXTCAP_RELOAD, {"--extcap-config", "--extcap-reload-option", "pod"}},
        {EXTCAP_CAPTURE, {"--capture", "--fifo", "/tmp/x"}},
        {EXTCAP_CLEANUP, {"--extcap-cleanup-postkill"}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *argv[5] = {"kubectl-sniff"};
        struct extcap_request request;
        struct error err;
        int argc = 1;

        while (argc < 5 && cases[i].words[argc - 1]) {
            argv[argc] = cases[i].words[argc - 1];
            argc++;
        }
        assert_int_equal(extcap_parse(argc, argv, &request, &err), 0);
        assert_int_equal(request.action, cases[i].action);
        if (request.action == EXTCAP_RELOAD)
            assert_int_equal(request.reload, EXTCAP_POD);
    }
}

static void refuses_what_no_wireshark_says(void **state)
{
    struct extcap_request request;
    struct error err;

    (void)state;
    assert_int_equal(PARSE(&request, &err, "--extcap-interfaces", "--nosuch"), -1);
    assert_string_equal(err.text, "unknown argument \"--nosuch\" of an extcap program");
    assert_int_equal(PARSE(&request, &err, "--capture", "--fifo"), -1);
    assert_string_equal(err.text, "\"--fifo\" needs a value");
    assert_int_equal(PARSE(&request, &err, "--capture", "--fifo", ""), -1);
    assert_string_equal(err.text, "--capture needs the pipe to write into");
    assert_int_equal(PARSE(&request, &err, "--extcap-config", "--pod"), -1);
    assert_string_equal(err.text, "\"--pod\" needs a value");
    assert_int_equal(PARSE(&request, &err, "--extcap-config", "--extcap-reload-option", "x"), -1);
    assert_string_equal(err.text, "there is no option \"x\" to reload");
    assert_int_equal(err.kind, ERROR_USAGE);
}

/* The words of our own command line, with spaces between. */
static char *words_of(const struct extcap_request *request)
{
    struct extcap_words words;
    struct error err;
    static char text[2000];

    *text = '\0';
    int made = extcap_words_make(request, &words, &err);
    for (int i = 1; made == 0 && i < words.count; i++) {
        strcat(text, words.words[i]);
        strcat(text, i + 1 < words.count ? " " : "");
    }
    if (made < 0)
        strcat(text, err.text);
    extcap_words_free(&words);
    return text;
}

static void makes_a_command_line_of_it(void **state)
{
    struct extcap_request request;
    struct error err;

    (void)state;
    assert_int_equal(PARSE(&request, &err, "--capture", "--fifo", "/tmp/x", "--pod", "web",
                           "--targets", " deploy/shop, data/db ", "--namespace", "shop",
                           "--context", "prod", "--interface", "eth0 lo", "--snaplen", "0",
                           "--buffer", "64M", "--names", "true", "--method", "node", "--container",
                           "app", "--kubeconfig", "/k"),
                     0);
    assert_string_equal(words_of(&request),
                        "--container app --namespace shop --context prod --kubeconfig /k --snaplen "
                        "0 --buffer-size 64M --method node --interface eth0 --interface lo -- web "
                        "deploy/shop data/db");
    request = (struct extcap_request){.values = {[EXTCAP_POD] = "web", [EXTCAP_NAMES] = "false"}};
    assert_string_equal(words_of(&request), "--snaplen 0 --no-names -- web");
    request = (struct extcap_request){
        .values = {[EXTCAP_POD] = EXTCAP_POD_BELOW, [EXTCAP_TARGETS] = "svc/db"}};
    assert_string_equal(words_of(&request), "--snaplen 0 -- svc/db");
    request = (struct extcap_request){.values = {[EXTCAP_TARGETS] = " "}};
    assert_string_equal(words_of(&request), "no pod is chosen");
}

static void both_filters_hold(void **state)
{
    struct extcap_request request = {.values = {[EXTCAP_POD] = "web"}, .capture_filter = "tcp"};

    (void)state;
    assert_string_equal(words_of(&request), "--snaplen 0 --filter tcp -- web");
    request.values[EXTCAP_FILTER] = "port 80 or port 81";
    assert_string_equal(words_of(&request),
                        "--snaplen 0 --filter (tcp) and (port 80 or port 81) -- web");
    request.capture_filter = " ";
    assert_string_equal(words_of(&request), "--snaplen 0 --filter port 80 or port 81 -- web");
}

static void cleans_up_where_it_was(void **state)
{
    struct extcap_request request = {
        .action = EXTCAP_CLEANUP,
        .interface = "kubernetes-x",
        .values = {[EXTCAP_NAMESPACE] = "shop", [EXTCAP_CONTEXT] = "prod", [EXTCAP_POD] = "web"}};

    (void)state;
    assert_string_equal(words_of(&request), "--cleanup --context prod --namespace shop");
    request.interface = NULL;
    assert_string_equal(words_of(&request), "");
}

static void takes_no_more_words_than_there_is_room(void **state)
{
    char many[2 * EXTCAP_WORDS_MAX + 4];
    struct extcap_request request = {.values = {[EXTCAP_TARGETS] = many}};

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(many); i++)
        many[i] = i % 2 ? ' ' : 'a';
    many[sizeof(many) - 1] = '\0';
    assert_string_equal(words_of(&request), "more than 160 words are given");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_how_wireshark_calls),
        cmocka_unit_test(tells_what_is_asked),
        cmocka_unit_test(refuses_what_no_wireshark_says),
        cmocka_unit_test(makes_a_command_line_of_it),
        cmocka_unit_test(both_filters_hold),
        cmocka_unit_test(cleans_up_where_it_was),
        cmocka_unit_test(takes_no_more_words_than_there_is_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
