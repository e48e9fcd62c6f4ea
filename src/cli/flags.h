/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of flags. The parser (options.c), --help, the man page and shell completion
 * (help.c) come from its rows; a flag that is not here does not exist.
 */
#ifndef KSNIFF_CLI_FLAGS_H
#define KSNIFF_CLI_FLAGS_H

#include <stdbool.h>
#include <stddef.h>

struct error;
struct options;

#define FLAGS_MAX 96 /* rows that the table may have */

enum flag_group {
    FLAG_GROUP_CAPTURE,
    FLAG_GROUP_OUTPUT,
    FLAG_GROUP_METHOD,
    FLAG_GROUP_RECORDING,
    FLAG_GROUP_CLUSTER, /* kubectl has these too, by the same names */
    FLAG_GROUP_HIDDEN,  /* for programs: in no help, suggestion or completion */
};

enum flag_kind {
    FLAG_VALUE,  /* takes a value */
    FLAG_SWITCH, /* true, false, or none, which is true */
    FLAG_WORD,   /* takes a value, or none where no word or another flag follows: that is true */
    FLAG_OPTION, /* a switch that takes another value too, behind "=" */
};

struct flag {
    const char *name; /* without the dashes */
    char letter;      /* 0: none */
    enum flag_kind kind;
    enum flag_group group;
    const char *metavar;     /* also says how the value is completed (help.c) */
    const char *environment; /* the variable that is read where the flag is not given; NULL: none */
    const char *help;        /* one sentence */
    /*
     * Takes a value into the options. @value of a switch without one is "true".
     * Return: 0; -1 with the error, whose text speaks of @as ("--count", or the variable's name).
     */
    int (*set)(struct options *options, const char *value, const char *as, struct error *err);
};

extern const struct flag flags[];
extern const size_t flag_count;

/* flag_find - by name, or by letter. Return: NULL when there is none. */
const struct flag *flag_find(const char *name, size_t length);
const struct flag *flag_find_letter(char letter);

/* flag_nearest - the name that is most like @name. Return: NULL when none is like it. */
const char *flag_nearest(const char *name, size_t length);

#endif
