/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/choice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "kube/node.h"
#include "method/method.h"
#include "method/session.h"
#include "settings/settings.h"
#include "target/target.h"

struct choice *choice_new(struct facts *facts, const struct settings *settings,
                          struct target *target, bool several)
{
    struct choice *choice = calloc(1, sizeof(*choice));

    if (choice) {
        choice->settings = settings;
        choice->target = target;
        choice->several = several;
        choice->preflight =
            (struct preflight){.facts = facts, .settings = settings, .target = target};
    }
    return choice;
}

void choice_free(struct choice *choice)
{
    if (choice)
        preflight_end(&choice->preflight);
    free(choice);
}

static void add_reason(struct choice *choice, const char *method, const char *why)
{
    size_t used = strlen(choice->reasons);

    snprintf(choice->reasons + used, sizeof(choice->reasons) - used, "%s%s: %.319s",
             used ? "; " : "", method, why);
}

/* ---- none is left ---- */

static int nothing_left(const struct choice *choice, struct error *err)
{
    if (choice->refusals > 1 && choice->refusals == choice->count) {
        *err = choice->refusal;
        return -1;
    }
    if (choice->settings->method)
        return report_refuse(&choice->reports[0], choice->target, "capture",
                             "without --method or -p the others are tried", err);
    if (choice->several) {
        error_set(err, ERROR_TARGET, "no method can capture %s: %s", choice->target->label,
                  choice->reasons);
        return error_remedy(err, "--check says what stands in the way, and who could change it");
    }
    report_print(stderr, choice->reports, choice->count);
    error_set(err, ERROR_TARGET, "no method can capture %s", choice->target->label);
    return error_remedy(err, "the table says what stands in the way, and who could change it");
}

/* ---- the next ---- */

/* Return: is nothing known that makes the method impossible? */
static bool judge(struct choice *choice, int at, struct method_report *report)
{
    report->name = preflight_method_name(at);
    report->verdict = preflight_judge(&choice->preflight, at, report->obstacles,
                                      REPORT_OBSTACLES_MAX, &report->count);
    if (report->verdict != PREFLIGHT_IMPOSSIBLE)
        return true;
    add_reason(choice, report->name, report->obstacles[0].what);
    return false;
}

static void tell(const struct choice *choice, const char *name)
{
    if (choice->again)
        log_debug("%s: using the %s method", choice->target->label, name);
    else if (*choice->reasons && choice->several)
        log_info("%s: using the %s method (%s)", choice->target->label, name, choice->reasons);
    else if (*choice->reasons)
        log_info("using the %s method (%s)", name, choice->reasons);
}

static void on_known(void *data)
{
    struct choice *choice = data;

    choice->known = true;
}

/* Asks for what the next method needs. Return: false when there is none left. */
static bool ask_for_next(struct choice *choice)
{
    const struct method *only = choice->settings->method;

    while (choice->next < METHOD_COUNT && choice->refusals < 2) {
        choice->at = choice->next++;
        if (only && only != method_find(preflight_method_name(choice->at)))
            continue;
        choice->asked = true;
        choice->known = false;
        preflight_ask(&choice->preflight, choice->at, on_known, choice);
        return true;
    }
    return false;
}

enum choice_answer choice_next(struct choice *choice, const struct method **ret_method,
                               struct error *err)
{
    while (choice->asked || ask_for_next(choice)) {
        if (!choice->known)
            return CHOICE_ASKING;
        choice->asked = false;
        if (!judge(choice, choice->at, &choice->reports[choice->count++]))
            continue;
        *ret_method = method_find(preflight_method_name(choice->at));
        tell(choice, (*ret_method)->name);
        choice->target->may_ask_for_capabilities =
            preflight_may_add_capabilities(&choice->preflight);
        return CHOICE_FOUND;
    }
    nothing_left(choice, err);
    return CHOICE_NONE;
}

/* ---- what an attempt tells ---- */

static void learn_of_node(const struct choice *choice, struct error *err)
{
    const struct error said = *err;
    const struct target *target = choice->target;
    const struct kube_node *node = target->node;

    if (node && node->virtual)
        error_set(err, ERROR_TARGET, "%s runs on a virtual kubelet, node \"%s\": %s", target->label,
                  node->name, said.text);
    if (node && strcmp(node->os, "windows") == 0)
        error_set(err, ERROR_TARGET,
                  "%s runs on node \"%s\", which runs Windows and has no AF_PACKET", target->label,
                  node->name);
}

static void learn_from_session(struct choice *choice, const struct session *session)
{
    struct target *target = choice->target;

    target->has_shell |= session->has_shell;
    target->exec_works |= session->exec_works;
    if (session->refused && choice->refusals++ == 0)
        choice->refusal = session->error;
    target->exec_refused = choice->refusals > 0;
}

bool choice_failed(struct choice *choice, const struct session *session, struct error *err)
{
    if (session)
        learn_from_session(choice, session);
    if (err->kind == ERROR_FORBIDDEN && strstr(err->remedy, " pods/exec"))
        preflight_refuse_exec(&choice->preflight, choice->at);
    struct error interrupted;
    /* That is waited for: others of the same run are not to be held up by it. */
    if (err->kind == ERROR_SERVER &&
        (choice->several || preflight_gather_node(&choice->preflight, &interrupted) == 0))
        learn_of_node(choice, err);
    if (!session || !session->elsewhere || choice->settings->method)
        return false;
    struct method_report *report = &choice->reports[choice->count - 1];
    report_add_failure(report, err);
    add_reason(choice, report->name, err->text);
    return true;
}
