/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/check.h"

#include <jansson.h>
#include <stdio.h>

#include "base/error.h"
#include "method/facts.h"
#include "method/method.h"
#include "method/preflight.h"
#include "method/report.h"
#include "settings/settings.h"
#include "target/find.h"

/* Judges each method that is not ruled out by the settings. Return: how many, or -1. */
static int judge_methods(struct preflight *preflight, struct method_report *reports,
                         struct error *err)
{
    const struct method *only = preflight->settings->method;
    int count = 0;

    for (int method = 0; method < METHOD_COUNT; method++) {
        struct method_report *report = &reports[count];

        report->name = preflight_method_name(method);
        if (only && only != method_find(report->name))
            continue;
        if (preflight_gather(preflight, method, err) < 0)
            return -1;
        report->verdict = preflight_judge(preflight, method, report->obstacles,
                                          REPORT_OBSTACLES_MAX, &report->count);
        count++;
    }
    return count;
}

/* Judges a target, and prints that, or adds it to @list, which is JSON. Return: can some method
 * capture it, or may? -1 with the error. */
static int check_target(struct facts *facts, const struct settings *settings, struct target *target,
                        bool several, json_t *list, struct error *err)
{
    struct method_report reports[METHOD_COUNT] = {0};
    struct preflight preflight = {.facts = facts, .settings = settings, .target = target};

    /* All at once here: nobody waits for the first packet. */
    if (preflight_gather_node(&preflight, err) < 0)
        return -1;
    int count = judge_methods(&preflight, reports, err);
    if (count < 0)
        return -1;
    if (list)
        json_array_append_new(list, report_json(target, reports, (size_t)count));
    else if (several)
        printf("%s:\n", target->label);
    if (!list)
        report_print(stdout, reports, (size_t)count);
    return report_works(reports, (size_t)count);
}

static int check_targets(struct facts *facts, const struct settings *settings,
                         const struct target_set *set, json_t *list, struct error *err)
{
    int works = 1;

    for (size_t i = 0; i < set->count && works >= 0; i++) {
        int one = set->targets[i]
                      ? check_target(facts, settings, set->targets[i], set->count > 1, list, err)
                      : 1;

        works = one < 0 ? -1 : works && one;
    }
    return works;
}

/* A single target is an object, as is one that is refused; several are an array of such. */
static void print_list(const json_t *list)
{
    report_print_json(stdout, json_array_size(list) == 1 ? json_array_get(list, 0) : list);
}

int capture_check(struct kube_client *client, const struct settings *settings, bool json,
                  struct error *err)
{
    struct target_set set = {0};
    struct facts *facts = facts_new(client);
    json_t *list = json ? json_array() : NULL;
    int works = -1;

    if (!facts || (json && !list))
        error_set(err, ERROR_INTERNAL, "out of memory");
    else if (targets_find(client, settings, &set, err) == 0)
        works = check_targets(facts, settings, &set, list, err);
    else if (json && err->kind != ERROR_INTERRUPTED)
        report_print_json_refusal(stdout, settings, err);
    if (works >= 0 && json)
        print_list(list);
    json_decref(list);
    target_set_free(&set);
    facts_free(facts);
    return works < 0 ? -1 : !works;
}
