/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/defaults.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "cli/flags.h"
#include "cli/options.h"

#define FILE_MAX (64u << 10) /* bytes */
#define COLUMN   40          /* of what --print-config says about a line */

static const char blanks[] = " \t\r";

/* They ask for something else than a capture, or say of what: of one run, not of every one. */
static const char *const not_defaults[] = {
    "help",   "version",    "completion", "check",          "cleanup",       "print-config",
    "record", "recordings", "end",        "fetch",          "since",         "until",
    "live",   "wait-for",   "selector",   "field-selector", "all-namespaces"};

/* They may stand several times. */
static const char *const lists[] = {"interface", "as-group"};

static const char *const secrets[] = {"token"};

#define IS_AMONG(flag, names) is_among((flag)->name, names, sizeof(names) / sizeof((names)[0]))

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* ---- the file ---- */

/* Return: owned by the caller; NULL: there is none, or no memory. @ret_named: by KSNIFF_CONFIG */
static char *find_file(bool *ret_named)
{
    const char *named = getenv("KSNIFF_CONFIG"), *xdg = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");

    *ret_named = named != NULL;
    if (named)
        return *named ? strdup(named) : NULL;
    /* One that is not absolute is to be ignored: XDG Base Directory Specification. */
    if (xdg && *xdg == '/')
        return text_format("%s/ksniff/config", xdg);
    return home && *home ? text_format("%s/.config/ksniff/config", home) : NULL;
}

/* Return: 0, with a text that is owned by the caller, NULL where there is no such file; -1. */
static int read_file(const char *path, bool must_be, char **ret_text, struct error *err)
{
    cleanup_file FILE *file = fopen(path, "re");
    cleanup_free char *text = calloc(1, FILE_MAX + 1);

    *ret_text = NULL;
    if (!file && errno == ENOENT && !must_be)
        return 0;
    size_t length = file && text ? fread(text, 1, FILE_MAX + 1, file) : 0;
    if (!file || !text || ferror(file)) {
        error_set(err, ERROR_CONFIG, "cannot read \"%s\": %s", path, strerror(errno));
        return error_remedy(err, "mend it, or do without: KSNIFF_CONFIG= kubectl sniff ...");
    }
    if (length > FILE_MAX || strlen(text) != length)
        return error_set(err, ERROR_CONFIG, "\"%s\" is no file of defaults", path);
    *ret_text = steal_pointer(text);
    return 0;
}

/* ---- lines ---- */

static int fault(const struct defaults *defaults, unsigned line, const char *what,
                 const char *remedy, struct error *err)
{
    error_set(err, ERROR_USAGE, "\"%s\", line %u: %s", defaults->path, line, what);
    return error_remedy(err, "%s", remedy);
}

static int unknown(const struct defaults *defaults, unsigned line, const char *name,
                   struct error *err)
{
    const char *bare = name + strspn(name, "-");
    const char *nearest = flag_find(bare, strlen(bare)) ? bare : flag_nearest(bare, strlen(bare));
    cleanup_free char *what = text_format("there is no flag \"%s\"", name);
    cleanup_free char *remedy =
        nearest ? text_format("did you mean \"%s\"?", nearest)
                : strdup("names are those of the flags, without dashes: see kubectl sniff --help");

    return fault(defaults, line, what ? what : "", remedy ? remedy : "", err);
}

/* Cuts blanks off both ends. Return: the first that is none. */
static char *trim(char *text)
{
    size_t length;

    text += strspn(text, blanks);
    for (length = strlen(text); length > 0 && strchr(blanks, text[length - 1]); length--)
        ;
    text[length] = '\0';
    return text;
}

/* A value without its quotes, or without a comment behind it. Return: NULL: a quote is missing. */
static char *bare_value(char *text)
{
    const char quote = *text;

    if (quote == '\'' || quote == '"') {
        char *end = strchr(text + 1, quote), *rest = end ? end + 1 + strspn(end + 1, blanks) : NULL;

        if (!end || (*rest && *rest != '#'))
            return NULL;
        *end = '\0';
        return text + 1;
    }
    for (char *at = text; *at; at++)
        if (*at == '#' && (at == text || strchr(blanks, at[-1])))
            *at-- = '\0';
    return trim(text);
}

static int add(struct defaults *defaults, struct setting setting)
{
    struct setting *longer =
        realloc(defaults->settings, (defaults->count + 1) * sizeof(*defaults->settings));

    if (!longer)
        return -1;
    defaults->settings = longer;
    longer[defaults->count++] = setting;
    return 0;
}

/* What can be said against a default without looking at its value. Return: 0, or -1. */
static int check_name(const struct defaults *defaults, const struct flag *flag, unsigned line,
                      struct error *err)
{
    if (flag->group == FLAG_GROUP_HIDDEN || IS_AMONG(flag, not_defaults)) {
        cleanup_free char *what = text_format("\"%s\" cannot be a default", flag->name);

        return fault(defaults, line, what ? what : "", "give it on the command line", err);
    }
    for (size_t i = 0; i < defaults->count; i++) {
        if (defaults->settings[i].flag != flag || defaults->settings[i].source != SETTING_FILE ||
            IS_AMONG(flag, lists))
            continue;
        cleanup_free char *what =
            text_format("\"%s\" stands in line %u already", flag->name, defaults->settings[i].line);
        return fault(defaults, line, what ? what : "", "leave out one of them", err);
    }
    return 0;
}

/* Does the flag take it? Its message is ours, with the place in front. */
static int check_value(const struct defaults *defaults, const struct setting *setting,
                       struct error *err)
{
    struct options scratch = {0};
    struct error why = {0};

    if (setting->flag->set(&scratch, setting->value, setting->flag->name, &why) == 0)
        return 0;
    return fault(defaults, setting->line, why.text, why.remedy, err);
}

static int take_line(struct defaults *defaults, char *text, unsigned line, struct error *err)
{
    char *equals = strchr(text, '='), *value = NULL;
    struct setting setting = {.source = SETTING_FILE, .line = line};

    if (equals)
        *equals = '\0';
    char *bare = bare_value(equals ? equals + 1 + strspn(equals + 1, blanks) : text);
    if (!bare)
        return fault(defaults, line, "a quote is missing", "quote all of the value, or nothing",
                     err);
    if (equals)
        value = bare;
    else
        text = bare;
    const char *name = trim(text);
    setting.flag = flag_find(name, strlen(name));
    if (!setting.flag)
        return unknown(defaults, line, name, err);
    if (check_name(defaults, setting.flag, line, err) < 0)
        return -1;
    if (!value && setting.flag->kind == FLAG_VALUE)
        return fault(defaults, line, "a value is missing", "write: name = value", err);
    setting.value = value ? value : "true";
    if (check_value(defaults, &setting, err) < 0)
        return -1;
    return add(defaults, setting) == 0 ? 0 : error_set(err, ERROR_INTERNAL, "out of memory");
}

int defaults_load(struct defaults *defaults, struct error *err)
{
    unsigned line = 0;
    bool named;

    defaults->path = find_file(&named);
    if (!defaults->path || read_file(defaults->path, named, &defaults->text, err) < 0)
        return defaults->path ? -1 : 0;
    for (char *text = defaults->text, *next; text; text = next) {
        next = strchr(text, '\n');
        if (next)
            *next++ = '\0';
        text = trim(text);
        line++;
        if (*text && *text != '#' && take_line(defaults, text, line, err) < 0)
            return -1;
    }
    return 0;
}

void defaults_free(struct defaults *defaults)
{
    free(defaults->path);
    free(defaults->text);
    free(defaults->settings);
    *defaults = (struct defaults){0};
}

void defaults_note(struct defaults *defaults, const struct flag *flag, const char *value,
                   enum setting_source source)
{
    add(defaults, (struct setting){.flag = flag, .value = value, .source = source});
}

bool defaults_is_secret(const struct flag *flag)
{
    return IS_AMONG(flag, secrets);
}

/* ---- --print-config ---- */

/* As it is written in the file. */
static void format_value(const struct setting *setting, char *out, size_t size)
{
    const char *value = setting->value, *quote = "";
    char escaped[1024];

    if (defaults_is_secret(setting->flag)) {
        snprintf(out, size, "(not shown)");
        return;
    }
    text_escape(escaped, sizeof(escaped), value, strlen(value));
    if (!*value || strpbrk(value, "#'\"") || strchr(blanks, value[0]) ||
        strchr(blanks, value[strlen(value) - 1]))
        quote = strchr(value, '\'') ? "\"" : "'";
    snprintf(out, size, "%s%s%s", quote, escaped, quote);
}

static void print_setting(const struct setting *setting)
{
    bool comment = setting->yields || defaults_is_secret(setting->flag);
    char value[1100];

    format_value(setting, value, sizeof(value));
    int column = printf("%s%s = %s", comment ? "# " : "", setting->flag->name, value);
    printf("%*s  # ", column < COLUMN ? COLUMN - column : 0, "");
    if (setting->source == SETTING_COMMAND_LINE)
        printf("command line\n");
    else if (setting->source == SETTING_ENVIRONMENT)
        printf("environment: %s\n", setting->flag->environment);
    else
        printf("file, line %u%s\n", setting->line,
               setting->yields ? ", which yields to what contradicts it" : "");
}

/* Its help says it, behind "default: ", up to the next semicolon. */
static void print_default(const struct flag *flag)
{
    const char *said = strstr(flag->help, "default: ");
    int column = printf("# %s", flag->name);

    said = said ? said + strlen("default: ") : flag->kind == FLAG_VALUE ? "none" : "false";
    printf("%*s  # default: %.*s\n", column < COLUMN ? COLUMN - column : 0, "",
           (int)strcspn(said, ";"), said);
}

/* Of a list all, of others what came last. Return: is anything set? */
static bool print_settings(const struct defaults *defaults, const struct flag *flag)
{
    const struct setting *last = NULL;
    bool printed = false;

    for (size_t i = 0; i < defaults->count; i++) {
        const struct setting *setting = &defaults->settings[i];

        if (setting->flag != flag)
            continue;
        if (!setting->yields && (!last || setting->source >= last->source))
            last = setting;
        if (setting->yields)
            print_setting(setting);
    }
    for (size_t i = 0; last && i < defaults->count; i++) {
        const struct setting *setting = &defaults->settings[i];

        if (setting == last || (setting->flag == flag && IS_AMONG(flag, lists) &&
                                setting->source == last->source && !setting->yields)) {
            print_setting(setting);
            printed = true;
        }
    }
    return printed;
}

int defaults_print(const struct defaults *defaults)
{
    char path[1024] = "none";

    if (defaults->path)
        text_escape(path, sizeof(path), defaults->path, strlen(defaults->path));
    printf("# file of defaults: %s%s\n", path,
           defaults->path && !defaults->text ? " (not there)" : "");
    for (size_t i = 0; i < flag_count; i++)
        if (flags[i].group != FLAG_GROUP_HIDDEN && !IS_AMONG(&flags[i], not_defaults) &&
            !print_settings(defaults, &flags[i]))
            print_default(&flags[i]);
    return fflush(stdout) == 0 ? 0 : 1;
}
