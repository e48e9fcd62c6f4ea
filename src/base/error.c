/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Formats into a bounded buffer and escapes the result into out. */
static void format_escaped(char *out, size_t size, const char *format, va_list args)
{
    char raw[2048];

    vsnprintf(raw, sizeof(raw), format, args);
    text_escape(out, size, raw, strlen(raw));
}

int error_set(struct error *err, enum error_kind kind, const char *format, ...)
{
    va_list args;

    if (!err)
        return -1;
    va_start(args, format);
    err->kind = kind;
    err->remedy[0] = '\0';
    format_escaped(err->text, sizeof(err->text), format, args);
    va_end(args);
    return -1;
}

int error_remedy(struct error *err, const char *format, ...)
{
    va_list args;

    if (!err)
        return -1;
    va_start(args, format);
    format_escaped(err->remedy, sizeof(err->remedy), format, args);
    va_end(args);
    return -1;
}

int error_prefix(struct error *err, const char *format, ...)
{
    char prefix[256];
    char old[ERROR_TEXT_MAX];
    va_list args;

    if (!err)
        return -1;
    va_start(args, format);
    format_escaped(prefix, sizeof(prefix), format, args);
    va_end(args);
    memcpy(old, err->text, sizeof(old));
    /* A text cut short at the end is better than none. */
    size_t used = (size_t)snprintf(err->text, sizeof(err->text), "%s: ", prefix);
    snprintf(err->text + used, sizeof(err->text) - used, "%.*s",
             (int)(sizeof(err->text) - used - 1), old);
    return -1;
}

bool error_is_passing(const struct error *err)
{
    switch (err->kind) {
    case ERROR_CONFIG:
    case ERROR_NETWORK:
    case ERROR_TLS:
    case ERROR_SERVER:
    case ERROR_TIMEOUT:
    case ERROR_PROTOCOL:
    case ERROR_INTERRUPTED:
        return true;
    default:
        return false;
    }
}

bool error_is_bad_moment(const struct error *err)
{
    return err->kind == ERROR_NETWORK || err->kind == ERROR_SERVER || err->kind == ERROR_TIMEOUT;
}

bool error_is_refusal(const struct error *err)
{
    return err->kind == ERROR_FORBIDDEN || err->kind == ERROR_REFUSED || err->kind == ERROR_INVALID;
}

int error_exit_code(const struct error *err)
{
    return err->kind == ERROR_USAGE         ? 2
           : err->kind == ERROR_LOSS        ? 3
           : err->kind == ERROR_GONE        ? 3
           : err->kind == ERROR_INTERRUPTED ? 130
                                            : 1;
}
