/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

static struct {
    enum log_level most;
    bool terminal;
    bool colour;
    struct timespec start;
    char status[256]; /* what stands on the last line now, unless paused; empty: nothing */
    unsigned pauses;
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

/* One write a line, so that lines of other programs on the same terminal do not cut into it. */
static void write_line(const char *head, const char *text)
{
    bool drawn = state.status[0] && state.pauses == 0;

    fprintf(stderr, "%s%s%s\n", drawn ? "\r\x1b[K" : "", head, text);
    if (drawn)
        fputs(state.status, stderr);
    fflush(stderr);
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
    write_line(state.colour ? "\x1b[31merror:\x1b[0m " : "error: ", line);
}

void log_status(const char *line)
{
    struct winsize window;
    size_t width = 79;

    if (!state.terminal)
        return;
    if (!line) {
        if (state.status[0] && state.pauses == 0)
            fputs("\r\x1b[K", stderr);
        state.status[0] = '\0';
        fflush(stderr);
        return;
    }
    /* A line that wraps could not be taken back. */
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1)
        width = (size_t)window.ws_col - 1;
    if (width >= sizeof(state.status))
        width = sizeof(state.status) - 1;
    text_escape(state.status, width + 1, line, strlen(line));
    if (state.pauses > 0)
        return;
    fprintf(stderr, "\r\x1b[K%s", state.status);
    fflush(stderr);
}

void log_status_pause(void)
{
    if (state.pauses++ > 0 || !state.status[0])
        return;
    fputs("\r\x1b[K", stderr);
    fflush(stderr);
}

void log_status_go_on(void)
{
    if (--state.pauses > 0 || !state.status[0])
        return;
    fprintf(stderr, "\r\x1b[K%s", state.status);
    fflush(stderr);
}
