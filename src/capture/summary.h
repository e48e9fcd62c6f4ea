/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a capture has come to, for a person and for programs: the live lines, the table at the end,
 * the JSON document of --summary. No I/O: texts and JSON out.
 */
#ifndef KSNIFF_CAPTURE_SUMMARY_H
#define KSNIFF_CAPTURE_SUMMARY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct error;

/* One target. Strings are borrowed; times are milliseconds, but for the clock's. */
struct summary_row {
    const char *namespace, *pod, *container; /* NULL: a node */
    const char *node;
    const char *method; /* NULL: none was found */
    const char *state;  /* "capturing", "cut off", ... */
    bool up;            /* it captures */
    bool captured;      /* it has captured */
    bool ended;
    bool gone; /* with its pod: followed targets come and go, and that is no error */

    uint64_t packets, bytes; /* in the output; bytes: as long as the packets were on the wire */
    uint64_t kept;           /* of these bytes, those that are in the output */
    uint64_t dropped;        /* that the kernel had no room for */
    uint64_t lost;           /* that were captured, and are not in the output */
    uint64_t late;           /* that came too late for their place */
    uint64_t duplicates;     /* that --dedup has left out */
    unsigned cuts;           /* how often it was cut and taken up again */
    uint64_t gap;            /* how long all these were */
    bool clock_known;
    int64_t clock_offset,
        clock_bound;   /* ns: what its node's clock is ahead of ours, give or take */
    const char *error; /* why it ended; NULL: as asked */
};

struct summary {
    const char *context, *output; /* output: a file; NULL: none */
    uint64_t started, ended;      /* seconds since 1970; 0: it has not */
    uint64_t elapsed;             /* milliseconds */
    uint64_t left;                /* of --duration; UINT64_MAX: no limit */
    uint64_t rate;                /* bytes a second */
    const char *note;             /* more for the live line: "12 packets still to come"; "": none */
    int exit_code;                /* of the JSON document */
    const char *error;            /* why the capture has failed; NULL: it has not */

    struct summary_row total; /* its numbers alone */
    const struct summary_row *rows;
    size_t count, present, up; /* targets; those that are not gone; those that capture */
};

/*
 * summary_live - the live lines: one of the whole, and for each target that is not gone
 * @columns: of the terminal; what matters less is left out where it does not fit
 * @lines: for targets, at most: those that have ended stand last, and where not all of them fit,
 * the last line says how many more there are; 0: the whole alone
 */
void summary_live(const struct summary *summary, size_t columns, size_t lines, struct buf *out);

/* summary_table - a line for each target under one of headings, each ended by '\n'. */
void summary_table(const struct summary *summary, struct buf *out);

/*
 * summary_totals - "12 packets captured, 1.2 kB, 3 dropped", and what came late
 * @lost: "2 packets", with how sure that is; "": none are
 *
 * Return: @out.
 */
const char *summary_totals(const struct summary *summary, const char *lost, char *out, size_t size);

/* summary_help - what would have helped where something is missing. Return: @out; "": all is there.
 */
const char *summary_help(const struct summary *summary, char *out, size_t size);

/* summary_json - the document of --summary, which the manual describes. Return: owned by the
 * caller; NULL when out of memory. */
json_t *summary_json(const struct summary *summary);

/*
 * summary_prepare - can it be written there, when all is over? Nothing is made, nor changed.
 * @output: the file of the packets; NULL: none
 *
 * Errors: ERROR_OUTPUT; ERROR_USAGE where both are one file.
 */
int summary_prepare(const char *path, const char *output, struct error *err);

/* summary_write - to this file, or with "-" to standard output. Errors: ERROR_OUTPUT. */
int summary_write(const struct summary *summary, const char *path, struct error *err);

#endif
