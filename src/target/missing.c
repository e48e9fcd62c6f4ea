/* SPDX-License-Identifier: Apache-2.0 */
#include "target/missing.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "settings/settings.h"
#include "target/nearest.h"
#include "target/selector.h"
#include "target/source.h"

/* "in namespace "shop"", "in any namespace" */
static void say_where(const struct source *source, char *out, size_t size)
{
    if (source->namespace)
        snprintf(out, size, "in namespace \"%s\"", source->namespace);
    else
        snprintf(out, size, "in any namespace");
}

/* What was asked for besides, where that may be why nothing is found. */
static void say_fields(const struct source *source, char *out, size_t size)
{
    const char *fields = source->context->settings->field_selector;

    *out = '\0';
    if (fields)
        snprintf(out, size, " with the fields \"%s\"", fields);
}

char *missing_text(const struct source *source, char *out, size_t size)
{
    char where[100], fields[200];

    say_where(source, where, sizeof(where));
    say_fields(source, fields, sizeof(fields));
    if (source->kind->id == TARGET_SERVICE && *source->foreign)
        snprintf(out, size, "the endpoints of service \"%s\" %s are no pods but addresses, as %s",
                 source->name, where, source->foreign);
    else if (source->kind->id != TARGET_POD)
        snprintf(out, size, "%s \"%s\" %s has no pods%s", source->kind->name, source->name, where,
                 fields);
    else if (source->is_pattern)
        snprintf(out, size, "no pod %s has a name like \"%s\"%s", where, source->name, fields);
    else if (source->labels)
        snprintf(out, size, "no pod %s has the labels \"%s\"%s", where, source->labels, fields);
    else
        snprintf(out, size, "there is no pod %s%s", where, fields);
    return out;
}

int missing_set(const struct source *source, struct error *err)
{
    char text[600], where[100];

    snprintf(where, sizeof(where), source->namespace ? "-n %s" : "-A%s",
             source->namespace ? source->namespace : "");
    error_set(err, ERROR_TARGET, "%s", missing_text(source, text, sizeof(text)));
    if (source->kind->id == TARGET_SERVICE && *source->foreign)
        return error_remedy(err, "capture at a client of it, with -f 'host %s'", source->foreign);
    if (source->kind->id != TARGET_POD)
        return error_remedy(err, "--wait or --follow wait for them; see: kubectl describe %s %s %s",
                            source->kind->name, source->name, where);
    error_remedy(err, "list them with: kubectl get pods %s --show-labels", where);
    if (source->is_pattern)
        nearest_pattern(source->context->client, source->namespace, source->name, err);
    else if (source->labels)
        nearest_label(source->context->client, source->namespace, source->labels, err);
    /* A word such as "bin/tcpdump" may be either. */
    if (source->labels && strchr(source->labels, '/') && selector_is_bare_key(source->labels) &&
        !strstr(err->remedy, "did you mean"))
        return error_remedy(err, "if a tcpdump was meant: there is no file \"%s\"", source->labels);
    return -1;
}

void missing_type(const char *namespace, const char *name, struct error *err)
{
    /* Shorter ones are near to everything. */
    const struct target_kind *kind = strlen(namespace) > 4 ? target_kind_nearest(namespace) : NULL;

    if (kind && err->kind == ERROR_NOT_FOUND)
        error_remedy(err, "did you mean \"%s/%s\"? \"%s\" is taken for a namespace", kind->name,
                     name, namespace);
}
