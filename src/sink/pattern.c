/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/pattern.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "sink/compress.h"

#define FILE_MOST   255 /* bytes of a file's name: what file systems take */
#define NAME_MOST   100 /* of one name in it, where it has room for that */
#define ENDING_MOST 8   /* of an ending, its dot included */

static const char *file_part(const char *pattern)
{
    const char *slash = strrchr(pattern, '/');

    return slash ? slash + 1 : pattern;
}

/* Does one of @letters stand behind a percent sign? */
static bool has(const char *pattern, const char *letters)
{
    for (const char *at = strchr(pattern, '%'); at && at[1]; at = strchr(at + 2, '%'))
        if (strchr(letters, at[1]))
            return true;
    return false;
}

bool pattern_is_per_target(const char *pattern)
{
    return has(pattern, "npc");
}

bool pattern_is_fixed(const char *pattern)
{
    return !has(pattern, "npcti");
}

int pattern_check(const char *pattern, struct error *err)
{
    const char *file = file_part(pattern);

    for (const char *at = strchr(pattern, '%'); at; at = strchr(at + 2, '%')) {
        if (!at[1] || !strchr("npcti%", at[1])) {
            error_set(err, ERROR_USAGE, "\"%.2s\" in \"%s\" stands for nothing", at, pattern);
            return error_remedy(err, "there are %%n (namespace), %%p (pod), %%c (container), %%t "
                                     "(time), %%i (number of the file) and %%%%, a percent sign");
        }
        if (at < file && at[1] != '%') {
            error_set(err, ERROR_USAGE, "\"%.2s\" in \"%s\" stands in a directory's name", at,
                      pattern);
            return error_remedy(err, "only the file's name, behind the last slash, may have it");
        }
    }
    return 0;
}

/* ---- names ---- */

static bool add_name(struct buf *out, const char *name, size_t most)
{
    bool added = true;

    name = name && *name ? name : "none";
    for (size_t i = 0, length = strnlen(name, most); i < length; i++) {
        const unsigned char c = (unsigned char)name[i];
        bool passes = isascii(c) && (isalnum(c) || c == '-' || (c == '.' && i > 0));

        added = added && buf_append(out, passes ? &name[i] : "_", 1);
    }
    return added;
}

bool pattern_add_name(struct buf *out, const char *name)
{
    return add_name(out, name, NAME_MOST);
}

static void add_time(struct buf *out, time_t time, const char *format)
{
    char text[32];
    struct tm parts;

    if (localtime_r(&time, &parts))
        buf_append(out, text, strftime(text, sizeof(text), format, &parts));
}

/* Where its ending begins: ".pcapng.gz", ".cap"; the end where it has none. */
static const char *find_ending(const char *pattern)
{
    const char *file = file_part(pattern), *end = pattern + compression_bare_length(pattern);

    for (const char *at = end; at > file + 1 && end - at < ENDING_MOST;) {
        if (*--at == '.')
            return at;
        if (!isalnum((unsigned char)*at))
            break;
    }
    return end;
}

/* What makes the name another one than those of the other files. */
static void add_difference(struct buf *out, const char *pattern,
                           const struct pattern_values *values)
{
    if (values->twin > 1)
        buf_printf(out, "-%u", values->twin);
    if (values->number && !has(pattern, "i"))
        buf_printf(out, "_%05u", values->number);
    if (values->number && !has(pattern, "it"))
        add_time(out, values->time, "_%Y%m%d%H%M%S");
}

static void add_value(struct buf *out, char letter, const struct pattern_values *values,
                      size_t most)
{
    switch (letter) {
    case 'n':
        add_name(out, values->namespace, most);
        return;
    case 'p':
        add_name(out, values->pod, most);
        return;
    case 'c':
        add_name(out, values->container, most);
        return;
    case 't':
        add_time(out, values->time, "%Y%m%dT%H%M%S");
        return;
    case 'i':
        buf_printf(out, "%05u", values->number ? values->number : 1);
        return;
    default:
        buf_append(out, &letter, 1);
    }
}

/* @most: bytes of each name in it */
static char *expand(const char *pattern, const struct pattern_values *values, size_t most)
{
    const char *ending = find_ending(pattern);
    cleanup_buf struct buf out;

    buf_init(&out, (strlen(pattern) + 1) * NAME_MOST); /* more than it can become */
    for (const char *at = pattern;; at++) {
        if (at == ending)
            add_difference(&out, pattern, values);
        if (!*at)
            break;
        if (*at == '%')
            add_value(&out, *++at, values, most);
        else
            buf_append(&out, at, 1);
    }
    const char *name = buf_string(&out);
    return name ? strdup(name) : NULL;
}

char *pattern_expand(const char *pattern, const struct pattern_values *values)
{
    struct pattern_values widest = *values;
    size_t most = NAME_MOST;

    /* All files of a target have its names cut alike, whatever their numbers. */
    widest.twin = UINT_MAX;
    widest.number = values->number ? UINT_MAX : 0;
    for (; most > 1; most--) {
        cleanup_free char *name = expand(pattern, &widest, most);

        if (!name)
            return NULL;
        if (strlen(file_part(name)) <= FILE_MOST)
            break;
    }
    return expand(pattern, values, most);
}

/* ---- twins ---- */

static bool is_taken(const struct pattern_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->taken[i], name) == 0)
            return true;
    return false;
}

static bool take(struct pattern_names *names, char *name)
{
    char **more = realloc(names->taken, (names->count + 1) * sizeof(*more));

    if (!more)
        return false;
    names->taken = more;
    names->taken[names->count++] = name;
    return true;
}

int pattern_choose_twin(struct pattern_names *names, const char *pattern,
                        struct pattern_values *values, struct error *err)
{
    struct pattern_values first = *values;

    /* Of those with numbers, every later file has a time that another may have too. */
    first.time = values->number ? 0 : values->time;
    first.number = values->number ? 1 : 0;
    for (first.twin = 0;; first.twin = first.twin ? first.twin + 1 : 2) {
        cleanup_free char *name = pattern_expand(pattern, &first);

        if (!name)
            break;
        if (is_taken(names, name))
            continue;
        values->twin = first.twin;
        if (!take(names, name))
            break;
        name = NULL;
        return 0;
    }
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

void pattern_names_free(struct pattern_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->taken[i]);
    free(names->taken);
    *names = (struct pattern_names){0};
}
