/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/area.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/text.h"

static struct {
    enum log_level most;
    bool terminal;
    bool colour;
    struct timespec start;
    char status[AREA_TEXT_MAX]; /* what stands on the last lines now, unless paused; empty: nothing
                                 */
    struct area area;           /* where that is */
    unsigned pauses;
    bool held;       /* log_hold() */
    struct buf kept; /* what was to be written meanwhile */
    void (*take)(void *data, enum log_level level, const char *line); /* NULL: nobody else does */
    void *data;
} state = {.most = LOG_LEVEL_INFO};

void log_start(enum log_level most)
{
    const char *term = getenv("TERM");

    state.most = most;
    state.terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
    state.colour = state.terminal && !getenv("NO_COLOR");
    clock_gettime(CLOCK_MONOTONIC, &state.start);
}

bool log_enabled(enum log_level level)
{
    return level <= state.most;
}

bool log_is_terminal(void)
{
    return state.terminal;
}

static unsigned seconds_since_start(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned)(now.tv_sec - state.start.tv_sec);
}

/* Of the terminal as it is now. */
static void measure(size_t *columns, size_t *rows)
{
    struct winsize window;
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1;

    *columns = known ? window.ws_col : 80;
    *rows = known && window.ws_row > 1 ? window.ws_row : 24;
}

/* What it takes to have the area away, or there (again), is put into @out. */
static void erase(struct buf *out)
{
    size_t columns, rows;

    measure(&columns, &rows);
    area_erase(&state.area, columns, out);
}

static void draw(struct buf *out)
{
    size_t columns, rows;

    measure(&columns, &rows);
    if (state.pauses == 0 && (state.status[0] || state.area.count > 0))
        area_draw(&state.area, state.status, columns, rows, out);
}

/* In one write, so that lines of other programs on the same terminal do not cut into it. */
static void put_out(struct buf *out)
{
    if (out->length > 0)
        fwrite(buf_bytes(out), 1, out->length, stderr);
    fflush(stderr);
    buf_free(out);
}

#define OUT_MAX (64u << 10)

/* Of what does not fit the oldest lines go. */
static void keep_line(const char *head, const char *text)
{
    while (!buf_printf(&state.kept, "%s%s\n", head, text)) {
        const char *end = memchr(buf_bytes(&state.kept), '\n', state.kept.length);

        if (!end)
            return;
        buf_take(&state.kept, (size_t)(end - (const char *)buf_bytes(&state.kept)) + 1);
    }
}

static void write_line(const char *head, const char *text)
{
    struct buf out;

    if (state.held) {
        keep_line(head, text);
        return;
    }
    buf_init(&out, OUT_MAX);
    erase(&out);
    buf_printf(&out, "%s%s\n", head, text);
    draw(&out);
    put_out(&out);
}

void log_divert(void (*take)(void *data, enum log_level level, const char *line), void *data)
{
    state.take = take;
    state.data = data;
    state.terminal = state.colour = false;
}

static void log_args(enum log_level level, const char *format, va_list args)
{
    static const struct {
        const char *name, *colour;
    } forms[] = {
        [LOG_LEVEL_ERROR] = {"ERRO", "\x1b[31m"}, [LOG_LEVEL_WARNING] = {"WARN", "\x1b[33m"},
        [LOG_LEVEL_INFO] = {"INFO", "\x1b[36m"},  [LOG_LEVEL_DEBUG] = {"DEBU", "\x1b[37m"},
        [LOG_LEVEL_TRACE] = {"TRAC", "\x1b[37m"},
    };
    char raw[2048], text[4096], head[64];

    if (!log_enabled(level))
        return;
    vsnprintf(raw, sizeof(raw), format, args);
    text_escape(text, sizeof(text), raw, strlen(raw));
    if (state.take) {
        state.take(state.data, level, text);
        return;
    }
    snprintf(head, sizeof(head), "%s%s%s[%04u] ", state.colour ? forms[level].colour : "",
             forms[level].name, state.colour ? "\x1b[0m" : "", seconds_since_start());
    write_line(head, text);
}

#define LOG_FUNCTION(name, level)                                                                  \
    void name(const char *format, ...)                                                             \
    {                                                                                              \
        va_list args;                                                                              \
                                                                                                   \
        va_start(args, format);                                                                    \
        log_args(level, format, args);                                                             \
        va_end(args);                                                                              \
    }

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)
LOG_FUNCTION(log_trace, LOG_LEVEL_TRACE)

void log_failure(const struct error *err)
{
    char line[sizeof(err->text) + sizeof(err->remedy) + 16];

    snprintf(line, sizeof(line), "%s%s%s%s", err->text, err->remedy[0] ? " (" : "", err->remedy,
             err->remedy[0] ? ")" : "");
    log_status(NULL);
    if (state.take)
        state.take(state.data, LOG_LEVEL_ERROR, line);
    write_line(state.colour ? "\x1b[31merror:\x1b[0m " : "error: ", line);
}

/* Line by line: what stands in them may be of anybody. */
static void escape_lines(const char *text, char *out, size_t size)
{
    size_t used = 0;

    *out = '\0';
    while (*text && used + 2 < size) {
        size_t length = strcspn(text, "\n");

        if (used > 0)
            out[used++] = '\n';
        text_escape(out + used, size - used, text, length);
        used += strlen(out + used);
        text += length + (text[length] == '\n');
    }
}

static void redraw(void)
{
    struct buf out;

    buf_init(&out, OUT_MAX);
    draw(&out);
    put_out(&out);
}

void log_status(const char *text)
{
    if (!state.terminal)
        return;
    escape_lines(text ? text : "", state.status, sizeof(state.status));
    redraw();
}

void log_status_pause(void)
{
    struct buf out;

    if (state.pauses++ > 0)
        return;
    buf_init(&out, OUT_MAX);
    erase(&out);
    put_out(&out);
}

void log_status_go_on(void)
{
    if (--state.pauses == 0)
        redraw();
}

void log_hold(void)
{
    if (!state.terminal || state.held)
        return;
    log_status_pause();
    state.held = true;
    buf_init(&state.kept, OUT_MAX);
}

void log_release(void)
{
    if (!state.held)
        return;
    state.held = false;
    put_out(&state.kept);
    log_status_go_on();
}

size_t log_columns(void)
{
    size_t columns, rows;

    measure(&columns, &rows);
    return columns;
}

size_t log_lines(void)
{
    size_t columns, rows;

    measure(&columns, &rows);
    return area_lines(rows);
}

void log_plain(const char *text)
{
    char line[1024];

    text_escape(line, sizeof(line), text, strlen(text));
    if (state.take)
        state.take(state.data, LOG_LEVEL_INFO, line);
    else
        write_line("", line);
}
