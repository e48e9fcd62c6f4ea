/* SPDX-License-Identifier: Apache-2.0 */
#include "target/missing.h"

#include <stdbool.h>
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
        !nearest_is_named(err))
        return error_remedy(err, "if a tcpdump was meant: there is no file \"%s\"", source->labels);
    return -1;
}

/* ---- types ---- */

/* Has the user written the name alone? */
static bool is_alone(const struct settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->word_count; i++)
        if (strcmp(settings->words[i], name) == 0)
            return true;
    return false;
}

/* Is the namespace of a word, NAMESPACE/NAME, and not of -n? */
static bool is_of_word(const struct settings *settings, const char *namespace, const char *name)
{
    size_t length = strlen(namespace);

    for (size_t i = 0; i < settings->word_count; i++) {
        const char *word = settings->words[i];

        if (strncmp(word, namespace, length) == 0 && word[length] == '/' &&
            strcmp(word + length + 1, name) == 0)
            return true;
    }
    return false;
}

static void misread_namespace(const char *namespace, const char *name, struct error *err)
{
    const struct target_kind *kind = target_kind_guess(namespace);

    if (kind)
        error_remedy(err, "did you mean \"%s/%s\"? \"%s\" is taken for a namespace", kind->name,
                     name, namespace);
    else
        error_remedy(err,
                     "\"%s\" is taken for a namespace; types: pod, deploy, rs, sts, ds, job, "
                     "cronjob, svc, node",
                     namespace);
}

static void misread_name(const struct target_kind *kind, const char *word, struct error *err)
{
    if (kind->id == TARGET_POD)
        error_remedy(err, "\"%s\" is taken for a pod's name: name one, or write '*' for all pods",
                     word);
    else
        error_remedy(err, "\"%s\" is taken for a pod's name: write %s/NAME", word, word);
}

void missing_type(const struct settings *settings, const char *namespace, const char *name,
                  struct error *err)
{
    const struct target_kind *kind = target_kind_find(name, strlen(name));

    if (err->kind != ERROR_NOT_FOUND || nearest_is_named(err))
        return;
    if (kind && is_alone(settings, name))
        misread_name(kind, name, err);
    else if (is_of_word(settings, namespace, name))
        misread_namespace(namespace, name, err);
}

bool missing_is_explained(const struct error *err)
{
    return nearest_is_named(err) || strstr(err->remedy, "is taken for");
}
