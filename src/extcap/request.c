/* SPDX-License-Identifier: Apache-2.0 */
#include "extcap/request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/text.h"

#define SEPARATORS " \t,"

bool extcap_is_asked(int argc, char *const argv[])
{
    bool capture = false, fifo = false;

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--extcap-", 9) == 0)
            return true;
        capture |= strcmp(argv[i], "--capture") == 0;
        fifo |= strcmp(argv[i], "--fifo") == 0 || strncmp(argv[i], "--fifo=", 7) == 0;
    }
    return capture && fifo;
}

/* ---- reading ---- */

/* What an extcap is told beside its settings. */
static const struct word {
    const char *name;
    enum extcap_action action; /* that it asks for, where @field is -1 */
    int field; /* offset in the request of what takes its value; -1: it has none, or none that
                  matters (--extcap-version=4.0) */
} words[] = {
    {"--extcap-interfaces", EXTCAP_INTERFACES, -1},
    {"--extcap-dlts", EXTCAP_DLTS, -1},
    {"--extcap-config", EXTCAP_CONFIG, -1},
    {"--capture", EXTCAP_CAPTURE, -1},
    {"--extcap-cleanup-postkill", EXTCAP_CLEANUP, -1},
    {"--extcap-version", EXTCAP_ABOUT, -1},
    {"--extcap-interface", EXTCAP_ABOUT, offsetof(struct extcap_request, interface)},
    {"--extcap-capture-filter", EXTCAP_ABOUT, offsetof(struct extcap_request, capture_filter)},
    {"--extcap-control-in", EXTCAP_ABOUT, offsetof(struct extcap_request, control_in)},
    {"--extcap-control-out", EXTCAP_ABOUT, offsetof(struct extcap_request, control_out)},
    {"--fifo", EXTCAP_ABOUT, offsetof(struct extcap_request, fifo)},
};

struct reader {
    int argc;
    char *const *argv;
    int at;
    const char *reload; /* --extcap-reload-option; NULL: not given */
};

/* Return: the value of the word at hand, which may be the next word; NULL: there is none. */
static const char *value_of(struct reader *reader, size_t length)
{
    const char *word = reader->argv[reader->at];

    if (word[length] == '=')
        return word + length + 1;
    return reader->at + 1 < reader->argc ? reader->argv[++reader->at] : NULL;
}

static int needs_value(const char *word, struct error *err)
{
    return error_set(err, ERROR_USAGE, "\"%s\" needs a value", word);
}

/* Return: 1 when the word is one of the table, 0 when it is none, -1 with the error. */
static int take_word(struct reader *reader, struct extcap_request *request, struct error *err)
{
    const char *word = reader->argv[reader->at];
    size_t length = strcspn(word, "=");

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strlen(words[i].name) != length || memcmp(words[i].name, word, length) != 0)
            continue;
        if (words[i].field < 0) {
            request->action = words[i].action ? words[i].action : request->action;
            return 1;
        }
        const char *value = value_of(reader, length);

        if (!value)
            return needs_value(word, err);
        memcpy((char *)request + words[i].field, &value, sizeof(value));
        return 1;
    }
    return 0;
}

static int take_setting(struct reader *reader, struct extcap_request *request, struct error *err)
{
    const char *word = reader->argv[reader->at];
    size_t length = strcspn(word, "=");
    bool reload = strncmp(word, "--extcap-reload-option", length) == 0 && length == 22;
    enum extcap_setting setting =
        strncmp(word, "--", 2) == 0 ? extcap_row_find(word, length) : EXTCAP_SETTINGS;

    if (!reload && setting == EXTCAP_SETTINGS) {
        error_set(err, ERROR_USAGE, "unknown argument \"%s\" of an extcap program", word);
        return error_remedy(err, "Wireshark calls it so; see: kubectl sniff --help");
    }
    const char *value = value_of(reader, length);

    if (!value)
        return needs_value(word, err);
    if (reload)
        reader->reload = value;
    else
        request->values[setting] = value;
    return 0;
}

/* What was asked for goes by what all of the words say. */
static int settle(const struct reader *reader, struct extcap_request *request, struct error *err)
{
    if (reader->reload) {
        request->action = EXTCAP_RELOAD;
        request->reload = extcap_row_find(reader->reload, strlen(reader->reload));
        if (request->reload == EXTCAP_SETTINGS)
            return error_set(err, ERROR_USAGE, "there is no option \"%s\" to reload",
                             reader->reload);
    }
    if (request->action == EXTCAP_ABOUT && request->capture_filter)
        request->action = EXTCAP_JUDGE;
    if (request->action == EXTCAP_CAPTURE && (!request->fifo || !*request->fifo)) {
        error_set(err, ERROR_USAGE, "--capture needs the pipe to write into");
        return error_remedy(err, "--fifo PIPE, as Wireshark gives it");
    }
    return 0;
}

int extcap_parse(int argc, char *const argv[], struct extcap_request *ret_request,
                 struct error *err)
{
    struct reader reader = {.argc = argc, .argv = argv, .at = 1};
    struct extcap_request request = {.action = EXTCAP_ABOUT};

    for (; reader.at < argc; reader.at++) {
        int taken = take_word(&reader, &request, err);

        if (taken < 0 || (taken == 0 && take_setting(&reader, &request, err) < 0))
            return -1;
    }
    if (settle(&reader, &request, err) < 0)
        return -1;
    *ret_request = request;
    return 0;
}

const char *extcap_value(const struct extcap_request *request, enum extcap_setting setting)
{
    const char *value = request->values[setting];

    return value ? value : extcap_rows[setting].standard;
}

/* ---- our own command line ---- */

static bool is_blank(const char *text)
{
    return !text || text[strspn(text, " \t\r\n")] == '\0';
}

char *extcap_filter(const struct extcap_request *request)
{
    const char *one = request->capture_filter, *other = extcap_value(request, EXTCAP_FILTER);

    if (is_blank(one) && is_blank(other))
        return NULL;
    if (is_blank(one) || is_blank(other))
        return strdup(is_blank(one) ? other : one);
    return text_format("(%s) and (%s)", one, other);
}

static void add(struct extcap_words *made, const char *word)
{
    if (made->count <= EXTCAP_WORDS_MAX)
        made->words[made->count++] = (char *)word;
}

/* @flag: before each of them; NULL: they stand alone */
static void add_list(struct extcap_words *made, char *list, const char *flag)
{
    char *rest = NULL;

    for (char *word = strtok_r(list, SEPARATORS, &rest); word;
         word = strtok_r(NULL, SEPARATORS, &rest)) {
        if (flag)
            add(made, flag);
        add(made, word);
    }
}

static void add_flags(struct extcap_words *made, const struct extcap_request *request)
{
    for (size_t i = 0; i < EXTCAP_SETTINGS; i++) {
        const char *value = extcap_value(request, (enum extcap_setting)i);

        if (!extcap_rows[i].flag || i == EXTCAP_INTERFACE || is_blank(value))
            continue;
        add(made, extcap_rows[i].flag);
        add(made, value);
    }
    /* Wireshark knows several words for no. */
    if (strcasecmp(extcap_value(request, EXTCAP_NAMES), "false") == 0 ||
        strcmp(extcap_value(request, EXTCAP_NAMES), "0") == 0)
        add(made, "--no-names");
}

static int nothing_chosen(struct error *err)
{
    error_set(err, ERROR_USAGE, "no pod is chosen");
    return error_remedy(err, "the gear beside the interface \"Kubernetes\" in Wireshark asks for "
                             "one; tshark -i kubernetes takes -o extcap.kubernetes.targets:POD");
}

/* What the killed client has left is where it captured; no capture is known: nothing is. */
static int clean_up(struct extcap_words *made, const struct extcap_request *request)
{
    static const enum extcap_setting where[] = {EXTCAP_KUBECONFIG, EXTCAP_CONTEXT,
                                                EXTCAP_NAMESPACE};

    if (!request->interface)
        return 0;
    add(made, "kubectl-sniff");
    add(made, "--cleanup");
    for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
        const char *value = extcap_value(request, where[i]);

        if (is_blank(value))
            continue;
        add(made, extcap_rows[where[i]].flag);
        add(made, value);
    }
    return 0;
}

int extcap_words_make(const struct extcap_request *request, struct extcap_words *ret_words,
                      struct error *err)
{
    struct extcap_words *made = ret_words;
    const char *pod = extcap_value(request, EXTCAP_POD);

    *made = (struct extcap_words){.count = 0};
    if (request->action == EXTCAP_CLEANUP)
        return clean_up(made, request);
    made->owned[0] = extcap_filter(request);
    made->owned[1] = strdup(extcap_value(request, EXTCAP_INTERFACE));
    made->owned[2] = strdup(extcap_value(request, EXTCAP_TARGETS));
    if (!made->owned[1] || !made->owned[2])
        return error_set(err, ERROR_INTERNAL, "out of memory");
    add(made, "kubectl-sniff");
    add_flags(made, request);
    add_list(made, made->owned[1], "--interface");
    if (made->owned[0]) {
        add(made, "--filter");
        add(made, made->owned[0]);
    }
    add(made, "--");
    int before = made->count;
    if (!is_blank(pod) && strcmp(pod, EXTCAP_POD_BELOW) != 0)
        add(made, pod);
    add_list(made, made->owned[2], NULL);
    if (made->count > EXTCAP_WORDS_MAX)
        return error_set(err, ERROR_USAGE, "more than %d words are given", EXTCAP_WORDS_MAX);
    made->words[made->count] = NULL;
    return made->count == before ? nothing_chosen(err) : 0;
}

void extcap_words_free(struct extcap_words *made)
{
    for (size_t i = 0; i < sizeof(made->owned) / sizeof(made->owned[0]); i++)
        free(made->owned[i]);
    *made = (struct extcap_words){.count = 0};
}
