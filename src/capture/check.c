/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/check.h"

#include <stdio.h>
#include <string.h>

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

/* One at a time. */
static int resolve(struct kube_client *client, const struct settings *settings,
                   struct target *ret_target, struct error *err)
{
    struct target_set set;
    int result = targets_find(client, settings, &set, err);

    if (result < 0)
        return -1;
    if (set.count == 1) {
        *ret_target = *set.targets[0];
        *set.targets[0] = (struct target){0};
    } else {
        error_set(err, ERROR_TARGET, "%zu targets are found, and --check judges one at a time",
                  set.count);
        result = -1;
    }
    target_set_free(&set);
    return result;
}

int capture_check(struct kube_client *client, const struct settings *settings, bool json,
                  struct error *err)
{
    struct method_report reports[METHOD_COUNT] = {0};
    struct target target;
    struct facts *facts = facts_new(client);
    struct preflight preflight = {.facts = facts, .settings = settings, .target = &target};

    if (!facts)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (resolve(client, settings, &target, err) < 0) {
        if (json && err->kind != ERROR_INTERRUPTED)
            report_print_json_refusal(stdout, settings, err);
        facts_free(facts);
        return -1;
    }
    /* All at once here: nobody waits for the first packet. */
    int count = preflight_gather_node(&preflight, err);
    if (count == 0)
        count = judge_methods(&preflight, reports, err);
    if (count >= 0 && json)
        report_print_json(stdout, &target, reports, (size_t)count);
    else if (count >= 0)
        report_print(stdout, reports, (size_t)count);
    target_free(&target);
    facts_free(facts);
    return count < 0 ? -1 : report_works(reports, (size_t)count) ? 0 : 1;
}
