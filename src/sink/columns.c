/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/columns.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/text.h"

#define FILE_MAX (4u << 20) /* bytes of preferences; Wireshark writes 220 KB of them */
#define KEY      "gui.column.format"
#define OURS     "\"Seen at\", \"%Cus:frame.interface_name:0:R\""
#define DEFAULTS                                                                                   \
    "\"No.\", \"%m\", \"Time\", \"%t\", \"Source\", \"%s\", \"Destination\", \"%d\", "             \
    "\"Protocol\", \"%p\", \"Length\", \"%L\", \"Info\", \"%i\""

/* ---- the list ---- */

/* Return: behind the word that begins here, in quotes or without; NULL when it does not end. */
static const char *end_of_word(const char *at)
{
    if (*at != '"')
        return at + strcspn(at, ",");
    for (at++; *at && *at != '"'; at++)
        if (*at == '\\' && at[1])
            at++;
    return *at ? at + 1 : NULL;
}

/* Return: where the next word begins, NULL when there is none. @at: NULL is allowed */
static const char *next_word(const char *at)
{
    if (at)
        at += strspn(at, " \t\r\n,");
    return at && *at ? at : NULL;
}

static bool is_source(const char *format, size_t length)
{
    static const char *const formats[] = {"%s",   "%rs", "%us",  "%hs", "%rhs",
                                          "%uhs", "%ns", "%rns", "%uns"};

    if (length > 2 && *format == '"') {
        format++;
        length -= 2;
    }
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        if (strlen(formats[i]) == length && memcmp(formats[i], format, length) == 0)
            return true;
    return false;
}

/*
 * Return: where a column is put in: before the first with a packet's source, else at the end. NULL
 * when the list is none of titles and formats.
 */
static const char *place_for_ours(const char *list, bool hidden)
{
    const char *found = NULL, *title;

    for (const char *at = list; (title = next_word(at));) {
        const char *format = next_word(end_of_word(title));

        at = format ? end_of_word(format) : NULL;
        if (!at)
            return NULL; /* Wireshark would not start with it */
        if (!found && !hidden && is_source(format, (size_t)(at - format)))
            found = title;
    }
    return found ? found : list + strlen(list);
}

char *columns_insert(const char *list, bool hidden)
{
    const char *place = place_for_ours(list, hidden);
    bool last = place && !*place;

    if (!place || !next_word(list) || strstr(list, "frame.interface_name"))
        return NULL;
    char *result = text_format("%.*s%s%s%s%s", (int)(place - list), list, last ? ", " : "", OURS,
                               last ? "" : ", ", place);
    /* In the file it goes over several lines. */
    for (char *c = result; c && *c; c++)
        if (isspace((unsigned char)*c))
            *c = ' ';
    return result;
}

/* ---- the user's files ---- */

static bool is_directory(const char *path)
{
    struct stat st;

    return path && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Return: where Wireshark keeps its files; owned by the caller, NULL when nobody knows. */
static char *configuration(void)
{
    const char *own = getenv("WIRESHARK_CONFIG_DIR"), *xdg = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");

    if (own && *own)
        return strdup(own);
    cleanup_free char *newer = xdg && *xdg ? text_format("%s/wireshark", xdg)
                                           : text_format("%s/.config/wireshark", home ? home : "");
    cleanup_free char *older = text_format("%s/.wireshark", home ? home : "");
    if (!is_directory(newer) && is_directory(older))
        return steal_pointer(older);
    return steal_pointer(newer);
}

/* Return: "" where there is no such file; NULL when it cannot be read. Owned by the caller. */
static char *read_file(const char *directory, const char *name)
{
    cleanup_free char *path = text_format("%s/%s", directory, name);
    cleanup_file FILE *file = path ? fopen(path, "re") : NULL;
    char piece[8192];
    struct buf text;
    size_t got;

    buf_init(&text, FILE_MAX);
    while (file && (got = fread(piece, 1, sizeof(piece), file)) > 0)
        if (!buf_append(&text, piece, got))
            break;
    bool whole = !file || (feof(file) && !ferror(file));
    char *result = whole && path ? strdup(buf_string(&text)) : NULL;
    buf_free(&text);
    return result;
}

/*
 * A setting: what stands behind "KEY:", and the lines that follow it with white space before them.
 * Return: owned by the caller; NULL when it is not set.
 */
static char *setting(const char *text, const char *key)
{
    const size_t length = strlen(key);
    const char *line = text, *end;

    while (strncmp(line, key, length) != 0 || line[length] != ':') {
        line = strchr(line, '\n');
        if (!line++)
            return NULL;
    }
    line += length + 1;
    for (end = line + strcspn(line, "\n"); *end && (end[1] == ' ' || end[1] == '\t');)
        end += 1 + strcspn(end + 1, "\n");
    return text_format("%.*s", (int)(end - line), line);
}

/* The profile that Wireshark begins with is the last that was used. Return: its preferences. */
static char *read_preferences(const char *directory)
{
    cleanup_free char *recent = read_file(directory, "recent_common");
    cleanup_free char *value = recent ? setting(recent, "gui.last_used_profile") : NULL;
    const char *name = value ? value + strspn(value, " \t") : "";
    cleanup_free char *profile = text_format("%s/profiles/%s", directory, name);

    if (*name && !strchr(name, '/') && is_directory(profile))
        return read_file(profile, "preferences");
    return read_file(directory, "preferences");
}

char *columns_seen_at(void)
{
    cleanup_free char *directory = configuration();
    cleanup_free char *preferences = directory ? read_preferences(directory) : NULL;
    if (!preferences)
        return NULL;
    cleanup_free char *own = setting(preferences, KEY);
    cleanup_free char *hidden = setting(preferences, "gui.column.hide");
    cleanup_free char *list =
        columns_insert(own && next_word(own) ? own : DEFAULTS, hidden && next_word(hidden));

    return list ? text_format("%s:%s", KEY, list) : NULL;
}
