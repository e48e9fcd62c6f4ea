/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Defaults for people who always want the same: lines "name = value", named as the flags are, in
 * $XDG_CONFIG_HOME/ksniff/config, else ~/.config/ksniff/config. KSNIFF_CONFIG names another file,
 * and when it is empty none.
 *
 * A line that begins with # is a comment, as is what stands behind a blank and a #; a value in
 * quotes ('...' or "...") keeps all that is in it. A switch may stand alone. The command line and
 * the environment come before the file, and a default that contradicts them yields.
 */
#ifndef KSNIFF_CLI_DEFAULTS_H
#define KSNIFF_CLI_DEFAULTS_H

#include <stdbool.h>
#include <stddef.h>

struct error;
struct flag;

/* Where a value has come from. */
enum setting_source { SETTING_FILE, SETTING_ENVIRONMENT, SETTING_COMMAND_LINE };

struct setting {
    const struct flag *flag;
    const char *value; /* borrowed: of the file's text, the environment, or argv */
    enum setting_source source;
    unsigned line; /* in the file */
    bool yields;   /* it is in the file, but contradicts what comes before it */
};

/* All zero is empty. */
struct defaults {
    char *path;               /* of the file; owned; NULL: there is none */
    char *text;               /* its lines, cut up; owned */
    struct setting *settings; /* owned; as they were found; those of the file last */
    size_t count;
};

/*
 * defaults_load - read the file, if there is one
 *
 * Each value has been tried when this returns. Errors: ERROR_USAGE, with file and line: a name that
 * no flag has, one that makes no sense as a default, one that stands twice, a value that the flag
 * does not take; ERROR_CONFIG: a file that cannot be read.
 */
int defaults_load(struct defaults *defaults, struct error *err);
void defaults_free(struct defaults *defaults);

/* defaults_is_secret - is its value to be seen by nobody? */
bool defaults_is_secret(const struct flag *flag);

/* defaults_note - for defaults_print(): a value that is not from the file. Without memory it is
 * forgotten. */
void defaults_note(struct defaults *defaults, const struct flag *flag, const char *value,
                   enum setting_source source);

/*
 * defaults_print - what --print-config says: every flag with what holds, and where that is from
 *
 * It can be read as a file of defaults again. Secrets are not in it. Return: the exit code.
 */
int defaults_print(const struct defaults *defaults);

#endif
