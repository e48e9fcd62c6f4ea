/* SPDX-License-Identifier: Apache-2.0 */
#include "extcap/answers.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "extcap/lists.h"
#include "extcap/memory.h"
#include "extcap/toolbar.h"
#include "kube/name.h"
#include "settings/filter.h"
#include "settings/filter_names.h"

/* What a part of a sentence may hold: a brace would end it, and what is no text is not shown. */
static bool is_printable(const char *text)
{
    for (const char *c = text; *c; c++)
        if (*c == '{' || *c == '}' || (unsigned char)*c < ' ' || *c == 0x7f)
            return false;
    return true;
}

static void print_part(FILE *out, const char *name, const char *text)
{
    fprintf(out, "{%s=", name);
    for (const char *c = text; *c; c++) {
        bool plain = *c != '{' && *c != '}' && (unsigned char)*c >= ' ' && *c != 0x7f;

        /* Wireshark takes a backslash for the beginning of an escape. */
        if (*c == '\\')
            fputs("\\\\", out);
        else
            fputc(plain ? *c : '?', out);
    }
    fputc('}', out);
}

/* ---- interfaces ---- */

static void print_interface(FILE *out, const char *name, const char *display)
{
    fprintf(out, "interface ");
    print_part(out, "value", name);
    print_part(out, "display", display);
    fputc('\n', out);
}

static void print_about(FILE *out)
{
    fprintf(out, "extcap {version=%s}{display=Kubernetes pods}\n", KSNIFF_VERSION);
}

/* Quick: Wireshark waits for it when it starts, and so for the configuration of each of them. */
static void print_interfaces(FILE *out)
{
    json_t *memory = memory_load(), *each;
    size_t i;

    print_about(out);
    print_interface(out, EXTCAP_INTERFACE_NAME, "Kubernetes");
    json_array_foreach(memory_recent(memory), i, each)
    {
        const char *name = json_string_value(json_object_get(each, "name"));
        const char *display = json_string_value(json_object_get(each, "display"));

        if (name && display && i < MEMORY_RECENT)
            print_interface(out, name, display);
    }
    toolbar_print(out);
    json_decref(memory);
}

/* ---- the dialog ---- */

static void print_value(FILE *out, size_t number, const char *value, const char *display,
                        bool chosen)
{
    fprintf(out, "value {arg=%zu}", number);
    print_part(out, "value", value);
    print_part(out, "display", display);
    fprintf(out, "{default=%s}\n", chosen ? "true" : "false");
}

/* What stands for nothing chosen. */
static const char *nothing(enum extcap_setting setting, const char *current)
{
    static char text[300];

    switch (setting) {
    case EXTCAP_POD:
        return "(choose one: load pods)";
    case EXTCAP_NAMESPACE:
        return "(the context's own)";
    case EXTCAP_CONTEXT:
        snprintf(text, sizeof(text), "(the current one: %.200s)", current ? current : "none");
        return text;
    case EXTCAP_LOG_LEVEL:
        return "(warnings and errors)";
    default:
        return "(automatic)";
    }
}

static bool has(const json_t *names, const char *name)
{
    size_t i;
    json_t *each;

    json_array_foreach(names, i, each)
    {
        if (json_string_value(each) && strcmp(json_string_value(each), name) == 0)
            return true;
    }
    return false;
}

/* @names: what there is; what is chosen stands there in any case */
static void print_names(FILE *out, enum extcap_setting setting, const json_t *names,
                        const char *chosen, const char *none)
{
    size_t i;
    json_t *each;

    print_value(out, setting, "", none, !*chosen);
    if (*chosen && is_printable(chosen) && !has(names, chosen) &&
        (setting != EXTCAP_POD || kube_name_is_subdomain(chosen) || strchr(chosen, '/')))
        print_value(out, setting, chosen, chosen, true);
    if (setting == EXTCAP_POD) {
        print_value(out, setting, EXTCAP_POD_BELOW, "(those that are named below)",
                    strcmp(chosen, EXTCAP_POD_BELOW) == 0);
        print_value(out, setting, "*", "(all pods of the namespace)", strcmp(chosen, "*") == 0);
    }
    json_array_foreach(names, i, each)
    {
        const char *name = json_string_value(each);

        if (name && *name && is_printable(name))
            print_value(out, setting, name, name, strcmp(name, chosen) == 0);
    }
}

static void print_choices(FILE *out, enum extcap_setting setting, const char *chosen)
{
    const char *const(*choice)[2] = extcap_rows[setting].choices;

    print_value(out, setting, "", nothing(setting, NULL), !*chosen);
    for (; (*choice)[0]; choice++)
        print_value(out, setting, (*choice)[0], (*choice)[1], strcmp((*choice)[0], chosen) == 0);
}

static void print_selector(FILE *out, const struct extcap_request *request, const json_t *memory,
                           enum extcap_setting setting)
{
    const char *chosen = extcap_value(request, setting);

    if (extcap_rows[setting].choices) {
        print_choices(out, setting, chosen);
    } else if (setting == EXTCAP_CONTEXT) {
        cleanup_free char *current = NULL;
        json_t *contexts = lists_contexts(extcap_value(request, EXTCAP_KUBECONFIG), &current);

        print_names(out, setting, contexts, chosen, nothing(setting, current));
        json_decref(contexts);
    } else {
        print_names(out, setting, memory_list(memory, request, setting), chosen,
                    nothing(setting, NULL));
    }
}

static void print_argument(FILE *out, enum extcap_setting setting, const char *value)
{
    const struct extcap_row *row = &extcap_rows[setting];

    fprintf(out, "arg {number=%d}{call=--%s}{display=%s}{tooltip=%s}{type=%s}{group=%s}%s", setting,
            row->name, row->display, row->tooltip, row->type, row->group, row->more);
    if (strcmp(row->type, "selector") != 0 && *value)
        print_part(out, "default", value);
    fputc('\n', out);
}

/* Nothing is asked of the cluster: Wireshark wants this of each interface when it starts. */
static void print_config(const struct extcap_request *asked, FILE *out)
{
    struct extcap_request request = *asked;
    json_t *memory = memory_load();

    memory_fill(memory, &request);
    for (size_t i = 0; i < EXTCAP_SETTINGS; i++)
        print_argument(out, (enum extcap_setting)i, extcap_value(&request, (enum extcap_setting)i));
    for (size_t i = 0; i < EXTCAP_SETTINGS; i++)
        if (strcmp(extcap_rows[i].type, "selector") == 0)
            print_selector(out, &request, memory, (enum extcap_setting)i);
    json_decref(memory);
}

/* What was listed last, and why there is nothing newer. */
static void print_failure(FILE *out, const struct extcap_request *request, const json_t *memory,
                          const struct error *err)
{
    const enum extcap_setting setting = request->reload;
    cleanup_free char *why = text_format(*err->remedy ? "%s (%s)" : "%s", err->text, err->remedy);

    print_names(out, setting, memory_list(memory, request, setting), extcap_value(request, setting),
                why ? why : err->text);
}

/* Asks the cluster. */
static void print_newest(FILE *out, const struct extcap_request *request, json_t *memory)
{
    const enum extcap_setting setting = request->reload;
    struct error err = {0};
    json_t *names = NULL;
    bool more = false;

    if (lists_ask(request, setting, &names, &more, &err) < 0) {
        print_failure(out, request, memory, &err);
        return;
    }
    memory_put_list(memory, request, setting, names);
    memory_save(memory);
    print_names(out, setting, names, extcap_value(request, setting), nothing(setting, NULL));
    if (more)
        print_value(out, setting, "", "(there are more: name another in More targets)", false);
    json_decref(names);
}

static void print_reload(const struct extcap_request *asked, FILE *out)
{
    struct extcap_request request = *asked;
    json_t *memory = memory_load();

    memory_fill(memory, &request);
    if (request.reload == EXTCAP_CONTEXT)
        print_selector(out, &request, memory, EXTCAP_CONTEXT);
    else
        print_newest(out, &request, memory);
    json_decref(memory);
}

/* ---- the filter, as one types ---- */

static void print_judgement(const struct extcap_request *request, FILE *out)
{
    cleanup_free char *masked = NULL;
    struct filter filter = {0};
    struct error err = {0};

    if (filter_names_mask(request->capture_filter, &masked, &err) < 0 ||
        (masked ? filter_check(masked, request->capture_filter, AGENT_SNAPLEN_MAX, &err)
                : filter_compile(request->capture_filter, AGENT_SNAPLEN_MAX, &filter, &err)) < 0)
        fprintf(out, "%s\n", err.text);
    filter_free(&filter);
}

int extcap_answer(const struct extcap_request *request, FILE *out, struct error *err)
{
    switch (request->action) {
    case EXTCAP_INTERFACES:
        print_interfaces(out);
        break;
    case EXTCAP_DLTS: /* of other devices the section says which they are */
        fprintf(out, "dlt {number=1}{name=EN10MB}{display=Ethernet}\n");
        break;
    case EXTCAP_CONFIG:
        print_config(request, out);
        break;
    case EXTCAP_RELOAD:
        print_reload(request, out);
        break;
    case EXTCAP_JUDGE:
        print_judgement(request, out);
        break;
    case EXTCAP_CLEANUP: /* an agent whose client was killed ends by itself */
        break;
    default:
        print_about(out);
    }
    return fflush(out) == 0 ? 0 : error_set(err, ERROR_OUTPUT, "cannot write the answer");
}
