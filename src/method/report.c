/* SPDX-License-Identifier: Apache-2.0 */
#include "method/report.h"

#include <string.h>

#include "base/error.h"
#include "base/json_print.h"
#include "base/text.h"
#include "settings/settings.h"
#include "target/target.h"
#include "kube/pod.h"

#define INDENT 23  /* where the texts of the table begin */
#define WIDTH  100 /* columns of the table */

static const char *const verdicts[] = {[PREFLIGHT_POSSIBLE] = "possible",
                                       [PREFLIGHT_MAYBE] = "maybe",
                                       [PREFLIGHT_IMPOSSIBLE] = "impossible"};

void report_add_failure(struct method_report *report, const struct error *err)
{
    report->failed = true;
    report->verdict = PREFLIGHT_IMPOSSIBLE;
    if (report->count == REPORT_OBSTACLES_MAX)
        return;
    struct obstacle *obstacle = &report->obstacles[report->count++];
    /* Errors are escaped already: this only cuts, at a whole character. */
    text_escape(obstacle->what, sizeof(obstacle->what), err->text, strlen(err->text));
    text_escape(obstacle->who, sizeof(obstacle->who), err->remedy, strlen(err->remedy));
}

/* Return: how many bytes of @text, which begins with a word, fit into so many columns; at least
 * that word. */
static size_t fitting(const char *text, size_t width)
{
    size_t best = 0, columns = 0;

    for (size_t i = 0; best == 0 || columns <= width; i++) {
        if ((!text[i] || text[i] == ' ') && text[i - 1] != ' ')
            best = i;
        if (!text[i])
            break;
        columns += ((unsigned char)text[i] & 0xc0) != 0x80;
    }
    return best;
}

/* Writes @text behind @mark, broken between words. @column: where the file's line is */
static void print_text(FILE *file, size_t column, const char *mark, const char *text)
{
    size_t indent = INDENT + strlen(mark);

    fprintf(file, "%*s%s", (int)(INDENT - column), "", mark);
    text += strspn(text, " ");
    if (!*text)
        fputc('\n', file);
    while (*text) {
        size_t length = fitting(text, WIDTH - indent);

        fprintf(file, "%.*s\n", (int)length, text);
        text += length;
        text += strspn(text, " ");
        if (*text)
            fprintf(file, "%*s", (int)indent, "");
    }
}

/* Can the same people change the next obstacle, in the same way? They are named once, below it. */
static bool next_is_the_same(const struct method_report *report, size_t k)
{
    return k + 1 < report->count &&
           strcmp(report->obstacles[k].who, report->obstacles[k + 1].who) == 0;
}

void report_print(FILE *file, const struct method_report *reports, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct method_report *report = &reports[i];

        int column = fprintf(file, "%-10s %s", report->name,
                             report->failed ? "failed" : verdicts[report->verdict]);

        if (report->count == 0 && report->verdict == PREFLIGHT_MAYBE)
            print_text(file, (size_t)column, "", "not all is known: the attempt decides");
        else if (report->count == 0)
            fputc('\n', file);
        for (size_t k = 0; k < report->count; k++) {
            print_text(file, k ? 0 : (size_t)column, "", report->obstacles[k].what);
            if (report->obstacles[k].who[0] && !next_is_the_same(report, k))
                print_text(file, 0, "-> ", report->obstacles[k].who);
        }
    }
}

static json_t *obstacles_of(const struct method_report *report)
{
    json_t *list = json_array();

    for (size_t i = 0; i < report->count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s}", "what", report->obstacles[i].what,
                                              "who", report->obstacles[i].who));
    return list;
}

json_t *report_json(const struct target *target, const struct method_report *reports, size_t count)
{
    json_t *methods = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(methods, json_pack("{s:s, s:s, s:o}", "name", reports[i].name,
                                                 "verdict", verdicts[reports[i].verdict],
                                                 "obstacles", obstacles_of(&reports[i])));
    return json_pack("{s:s?, s:s?, s:s?, s:s, s:b, s:o}", "namespace",
                     target->pod ? target->namespace : NULL, "pod",
                     target->pod ? target->name : NULL, "container",
                     target->container ? target->container->name : NULL, "node", target->node_name,
                     "works", report_works(reports, count), "methods", methods);
}

void report_print_json(FILE *file, const json_t *json)
{
    json_print(file, json);
}

void report_print_json_refusal(FILE *file, const struct settings *settings, const struct error *err)
{
    json_t *whole = json_pack("{s:s?, s:s?, s:s?, s:s?, s:b, s:[], s:s, s:s?}", "namespace",
                              settings->pod ? settings->namespace : NULL, "pod", settings->pod,
                              "container", settings->container, "node",
                              settings->pod ? NULL : settings->node, "works", false, "methods",
                              "error", err->text, "remedy", err->remedy[0] ? err->remedy : NULL);

    report_print_json(file, whole);
    json_decref(whole);
}

bool report_works(const struct method_report *reports, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (reports[i].verdict != PREFLIGHT_IMPOSSIBLE)
            return true;
    return false;
}

int report_refuse(const struct method_report *only, const struct target *target, const char *verb,
                  const char *more, struct error *err)
{
    char whats[ERROR_TEXT_MAX] = "";

    for (size_t i = 0; i < only->count && i < 8; i++) {
        size_t used = strlen(whats);

        snprintf(whats + used, sizeof(whats) - used, "%s%s", i ? "; " : "",
                 only->obstacles[i].what);
    }
    error_set(err, ERROR_TARGET, "the %s method cannot %s %s: %s", only->name, verb, target->label,
              whats);
    return only->count
               ? error_remedy(err, "who can change it: %s; %s", only->obstacles[0].who, more)
               : -1;
}
