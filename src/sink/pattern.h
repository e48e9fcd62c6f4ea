/* SPDX-License-Identifier: Apache-2.0 */
/*
 * -o FILE as a pattern: %n namespace, %p pod, %c container, %t time (20261128T193000, local), %i
 * number of the file (00001), %% a percent sign. They stand in the file's name, not in its
 * directory's: what the cluster calls things must not choose where a file goes.
 *
 * Names from the cluster are untrusted: of each, letters, digits, '-', '_' and inner dots pass, the
 * rest becomes '_', and what is long is cut: with a number and a time, too, the file's name has no
 * more than 255 bytes.
 */
#ifndef KSNIFF_SINK_PATTERN_H
#define KSNIFF_SINK_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

struct buf;
struct error;

struct pattern_values {
    const char *namespace, *pod, *container; /* NULL: "none"; of a node: "node", its name, "host" */
    time_t time;                             /* at which the file begins */
    unsigned number; /* of a file among those that follow each other, from 1; 0: there is one */
    unsigned twin;   /* 2 and more: of targets that would have the same name, this one; else 0 */
};

/* Names that have been given in this run. All zero: none. */
struct pattern_names {
    char **taken;
    size_t count;
};

/*
 * pattern_add_name - add a name of the cluster as a part of a file's name
 * @name: of any content; NULL or "": "none" is added
 *
 * What is added may stand for itself: it leads nowhere else, and no file of it is hidden.
 */
bool pattern_add_name(struct buf *out, const char *name);

/* pattern_check - Return: 0; -1 with ERROR_USAGE. */
int pattern_check(const char *pattern, struct error *err);

/* pattern_is_per_target - does each target get a file of its own? */
bool pattern_is_per_target(const char *pattern);

/* pattern_is_fixed - is it the same name whatever the values are? */
bool pattern_is_fixed(const char *pattern);

/*
 * pattern_expand - the name of a file
 * @pattern: one that has been checked
 *
 * A number for which there is no %i stands before the ending, as dumpcap has it:
 * web_00001_20261128193000.pcapng; without the time where %t says it.
 *
 * Return: owned by the caller; NULL when out of memory.
 */
char *pattern_expand(const char *pattern, const struct pattern_values *values);

/*
 * pattern_choose_twin - sets @values->twin so that no file of this run gets the same name as one of
 * another target, and remembers that
 *
 * Return: 0; -1 with the error.
 */
int pattern_choose_twin(struct pattern_names *names, const char *pattern,
                        struct pattern_values *values, struct error *err);

void pattern_names_free(struct pattern_names *names);

#endif
