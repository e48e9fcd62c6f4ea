/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS key log of one target (--keylog): a second agent follows it beside the one that captures,
 * by an exec of its own, and what it sends goes to the recorder as secrets (capture/secrets.h).
 *
 * It is put into the container itself where it can be, since the file is there: so it has the
 * application's user, and needs nothing else. By the node method, in the helper pod, it looks into
 * the container from outside. Cut off, it is taken up again; that it cannot be read is a warning,
 * and the capture goes on without.
 */
#ifndef KSNIFF_CAPTURE_KEYLOG_H
#define KSNIFF_CAPTURE_KEYLOG_H

#include <stdbool.h>

struct error;
struct keylog;
struct method;
struct recorder;
struct session_env;
struct settings;
struct share;
struct target;

/* All but the method is borrowed, and must outlive it. */
struct keylog_of {
    const struct session_env *env;
    const struct settings *settings;
    const struct target *target;
    const struct method *method; /* that captures */
    struct recorder *recorder;
    const struct share *share; /* whose secrets they are */
    const char *who;           /* stands before messages: "pod \"web\": " */
};

/* keylog_start - goes on in the loop. Return: owned by the caller; NULL with the error. */
struct keylog *keylog_start(const struct keylog_of *of, struct error *err);

/* keylog_is_awaited - is it on its way yet, and worth waiting for before packets are captured?
 * NULL: no. */
bool keylog_is_awaited(const struct keylog *keylog);

/* keylog_step - do what is to be done now; not from within an event. Return: was anything? */
bool keylog_step(struct keylog *keylog);

/* keylog_stop - ask it to end, with what has been written by now. */
void keylog_stop(struct keylog *keylog);

/* keylog_cut - end it now. */
void keylog_cut(struct keylog *keylog);

/* keylog_has_ended - nothing comes any more. NULL: nothing ever did. */
bool keylog_has_ended(const struct keylog *keylog);

/* keylog_free - NULL is allowed. Not from within an event. */
void keylog_free(struct keylog *keylog);

#endif
