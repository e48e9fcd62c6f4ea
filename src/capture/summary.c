/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define PART_MAX  160
#define PARTS_MAX 10
#define NAME_MOST 48 /* columns of a target's name in the live lines */

/* "2:05", "1:02:05" */
static void format_time(uint64_t milliseconds, char *out, size_t size)
{
    uint64_t seconds = milliseconds / 1000;

    if (seconds < 3600)
        snprintf(out, size, "%" PRIu64 ":%02" PRIu64, seconds / 60, seconds % 60);
    else
        snprintf(out, size, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, seconds / 3600,
                 seconds / 60 % 60, seconds % 60);
}

/* "shop/web", "node/node1" */
static void format_name(const struct summary_row *row, char *out, size_t size)
{
    snprintf(out, size, "%s/%s", row->pod ? row->namespace : "node",
             row->pod ? row->pod : row->node);
}

/* ---- live ---- */

/* What stands on the live line, in this order; `worth` decides what goes first where it is long. */
struct part {
    char text[PART_MAX];
    unsigned worth;
};

struct line {
    struct part parts[PARTS_MAX];
    size_t count;
};

static void add(struct line *line, unsigned worth, const char *text)
{
    if (!*text || line->count == PARTS_MAX)
        return;
    snprintf(line->parts[line->count].text, PART_MAX, "%s", text);
    line->parts[line->count++].worth = worth;
}

/* "3 dropped (2 kernel, 1 pipe)": in all, and where. */
static void format_dropped(const struct summary_row *row, char *out, size_t size)
{
    uint64_t sum = row->dropped + row->lost;

    if (row->dropped && row->lost)
        snprintf(out, size, "%" PRIu64 " dropped (%" PRIu64 " kernel, %" PRIu64 " pipe)", sum,
                 row->dropped, row->lost);
    else
        snprintf(out, size, "%" PRIu64 " dropped%s", sum,
                 row->dropped ? " (kernel)"
                 : row->lost  ? " (pipe)"
                              : "");
}

static void add_times(const struct summary *summary, struct line *line)
{
    char time[32], text[64];

    format_time(summary->elapsed, time, sizeof(time));
    add(line, 2, time);
    if (summary->left == UINT64_MAX)
        return;
    /* Rounded up: it ends when nothing is left. */
    format_time(summary->left + 999, time, sizeof(time));
    snprintf(text, sizeof(text), "%s left", time);
    add(line, 3, text);
}

static void add_numbers(const struct summary *summary, struct line *line)
{
    const struct summary_row *total = &summary->total;
    char bytes[32], text[PART_MAX];

    snprintf(text, sizeof(text), "%" PRIu64 " packet%s", total->packets,
             total->packets == 1 ? "" : "s");
    add(line, 9, text);
    add(line, 4, text_format_bytes(bytes, sizeof(bytes), total->bytes));
    snprintf(text, sizeof(text), "%s/s", text_format_bytes(bytes, sizeof(bytes), summary->rate));
    add(line, 5, text);
    format_dropped(total, text, sizeof(text));
    add(line, 8, text);
    if (total->late) {
        snprintf(text, sizeof(text), "%" PRIu64 " late", total->late);
        add(line, 6, text);
    }
}

static size_t length_of(const struct line *line)
{
    size_t length = 0;

    for (size_t i = 0; i < line->count; i++)
        length += strlen(line->parts[i].text) + 2;
    return length ? length - 2 : 0;
}

/* Leaves out what is worth least until the rest fits. */
static void shorten(struct line *line, size_t columns)
{
    while (line->count > 1 && length_of(line) >= columns) {
        size_t least = 0;

        for (size_t i = 1; i < line->count; i++)
            if (line->parts[i].worth < line->parts[least].worth)
                least = i;
        memmove(&line->parts[least], &line->parts[least + 1],
                (--line->count - least) * sizeof(struct part));
    }
}

static void put_line(const struct line *line, struct buf *out)
{
    for (size_t i = 0; i < line->count; i++)
        buf_printf(out, "%s%s", i ? ", " : "", line->parts[i].text);
}

static void put_row(const struct summary_row *row, size_t width, struct buf *out)
{
    char name[320], bytes[32], dropped[PART_MAX];

    format_name(row, name, sizeof(name));
    format_dropped(row, dropped, sizeof(dropped));
    buf_printf(out, "\n  %-*.*s  %-11s %10" PRIu64 "  %9s  %s", (int)width, (int)width, name,
               row->state, row->packets, text_format_bytes(bytes, sizeof(bytes), row->bytes),
               dropped);
}

static size_t widest_name(const struct summary *summary, size_t most)
{
    size_t width = 0;

    for (size_t i = 0; i < summary->count; i++) {
        char name[320];

        format_name(&summary->rows[i], name, sizeof(name));
        width = strlen(name) > width ? strlen(name) : width;
    }
    return width < most ? width : most;
}

/* Return: how many of @lines are left. */
static size_t put_rows(const struct summary *summary, bool ended, size_t width, size_t lines,
                       struct buf *out)
{
    for (size_t i = 0; i < summary->count && lines > 0; i++) {
        const struct summary_row *row = &summary->rows[i];

        if (row->gone || row->ended != ended)
            continue;
        put_row(row, width, out);
        lines--;
    }
    return lines;
}

static void put_each(const struct summary *summary, size_t lines, struct buf *out)
{
    size_t width = widest_name(summary, NAME_MOST);
    size_t shown = summary->present > lines ? lines - 1 : lines;
    size_t left = put_rows(summary, false, width, shown, out);

    put_rows(summary, true, width, left, out);
    if (summary->present > lines)
        buf_printf(out, "\n  ... and %zu more", summary->present - shown);
}

void summary_live(const struct summary *summary, size_t columns, size_t lines, struct buf *out)
{
    struct line line = {0};
    char text[PART_MAX];

    if (summary->count != 1) {
        snprintf(text, sizeof(text), "%zu of %zu targets", summary->up, summary->present);
        add(&line, 7, text);
    }
    add_numbers(summary, &line);
    add_times(summary, &line);
    add(&line, 8, summary->note);
    shorten(&line, columns);
    put_line(&line, out);
    if (lines > 0)
        put_each(summary, lines, out);
}

/* ---- the table ---- */

/* "+12.3 ms ±0.2 ms", in ASCII as terminals of any kind show it */
static void format_clock(const struct summary_row *row, char *out, size_t size)
{
    if (!row->clock_known)
        snprintf(out, size, "-");
    else
        snprintf(out, size, "%+.2f ms +-%.2f", (double)row->clock_offset / 1e6,
                 (double)row->clock_bound / 1e6);
}

static void format_gaps(const struct summary_row *row, char *out, size_t size)
{
    if (row->cuts == 0)
        snprintf(out, size, "-");
    else
        snprintf(out, size, "%u, %" PRIu64 ".%" PRIu64 " s", row->cuts, row->gap / 1000,
                 row->gap % 1000 / 100);
}

static void put_table_row(const struct summary_row *row, size_t name_width, size_t node_width,
                          struct buf *out)
{
    char name[320], bytes[32], clock[64], gaps[64];

    format_name(row, name, sizeof(name));
    format_clock(row, clock, sizeof(clock));
    format_gaps(row, gaps, sizeof(gaps));
    buf_printf(out, "%-*s  %-*s  %-9s  %10" PRIu64 "  %9s  %8" PRIu64 "  %-10s  %s%s%s\n",
               (int)name_width, name, (int)node_width, *row->node ? row->node : "-",
               row->method ? row->method : "-", row->packets,
               text_format_bytes(bytes, sizeof(bytes), row->bytes), row->dropped + row->lost, gaps,
               clock, row->error ? "  " : "", row->error ? row->error : "");
}

void summary_table(const struct summary *summary, struct buf *out)
{
    size_t name_width = widest_name(summary, 300), node_width = strlen("NODE");

    name_width = name_width > strlen("TARGET") ? name_width : strlen("TARGET");
    for (size_t i = 0; i < summary->count; i++)
        if (strlen(summary->rows[i].node) > node_width)
            node_width = strlen(summary->rows[i].node);
    buf_printf(out, "%-*s  %-*s  %-9s  %10s  %9s  %8s  %-10s  %s\n", (int)name_width, "TARGET",
               (int)node_width, "NODE", "METHOD", "PACKETS", "BYTES", "DROPPED", "GAPS", "CLOCK");
    for (size_t i = 0; i < summary->count; i++)
        put_table_row(&summary->rows[i], name_width, node_width, out);
}

/* ---- in a line, and what would help ---- */

const char *summary_totals(const struct summary *summary, const char *lost, char *out, size_t size)
{
    const struct summary_row *total = &summary->total;
    char bytes[32], late[40] = "";

    if (total->late)
        snprintf(late, sizeof(late), ", %" PRIu64 " late", total->late);
    snprintf(out, size, "%" PRIu64 " packet%s captured, %s, %" PRIu64 " dropped%s%s%s%s",
             total->packets, total->packets == 1 ? "" : "s",
             text_format_bytes(bytes, sizeof(bytes), total->bytes), total->dropped,
             *lost ? ", " : "", lost, *lost ? " lost on the way" : "", late);
    return out;
}

const char *summary_help(const struct summary *summary, char *out, size_t size)
{
    const struct summary_row *total = &summary->total;

    *out = '\0';
    if (total->dropped)
        snprintf(out, size,
                 "%" PRIu64 " packet%s dropped before the agent could take %s: raise "
                 "--buffer-size, or narrow the capture with -f, --snaplen or --headers-only",
                 total->dropped, total->dropped == 1 ? " was" : "s were",
                 total->dropped == 1 ? "it" : "them");
    else if (total->late)
        snprintf(
            out, size, "%" PRIu64 " packet%s too late for %s place in time: raise --reorder-window",
            total->late, total->late == 1 ? " came" : "s came", total->late == 1 ? "its" : "their");
    return out;
}

/* ---- for programs ---- */

/* As Kubernetes writes times. Return: NULL for none. */
static json_t *json_time(uint64_t seconds)
{
    char text[32];

    return seconds ? json_string(text_format_time(text, sizeof(text), (int64_t)seconds))
                   : json_null();
}

static json_t *json_text(const char *text)
{
    char escaped[1024];

    if (!text || !*text)
        return json_null();
    json_t *string = json_string(text);
    if (string)
        return string;
    text_escape(escaped, sizeof(escaped), text, strlen(text)); /* it is no UTF-8 */
    return json_string(escaped);
}

static json_t *json_numbers(const struct summary_row *row)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:I}", "packets",
                     (json_int_t)row->packets, "bytes", (json_int_t)row->bytes, "capturedBytes",
                     (json_int_t)row->kept, "dropped", (json_int_t)row->dropped, "lost",
                     (json_int_t)row->lost, "late", (json_int_t)row->late, "duplicates",
                     (json_int_t)row->duplicates, "cuts", (int)row->cuts, "gapMilliseconds",
                     (json_int_t)row->gap);
}

static json_t *json_clock(const struct summary_row *row)
{
    if (!row->clock_known)
        return json_null();
    return json_pack("{s:I, s:I}", "offsetNanoseconds", (json_int_t)row->clock_offset,
                     "boundNanoseconds", (json_int_t)row->clock_bound);
}

static json_t *json_row(const struct summary_row *row)
{
    json_t *object = json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o, s:o}", "namespace",
                               json_text(row->namespace), "pod", json_text(row->pod), "container",
                               json_text(row->container), "node", json_text(row->node), "method",
                               json_text(row->method), "captured", row->captured, "gone", row->gone,
                               "clock", json_clock(row), "error", json_text(row->error));
    json_t *numbers = json_numbers(row);

    if (object && numbers)
        json_object_update(object, numbers);
    json_decref(numbers);
    return object;
}

json_t *summary_json(const struct summary *summary)
{
    json_t *targets = json_array(), *numbers = json_numbers(&summary->total);
    json_t *object =
        json_pack("{s:s, s:o, s:o, s:o, s:o, s:i, s:o}", "version", "kubectl-sniff " KSNIFF_VERSION,
                  "context", json_text(summary->context), "started", json_time(summary->started),
                  "ended", json_time(summary->ended), "output", json_text(summary->output),
                  "exitCode", summary->exit_code, "error", json_text(summary->error));

    for (size_t i = 0; i < summary->count; i++)
        json_array_append_new(targets, json_row(&summary->rows[i]));
    if (object && numbers)
        json_object_update(object, numbers);
    json_decref(numbers);
    if (!object || json_object_set_new(object, "targets", targets) < 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}
