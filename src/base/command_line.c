/* SPDX-License-Identifier: Apache-2.0 */
#include "base/command_line.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static const char blanks[] = " \t\r\n";

static int refuse(const char *text, const char *at, struct error *err)
{
    error_set(err, ERROR_USAGE, "\"%c\" in \"%s\" means something to a shell only", *at, text);
    return error_remedy(err, "quote it, or let a shell run it: sh -c '...'");
}

/* Copies what stands in quotes, @in at the first, to *@out. Return: behind the last; NULL: there is
 * none. */
static const char *copy_quoted(const char *in, char **out)
{
    const char quote = *in++;

    for (; *in && *in != quote; in++) {
        if (quote == '"' && *in == '\\' && (in[1] == '"' || in[1] == '\\'))
            in++;
        *(*out)++ = *in;
    }
    return *in ? in + 1 : NULL;
}

/* Copies one word to *@out, with a NUL behind it. Return: behind it; NULL with the error. */
static const char *copy_word(const char *text, const char *in, char **out, struct error *err)
{
    while (*in && !strchr(blanks, *in)) {
        if (strchr("|<>&;", *in)) {
            refuse(text, in, err);
            return NULL;
        }
        if (*in == '\'' || *in == '"') {
            const char quote = *in;

            if (!(in = copy_quoted(in, out))) {
                error_set(err, ERROR_USAGE, "there is one %c too few, or too many, in \"%s\"",
                          quote, text);
                return NULL;
            }
            continue;
        }
        if (*in == '\\' && in[1])
            in++;
        *(*out)++ = *in++;
    }
    *(*out)++ = '\0';
    return in;
}

int command_line_split(const char *text, char ***ret_words, struct error *err)
{
    /* No more words than characters; and of these no more than there are, with a NUL each. */
    const size_t length = strlen(text), most = length / 2 + 2;
    char **words = calloc(1, most * sizeof(*words) + length + 2);
    size_t count = 0;

    if (!words)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    char *out = (char *)(words + most);
    for (const char *in = text; in && *(in += strspn(in, blanks));) {
        words[count++] = out;
        in = copy_word(text, in, &out, err);
        if (!in) {
            free(words);
            return -1;
        }
    }
    if (count == 0) {
        free(words);
        return error_set(err, ERROR_USAGE, "\"%s\" is no command", text);
    }
    *ret_words = words;
    return 0;
}
