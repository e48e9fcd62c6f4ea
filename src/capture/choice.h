/* SPDX-License-Identifier: Apache-2.0 */
/* Which method captures a target: the best that nothing is known to stand in the way of, and after
 * a failed attempt the next. */
#ifndef KSNIFF_CAPTURE_CHOICE_H
#define KSNIFF_CAPTURE_CHOICE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "method/preflight.h"
#include "method/report.h"

struct facts;
struct method;
struct session;
struct settings;
struct target;

struct choice {
    const struct settings *settings;
    struct target *target;
    bool several; /* it is one of several targets: its name stands in messages */
    bool again;   /* it was tried before: what is chosen has been told */
    struct preflight preflight;
    int next;          /* enum preflight_method: looked at next */
    int at;            /* looked at, or tried */
    bool asked, known; /* what it needs; and the answers are there */
    struct method_report reports[METHOD_COUNT];
    size_t count;
    char reasons[1100];   /* why the methods that were passed over do not do, for one line */
    size_t refusals;      /* methods whose exec was refused, and not for want of a right */
    struct error refusal; /* the first */
};

/* choice_new - Return: owned by the caller (choice_free()); NULL when out of memory. */
struct choice *choice_new(struct facts *facts, const struct settings *settings,
                          struct target *target, bool several);
/* choice_free - NULL is allowed. */
void choice_free(struct choice *choice);

enum choice_answer {
    CHOICE_ASKING, /* the API server: ask again after the next event */
    CHOICE_FOUND,
    CHOICE_NONE,
};

/*
 * choice_next - find the next method
 * @ret_method: to be tried, with CHOICE_FOUND
 * @err: with CHOICE_NONE
 */
enum choice_answer choice_next(struct choice *choice, const struct method **ret_method,
                               struct error *err);

/*
 * choice_failed - the method that was found has not begun to capture
 * @session: of the attempt; NULL: there was none
 * @err: why; made better where more is known now
 *
 * Return: true when choice_next() may find another.
 */
bool choice_failed(struct choice *choice, const struct session *session, struct error *err);

#endif
