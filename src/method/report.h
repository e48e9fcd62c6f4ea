/* SPDX-License-Identifier: Apache-2.0 */
/* What the methods were found to be worth, as a table for a person and as JSON for programs. */
#ifndef KSNIFF_METHOD_REPORT_H
#define KSNIFF_METHOD_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "method/preflight.h"

struct error;
struct settings;
struct target;

#define REPORT_OBSTACLES_MAX 10

struct method_report {
    const char *name; /* of the method */
    enum preflight_verdict verdict;
    bool failed; /* it was tried */
    struct obstacle obstacles[REPORT_OBSTACLES_MAX];
    size_t count;
};

/* report_add_failure - the method was tried, and ended so. */
void report_add_failure(struct method_report *report, const struct error *err);

/* report_print - a table: method by method what stands in the way, and who could change it. */
void report_print(FILE *file, const struct method_report *reports, size_t count);

/*
 * report_json - the same for programs
 *
 *   {"namespace": "shop", "pod": "web", "container": "app", "node": "node1", "works": true,
 *    "methods": [{"name": "upload", "verdict": "impossible",
 *                 "obstacles": [{"what": "...", "who": "..."}]}, ...]}
 *
 * "namespace", "pod" and "container" are null for a node. A verdict is "possible", "maybe" or
 * "impossible"; the obstacles of a "maybe" are what may turn out to stand in the way.
 * Return: owned by the caller.
 */
json_t *report_json(const struct target *target, const struct method_report *reports, size_t count);

/* report_print_json - what report_json() has made, or an array of such, and a line feed. */
void report_print_json(FILE *file, const json_t *json);

/*
 * report_print_json_refusal - the same where no method was asked about: the target is not there, or
 * cannot be captured at all. "works" is false, "methods" empty, and "error" and "remedy" (null
 * where there is none) say why.
 * @settings: tell which target was named
 */
void report_print_json_refusal(FILE *file, const struct settings *settings,
                               const struct error *err);

/* report_works - does some method work, or may work? */
bool report_works(const struct method_report *reports, size_t count);

/*
 * report_refuse - the only method that was wanted cannot do it
 * @verb: "capture"
 * @more: what may help besides who could change it
 *
 * Return: always -1.
 */
int report_refuse(const struct method_report *only, const struct target *target, const char *verb,
                  const char *more, struct error *err);

#endif
