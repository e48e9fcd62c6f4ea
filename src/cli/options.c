/* SPDX-License-Identifier: Apache-2.0 */
/* The parser: pflag's syntax, as users of kubectl know it. What the flags mean stands in flags.c.
 */
#include "cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/conflicts.h"
#include "cli/defaults.h"
#include "cli/flags.h"
#include "common/agent.h"
#include "settings/keep.h"
#include "settings/moment.h"
#include "settings/settings.h"
#include "target/words.h"

#define REORDER_WINDOW_MS  200
#define RECORDED_WINDOW_MS 1000 /* what recorders write comes later, and not all at once */
#define MAX_TARGETS        50   /* unless the user wants more */
#define MAX_SIZE_LEAST     1024 /* bytes: the file's head alone takes some hundreds */

struct parser {
    int argc;
    char *const *argv;
    int at; /* the word being read */
    struct options *options;
    bool given[FLAGS_MAX]; /* by index of the table */
    bool from_environment[FLAGS_MAX];
    struct defaults *defaults; /* NULL: none are wanted */
};

static int set(struct parser *parser, const struct flag *flag, const char *value, const char *as,
               struct error *err)
{
    parser->given[flag - flags] = true;
    if (parser->defaults)
        defaults_note(parser->defaults, flag, value, SETTING_COMMAND_LINE);
    return flag->set(parser->options, value, as, err);
}

/* Sets a flag, with the value that stands behind "=", or else is the next word. */
static int set_with_value(struct parser *parser, const struct flag *flag, const char *attached,
                          const char *as, struct error *err)
{
    if (attached)
        return set(parser, flag, attached, as, err);
    const char *next = parser->at + 1 < parser->argc ? parser->argv[parser->at + 1] : "-";
    if ((flag->kind != FLAG_VALUE && flag->kind != FLAG_WORD) ||
        (flag->kind == FLAG_WORD && *next == '-'))
        return set(parser, flag, "true", as, err);
    if (parser->at + 1 >= parser->argc) {
        error_set(err, ERROR_USAGE, "%s needs a value", as);
        return error_remedy(err, "%s %s", as, flag->metavar);
    }
    return set(parser, flag, parser->argv[++parser->at], as, err);
}

/* "--name", "--name value", "--name=value" */
static int parse_long(struct parser *parser, const char *name, struct error *err)
{
    size_t length = strcspn(name, "=");
    const struct flag *flag = flag_find(name, length);
    char as[80];

    snprintf(as, sizeof(as), "--%.*s", (int)(length < 70 ? length : 70), name);
    if (flag)
        return set_with_value(parser, flag, name[length] ? name + length + 1 : NULL, as, err);
    const char *nearest = flag_nearest(name, length);
    error_set(err, ERROR_USAGE, "unknown flag \"%s\"", as);
    if (nearest)
        return error_remedy(err, "did you mean \"--%s\"?", nearest);
    return error_remedy(err, "see: kubectl sniff --help");
}

/* @word: what the letter stands in, without the dash; may be a long name that lacks the second. */
static int unknown_letter(const char *as, const char *word, struct error *err)
{
    const struct flag *flag = flag_find(word, strcspn(word, "="));

    error_set(err, ERROR_USAGE, "unknown flag \"%s\"", as);
    if (flag)
        return error_remedy(err, "did you mean \"--%s\"?", flag->name);
    return error_remedy(err, "see: kubectl sniff --help");
}

/* "-v", "-vv", "-n value", "-nvalue", "-n=value" */
static int parse_letters(struct parser *parser, const char *word, struct error *err)
{
    for (const char *letters = word; *letters; letters++) {
        const struct flag *flag = flag_find_letter(*letters);
        char as[8];

        snprintf(as, sizeof(as), "-%c", *letters);
        if (!flag)
            return unknown_letter(as, word, err);
        const char *attached = letters[1] == '=' ? letters + 2 : NULL;
        if (flag->kind == FLAG_VALUE && !attached && letters[1])
            attached = letters + 1;
        if (set_with_value(parser, flag, attached, as, err) < 0)
            return -1;
        if (attached || flag->kind == FLAG_VALUE)
            return 0;
    }
    return 0;
}

/* Return: the flag in the word before, where its value could only have been attached; or NULL. */
static const struct flag *option_before(const struct parser *parser)
{
    const char *word = parser->at > 0 ? parser->argv[parser->at - 1] : "";
    const struct flag *flag =
        strncmp(word, "--", 2) == 0 ? flag_find(word + 2, strlen(word + 2)) : NULL;

    return flag && flag->kind == FLAG_OPTION ? flag : NULL;
}

/* Words of a filter whose -f was forgotten; of all but the first, which is a target. */
static bool is_of_filter(const char *word)
{
    static const char *const words[] = {"tcp", "udp",  "icmp", "icmp6", "arp",       "ip",
                                        "ip6", "host", "net",  "port",  "portrange", "src",
                                        "dst", "and",  "or",   "not",   "vlan",      "ether"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

static bool is_value_of(const struct flag *flag, const char *word)
{
    struct options scratch = {0};

    return flag->set(&scratch, word, "", NULL) == 0;
}

/* @after: the flag before it, where that takes a value only behind "="; else NULL */
static int take_target(struct options *options, const char *word, const struct flag *after,
                       struct error *err)
{
    if (after && is_value_of(after, word)) {
        error_set(err, ERROR_USAGE, "\"%s\" behind --%s is taken for a pod", word, after->name);
        return error_remedy(err, "write --%s=%s, or pod/%s", after->name, word, word);
    }
    if (options->target_count > 0 && is_of_filter(word)) {
        error_set(err, ERROR_USAGE, "unexpected argument \"%s\": is it of a filter?", word);
        return error_remedy(err, "a filter stands behind -f, in quotes; a pod is pod/%s", word);
    }
    if (options->target_count == OPTIONS_TARGETS_MAX)
        return error_set(err, ERROR_USAGE, "more than %d targets are named", OPTIONS_TARGETS_MAX);
    options->targets[options->target_count++] = word;
    return 0;
}

static int parse_words(struct parser *parser, struct error *err)
{
    bool flags_ended = false;

    for (parser->at = 1; parser->at < parser->argc; parser->at++) {
        const char *word = parser->argv[parser->at];
        int result;

        if (!flags_ended && strcmp(word, "--") == 0) {
            if (parser->options->action == OPTIONS_COMPLETION) {
                parser->options->words = parser->argv + parser->at + 1;
                parser->options->word_count = (size_t)(parser->argc - parser->at - 1);
                return 0;
            }
            flags_ended = true;
            continue;
        }
        if (flags_ended || word[0] != '-' || !word[1])
            result = take_target(parser->options, word, option_before(parser), err);
        else if (word[1] == '-')
            result = parse_long(parser, word + 2, err);
        else
            result = parse_letters(parser, word + 1, err);
        if (result < 0)
            return -1;
    }
    return 0;
}

static bool was_given(const struct parser *parser, char letter)
{
    return parser->given[flag_find_letter(letter) - flags];
}

static const struct flag *tcpdump_row(void)
{
    return flag_find("local-tcpdump-path", strlen("local-tcpdump-path"));
}

/* Is it from the command line? */
static bool tcpdump_given(const struct parser *parser)
{
    return parser->options->tcpdump_by_letter || parser->given[tcpdump_row() - flags];
}

/* How a message calls -l: by the variable where the path has come from there. */
static const char *tcpdump_flag(const struct parser *parser)
{
    return tcpdump_given(parser) ? "-l" : tcpdump_row()->environment;
}

/* Variables that kubectl, or the user, has set for what the command line leaves out. */
static int read_environment(struct parser *parser, struct error *err)
{
    for (size_t i = 0; i < flag_count; i++) {
        const char *value = flags[i].environment ? getenv(flags[i].environment) : NULL;

        if (!value || !*value || parser->given[i] ||
            (&flags[i] == tcpdump_row() && parser->options->tcpdump_by_letter))
            continue;
        if (flags[i].set(parser->options, value, flags[i].environment, err) < 0)
            return -1;
        parser->from_environment[i] = true;
        if (parser->defaults)
            defaults_note(parser->defaults, &flags[i], value, SETTING_ENVIRONMENT);
    }
    /* A variable that says "verbose" always is no contradiction to --quiet here and now. */
    if (parser->options->quiet && !was_given(parser, 'v'))
        parser->options->verbose = 0;
    return 0;
}

static int no_target(const struct options *options, struct error *err)
{
    error_set(err, ERROR_USAGE, "no pod is named");
    if (options->all_namespaces)
        return error_remedy(err, "kubectl sniff -A -l SELECTOR, or -A '*' for every pod");
    return error_remedy(err, "kubectl sniff POD [flags]; see --help");
}

/* "-A pods" is what kubectl takes for all pods: there a type alone is no name. */
static int is_in_one_namespace(const struct target_word *word, struct error *err)
{
    const struct target_kind *type = target_kind_find(word->name, strlen(word->name));

    error_set(err, ERROR_USAGE, "\"%s\" is the name of one %s: --all-namespaces contradicts it",
              word->name, word->kind->name);
    if (!type || word->kind->id != TARGET_POD)
        return error_remedy(err, "choose its namespace with -n, or write '%s*'", word->name);
    if (type->id == TARGET_POD)
        return error_remedy(err, "-A '*' is every pod");
    return error_remedy(err, "a type needs a name, in one namespace: NAMESPACE/%s/NAME",
                        word->name);
}

/* What is asked of a list makes no sense of a pod, a node or a workload that is named. */
static int check_choosing(const struct options *options, const struct target_word *words,
                          size_t count, struct error *err)
{
    bool listed = count == 0 || options->selector;

    for (size_t i = 0; i < count; i++) {
        listed |= !target_word_is_one_pod(&words[i]) && words[i].kind->id != TARGET_NODE;
        if (!options->all_namespaces || words[i].is_pattern || *words[i].namespace ||
            words[i].kind->id == TARGET_NODE)
            continue;
        return is_in_one_namespace(&words[i], err);
    }
    if (options->field_selector && !listed) {
        error_set(err, ERROR_USAGE, "--field-selector does nothing with pods that are named");
        return error_remedy(err, "leave out one of them");
    }
    return 0;
}

static int check_targets(struct options *options, struct error *err)
{
    bool selecting = options->selector || options->field_selector;
    struct target_word *words = NULL;
    size_t count = 0;

    if (options->target_count > 0 ? !*options->targets[0] : !selecting)
        return no_target(options, err);
    if (target_words_parse(options->targets, options->target_count, selecting, &words, &count,
                           err) < 0)
        return -1;
    options->only_nodes = count > 0 && !options->selector;
    for (size_t i = 0; i < count; i++) {
        options->only_nodes &= words[i].kind->id == TARGET_NODE;
        options->has_node |= words[i].kind->id == TARGET_NODE;
    }
    int result = check_choosing(options, words, count, err);
    free(words);
    return result;
}

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* "any" is what no interface means, and makes no sense beside others; twice the same is once. */
static int check_interfaces(const struct parser *parser, struct error *err)
{
    struct options *options = parser->options;
    size_t kept = 0;
    bool any = false;

    for (size_t i = 0; i < options->interface_count; i++) {
        const char *name = options->interfaces[i];

        if (strcmp(name, "any") == 0)
            any = true;
        else if (!is_among(name, options->interfaces, kept))
            options->interfaces[kept++] = name;
    }
    if (any && kept > 0)
        return error_set(err, ERROR_USAGE, "-i any contradicts the other -i");
    memset(options->interfaces + kept, 0,
           sizeof(options->interfaces) - kept * sizeof(options->interfaces[0]));
    options->interface_count = kept;
    if (options->local_tcpdump_path && kept > 1) {
        error_set(err, ERROR_USAGE, "tcpdump (%s) takes one -i", tcpdump_flag(parser));
        return error_remedy(err, "leave out %s, or all -i but one", tcpdump_flag(parser));
    }
    return 0;
}

/* It stays when the client goes, which the node method's helper alone can. */
static int check_recorder(struct options *options, struct error *err)
{
    if (options->method && strcmp(options->method, "node") != 0) {
        error_set(err, ERROR_USAGE, "a recording is made with the node method only");
        return error_remedy(err, "leave out --method");
    }
    options->method = "node";
    return 0;
}

/* -p is an older word for a method. */
static int check_method(const struct parser *parser, struct error *err)
{
    struct options *options = parser->options;

    if (options->privileged && options->method && strcmp(options->method, "node") != 0)
        return error_set(err, ERROR_USAGE, "-p contradicts --method %s", options->method);
    if (options->privileged)
        options->method = "node";
    if (options->action == OPTIONS_RECORD && check_recorder(options, err) < 0)
        return -1;
    if (options->has_node && options->method && strcmp(options->method, "node") != 0)
        return error_set(err, ERROR_USAGE, "a node can be captured with the node method only");
    if (options->only_nodes && options->container)
        return error_set(err, ERROR_USAGE, "a node has no containers: leave out -c");
    if (options->only_nodes)
        options->method = "node";
    if (options->local_tcpdump_path && options->method && strcmp(options->method, "upload") != 0) {
        if (tcpdump_given(parser)) {
            error_set(err, ERROR_USAGE, "-l is for the upload method alone");
            return error_remedy(err, "leave out -l: the agent needs no tcpdump");
        }
        options->local_tcpdump_path = NULL; /* the variable may always be set */
    }
    if (options->local_tcpdump_path)
        options->method = "upload";
    return 0;
}

static int check_contradictions(const struct parser *parser, struct error *err)
{
    const struct options *options = parser->options;

    if (options->quiet && options->verbose)
        return error_set(err, ERROR_USAGE, "--quiet contradicts --verbose");
    if (options->viewer && options->output_file) {
        error_set(err, ERROR_USAGE, "--viewer shows nothing of what -o writes");
        return error_remedy(err, "leave out one of them");
    }
    if (options->format == OPTIONS_FORMAT_PCAP && !options->output_file &&
        (!options->viewer || strcmp(options->viewer, "wireshark") == 0)) {
        error_set(err, ERROR_USAGE, "Wireshark is given pcapng: --format pcap needs -o");
        return error_remedy(err, "-o FILE, or -o - for standard output");
    }
    if (options->local_tcpdump_path && options->headers_only) {
        error_set(err, ERROR_USAGE, "tcpdump (%s) does not know --headers-only",
                  tcpdump_flag(parser));
        return error_remedy(err, "leave out %s, or cut packets with --snaplen",
                            tcpdump_flag(parser));
    }
    if (options->local_tcpdump_path && options->buffer_size) {
        error_set(err, ERROR_USAGE, "--buffer-size is of the agent's ring: %s does without it",
                  tcpdump_flag(parser));
        return error_remedy(err, "leave out one of them");
    }
    if (options->max_size && options->max_size < MAX_SIZE_LEAST) {
        error_set(err, ERROR_USAGE, "--max-size has no room for a packet below %d bytes",
                  MAX_SIZE_LEAST);
        return error_remedy(err, "0 is no limit; k, M and G may stand behind the number");
    }
    if (options->rotate_size && options->rotate_size < MAX_SIZE_LEAST) {
        error_set(err, ERROR_USAGE, "--rotate-size has no room for a packet below %d bytes",
                  MAX_SIZE_LEAST);
        return error_remedy(err, "0 is no limit; k, M and G may stand behind the number");
    }
    if (options->rotate_files && !options->rotate_size && !options->rotate_time) {
        error_set(err, ERROR_USAGE, "--rotate-files does nothing where there is one file");
        return error_remedy(err, "--rotate-size or --rotate-time make several");
    }
    if (options->after && !options->stop_when) {
        error_set(err, ERROR_USAGE, "--after does nothing without --stop-when");
        return error_remedy(err, "leave it out, or say after which packet");
    }
    if (options->buffer_size && options->buffer_size < AGENT_RING_MIN)
        return error_set(err, ERROR_USAGE, "--buffer-size takes at least 1M");
    if (options->buffer_size > (1ull << 31))
        return error_set(err, ERROR_USAGE, "--buffer-size takes at most 2G");
    return 0;
}

static bool is_given(const struct parser *parser, const char *name)
{
    return parser->given[flag_find(name, strlen(name)) - flags];
}

/* Each asks for another thing than a capture; some may stand together, about one recording. */
static int check_one_action(const struct parser *parser, struct error *err)
{
    static const struct {
        const char *name;
        int group;
    } actions[] = {{"check", 0}, {"record", 1},   {"recordings", 2}, {"end", 3},
                   {"fetch", 3}, {"wait-for", 3}, {"cleanup", 4}};
    int first = -1;

    for (int i = 0; i < (int)(sizeof(actions) / sizeof(actions[0])); i++) {
        if (!is_given(parser, actions[i].name))
            continue;
        if (first >= 0 && actions[first].group != actions[i].group)
            return error_set(err, ERROR_USAGE, "--%s contradicts --%s", actions[first].name,
                             actions[i].name);
        first = i;
    }
    return 0;
}

/* Beside --wait-for a time back is known when something has fired. */
static bool is_upside_down(const struct options *options)
{
    if (!options->since_text || !options->until_text || options->since <= options->until)
        return false;
    return !options->wait_for ||
           moment_is_back(options->since_text) == moment_is_back(options->until_text);
}

/* What is fetched, and what of it. */
static int check_fetch(struct options *options, bool ends, struct error *err)
{
    const char *const names[] = {options->fetch, options->wait_for, options->recording};
    const char *name = NULL;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i] && name && strcmp(names[i], name) != 0)
            return error_set(err, ERROR_USAGE, "\"%s\" and \"%s\" are two recordings", name,
                             names[i]);
        name = names[i] ? names[i] : name;
    }
    if (!name) {
        error_set(err, ERROR_USAGE, "--fetch needs the name of a recording");
        return error_remedy(err, "kubectl sniff --recordings lists them");
    }
    if (is_upside_down(options))
        return error_set(err, ERROR_USAGE, "--since lies behind --until");
    if (options->live && (options->until || ends || options->wait_for))
        return error_set(err, ERROR_USAGE, "--live goes on without an end: %s contradicts it",
                         options->until ? "--until"
                         : ends         ? "--end"
                                        : "--wait-for");
    options->recording = name;
    options->ends = ends;
    options->action = OPTIONS_FETCH;
    return 0;
}

/* Which of the flags of a recording are from the command line? */
static unsigned given_of_recording(const struct parser *parser)
{
    static const struct {
        const char *name;
        enum recording_flag flag;
    } rows[] = {{"filter", RECORDING_FILTER},       {"interface", RECORDING_INTERFACES},
                {"snaplen", RECORDING_SNAPLEN},     {"headers-only", RECORDING_HEADERS_ONLY},
                {"keep", RECORDING_KEEP},           {"keep-in", RECORDING_KEEP_IN},
                {"stop-when", RECORDING_STOP_WHEN}, {"after", RECORDING_AFTER}};
    unsigned given = 0;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (is_given(parser, rows[i].name))
            given |= rows[i].flag;
    return given;
}

static bool takes_targets(const struct options *options)
{
    return options->action == OPTIONS_SNIFF || options->action == OPTIONS_CHECK ||
           options->action == OPTIONS_RECORD;
}

/* What needs a target, and what does not. */
static int check_action(const struct parser *parser, struct error *err)
{
    struct options *options = parser->options;

    if (check_one_action(parser, err) < 0 ||
        (options->fetches && check_fetch(options, is_given(parser, "end"), err) < 0))
        return -1;
    if (options->action == OPTIONS_FETCH && !is_given(parser, "reorder-window"))
        options->reorder_window = RECORDED_WINDOW_MS;
    options->given = given_of_recording(parser);
    const char *action = options->action == OPTIONS_CLEANUP      ? "--cleanup"
                         : options->action == OPTIONS_FETCH      ? "--fetch"
                         : options->action == OPTIONS_RECORDINGS ? "--recordings"
                                                                 : "--end NAME";

    if (takes_targets(options))
        return check_targets(options, err);
    if (options->target_count == 0)
        return 0;
    error_set(err, ERROR_USAGE, "%s takes no pod", action);
    return error_remedy(err, "choose a namespace with -n, or all with -A");
}

/* How many words from there on a flag takes; sets @ret_help where it is the one for help. */
static int words_of_flag(const char *word, bool *ret_help)
{
    bool is_long = word[1] == '-';

    for (const char *at = word + 1 + is_long; *at; at++) {
        const struct flag *flag = is_long ? flag_find(at, strcspn(at, "=")) : flag_find_letter(*at);
        const char *value = is_long ? at + strcspn(at, "=") : at + 1;

        if (flag && flag->letter == 'h' && *value != '=')
            *ret_help = true;
        if (flag && flag->kind == FLAG_VALUE)
            return *value ? 1 : 2;
        if (is_long || *value == '=')
            return 1;
    }
    return 1;
}

/* Somebody who asks for help may not know yet how to write the rest. */
static bool asks_for_help(int argc, char *const argv[])
{
    bool help = false;

    for (int at = 1; at < argc && !help && strcmp(argv[at], "--") != 0;)
        at += argv[at][0] == '-' && argv[at][1] ? words_of_flag(argv[at], &help) : 1;
    return help;
}

/* Do the options stand together? @ret_options: with what follows from them */
static int check(const struct parser *parser, struct options *ret_options, struct error *err)
{
    struct options options = *parser->options;
    struct parser copy = *parser;

    copy.options = &options;
    if (check_action(&copy, err) < 0 || check_method(&copy, err) < 0 ||
        check_interfaces(&copy, err) < 0 || check_contradictions(&copy, err) < 0 ||
        conflicts_check(&options, copy.given, err) < 0)
        return -1;
    *ret_options = options;
    return 0;
}

/* A default that the command line or the environment leaves room for. It has been tried. */
static bool is_free(const struct parser *parser, const struct setting *setting)
{
    size_t row = (size_t)(setting->flag - flags);

    return setting->source == SETTING_FILE && !parser->given[row] &&
           !parser->from_environment[row] &&
           !(setting->flag == tcpdump_row() && parser->options->tcpdump_by_letter);
}

static void apply(struct options *options, const struct setting *setting)
{
    struct error unused;

    setting->flag->set(options, setting->value, setting->flag->name, &unused);
}

/* Those that contradict what is asked for now yield to it, one by one. */
static int apply_one_by_one(struct parser *parser, struct options *ret_options, struct error *err)
{
    if (check(parser, ret_options, err) < 0)
        return -1;
    for (size_t i = 0; i < parser->defaults->count; i++) {
        struct setting *setting = &parser->defaults->settings[i];
        const struct options before = *parser->options;
        struct error unused;

        if (!is_free(parser, setting))
            continue;
        apply(parser->options, setting);
        setting->yields = check(parser, ret_options, &unused) < 0;
        if (setting->yields)
            *parser->options = before;
    }
    return check(parser, ret_options, err);
}

static int check_with_defaults(struct parser *parser, struct options *ret_options,
                               struct error *err)
{
    const struct options bare = *parser->options;
    struct error unused;

    if (!parser->defaults)
        return check(parser, ret_options, err);
    if (defaults_load(parser->defaults, err) < 0)
        return -1;
    for (size_t i = 0; i < parser->defaults->count; i++)
        if (is_free(parser, &parser->defaults->settings[i]))
            apply(parser->options, &parser->defaults->settings[i]);
    if (check(parser, ret_options, &unused) == 0)
        return 0;
    *parser->options = bare;
    return apply_one_by_one(parser, ret_options, err);
}

/* What would hold with a pod, where none is named. */
static void prepare_printing(struct options *options)
{
    if (options->target_count == 0 && !options->selector && !options->field_selector &&
        takes_targets(options))
        options->targets[options->target_count++] = "pod";
}

int options_parse(int argc, char *const argv[], struct options *ret_options, struct error *err)
{
    return options_parse_with(argc, argv, NULL, ret_options, err);
}

int options_parse_with(int argc, char *const argv[], struct defaults *defaults,
                       struct options *ret_options, struct error *err)
{
    struct options options = {.snaplen = AGENT_SNAPLEN_MAX,
                              .pod_creation_timeout = 60000,
                              .max_targets = MAX_TARGETS,
                              .keep_bytes = KEEP_BYTES_DEFAULT,
                              .record_for = RECORD_FOR_DEFAULT,
                              .reorder_window = REORDER_WINDOW_MS};
    struct parser parser = {.argc = argc, .argv = argv, .options = &options, .defaults = defaults};

    bool help = asks_for_help(argc, argv);
    if (parse_words(&parser, err) < 0 && !help)
        return -1;
    if (help)
        options.action = OPTIONS_HELP;
    if (options.action > OPTIONS_CLEANUP) {
        *ret_options = options;
        return 0;
    }
    if (options.print_config)
        prepare_printing(&options);
    if (read_environment(&parser, err) < 0 || check_with_defaults(&parser, ret_options, err) < 0)
        return -1;
    if (options.print_config)
        ret_options->action = OPTIONS_PRINT_CONFIG;
    return 0;
}
