/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/report.h"

#include <jansson.h>
#include <string.h>

#include "base/error.h"
#include "capture/target.h"
#include "kube/pod.h"

#define INDENT 23 /* where the texts of the table begin */

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
    /* Errors are escaped already; cut to what there is room for. */
    snprintf(obstacle->what, sizeof(obstacle->what), "%.319s", err->text);
    snprintf(obstacle->who, sizeof(obstacle->who), "%.319s", err->remedy);
}

void report_print(FILE *file, const struct method_report *reports, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct method_report *report = &reports[i];

        fprintf(file, "%-10s %-10s", report->name,
                report->failed ? "failed" : verdicts[report->verdict]);
        if (report->count == 0)
            fprintf(file, "%s\n",
                    report->verdict == PREFLIGHT_MAYBE
                        ? "  not everything could be asked: the attempt decides"
                        : "");
        for (size_t k = 0; k < report->count; k++) {
            fprintf(file, "%*s%s\n", k ? INDENT : 2, "", report->obstacles[k].what);
            if (report->obstacles[k].who[0])
                fprintf(file, "%*s-> %s\n", INDENT, "", report->obstacles[k].who);
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

void report_print_json(FILE *file, const struct target *target, const struct method_report *reports,
                       size_t count)
{
    json_t *methods = json_array(), *whole;

    for (size_t i = 0; i < count; i++)
        json_array_append_new(methods, json_pack("{s:s, s:s, s:o}", "name", reports[i].name,
                                                 "verdict", verdicts[reports[i].verdict],
                                                 "obstacles", obstacles_of(&reports[i])));
    whole =
        json_pack("{s:s?, s:s?, s:s?, s:s, s:b, s:o}", "namespace",
                  target->pod ? target->namespace : NULL, "pod", target->pod ? target->name : NULL,
                  "container", target->container ? target->container->name : NULL, "node",
                  target->node_name, "works", report_works(reports, count), "methods", methods);
    json_dumpf(whole, file, JSON_INDENT(2));
    fputc('\n', file);
    json_decref(whole);
}

bool report_works(const struct method_report *reports, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (reports[i].verdict != PREFLIGHT_IMPOSSIBLE)
            return true;
    return false;
}
