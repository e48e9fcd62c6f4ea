/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages for the person at the terminal, on standard error, in the form that users of the plugin
 * know: `INFO[0003] selected container: 'web'`, the number being seconds since the start. Coloured
 * only on a terminal. Everything is escaped (text_escape), so any text may be given.
 */
#ifndef KSNIFF_BASE_LOG_H
#define KSNIFF_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

struct error;

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG, /* --verbose */
    LOG_LEVEL_TRACE, /* --verbose twice: requests and frames, never secrets */
};

/*
 * log_divert - from now on give messages, each a line that is safe to print, to @take instead of
 * standard error; log_failure() writes there as well
 */
void log_divert(void (*take)(void *data, enum log_level level, const char *line), void *data);

/* log_start - set the level up to which messages are written, and the zero of their clock. */
void log_start(enum log_level most);

/* log_enabled - is a message of this level written? */
bool log_enabled(enum log_level level);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * log_failure - the one place where an error that ends the program is written: one line,
 * "error: TEXT (REMEDY)"
 */
void log_failure(const struct error *err);

/* log_is_terminal - is standard error a terminal that a status line can be drawn on? */
bool log_is_terminal(void);

/*
 * log_status - draw @text as the live last lines of the terminal, instead of those before
 * @text: '\n' between lines; cut to what fits; NULL takes them away
 *
 * Messages are written above them. Does nothing where log_is_terminal() is false.
 */
void log_status(const char *text);

/* log_columns - how wide the terminal is now; 80 where there is none. */
size_t log_columns(void);

/* log_lines - how many lines log_status() draws now, at most; one at least. */
size_t log_lines(void);

/* log_plain - a line without a level in front of it, such as one of a table. */
void log_plain(const char *text);

/*
 * log_status_pause - leave the terminal to another program that may ask somebody there
 *
 * The status line is taken away; what log_status() is given meanwhile is drawn by
 * log_status_go_on(). Each pause wants one go_on.
 */
void log_status_pause(void);
void log_status_go_on(void);

/*
 * log_hold - another program draws on the whole terminal: messages are kept, the last 64 KiB
 *
 * log_release() writes them. Where standard error is no terminal, neither does anything.
 */
void log_hold(void);
void log_release(void);

#endif
