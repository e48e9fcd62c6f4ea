/* SPDX-License-Identifier: Apache-2.0 */
#include "target/words.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"

/* A word between its slashes. */
struct parts {
    const char *start[3];
    size_t length[3];
    size_t count;
};

static int split(const char *text, struct parts *ret, struct error *err)
{
    *ret = (struct parts){0};
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, "/");

        if (ret->count == 3) {
            error_set(err, ERROR_USAGE, "\"%s\" has a slash too many", text);
            return error_remedy(err, "POD, TYPE/NAME, NAMESPACE/POD or NAMESPACE/TYPE/NAME");
        }
        ret->start[ret->count] = at;
        ret->length[ret->count++] = length;
        at += length;
        if (!*at)
            return 0;
    }
}

static int take_namespace(struct target_word *word, const char *text, size_t length,
                          struct error *err)
{
    if (length < sizeof(word->namespace)) {
        memcpy(word->namespace, text, length);
        word->namespace[length] = '\0';
        if (kube_name_is_label(word->namespace))
            return 0;
    }
    const struct target_kind *kind = NULL;
    if (length < sizeof(word->namespace))
        kind = target_kind_nearest(word->namespace);
    error_set(err, ERROR_USAGE, "\"%.*s\" is neither a type nor the name of a namespace",
              (int)length, text);
    if (kind)
        return error_remedy(err, "did you mean \"%s/\"?", kind->name);
    return error_remedy(err, "types: pod, deploy, rs, sts, ds, job, cronjob, svc, node");
}

static int no_type(const char *text, const struct parts *parts, struct error *err)
{
    const struct target_kind *first = target_kind_find(parts->start[0], parts->length[0]);

    error_set(err, ERROR_USAGE, "\"%s\": \"%.*s\" is no type", text, (int)parts->length[1],
              parts->start[1]);
    if (first)
        return error_remedy(err, "the namespace comes first: %.*s/%s/%s", (int)parts->length[1],
                            parts->start[1], first->name, parts->start[2]);
    return error_remedy(err, "types: pod, deploy, rs, sts, ds, job, cronjob, svc, node");
}

/* Pods alone are chosen by patterns. */
static bool is_pattern(const char *name)
{
    return strpbrk(name, "*?[") != NULL;
}

static int check_pattern(const struct target_word *word, struct error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-.*?[]!^";

    if (word->kind->id != TARGET_POD) {
        error_set(err, ERROR_USAGE, "\"%s/%s\": a pattern is for the names of pods",
                  word->kind->name, word->name);
        return error_remedy(err, "name the %s, or its pods by '%s'", word->kind->name, word->name);
    }
    if (strspn(word->name, allowed) == strlen(word->name))
        return 0;
    error_set(err, ERROR_USAGE, "\"%s\" matches no name of a pod", word->name);
    return error_remedy(err, "lower-case letters, digits, dashes and dots, and *, ?, [...]");
}

static int take_name(struct target_word *word, const char *name, struct error *err)
{
    if (strlen(name) < sizeof(word->name)) {
        strcpy(word->name, name);
        word->is_pattern = is_pattern(name);
        if (word->is_pattern)
            return check_pattern(word, err);
        if (kube_name_is_subdomain(name))
            return 0;
    }
    error_set(err, ERROR_USAGE, "\"%s\" cannot be the name of a %s", name, word->kind->name);
    return error_remedy(err, "lower-case letters, digits, dashes and dots");
}

static int node_in_namespace(const struct target_word *word, struct error *err)
{
    error_set(err, ERROR_USAGE, "a node is in no namespace");
    return error_remedy(err, "write node/%s", word->name);
}

static int parse_word(const char *text, struct target_word *word, struct error *err)
{
    struct parts parts;

    if (split(text, &parts, err) < 0)
        return -1;
    size_t at_type = parts.count == 3 ? 1 : 0;
    const struct target_kind *kind =
        parts.count > 1 ? target_kind_find(parts.start[at_type], parts.length[at_type]) : NULL;

    word->kind = kind ? kind : &target_kinds[TARGET_POD];
    if (parts.count == 3 && !kind)
        return no_type(text, &parts, err);
    if ((parts.count == 3 || (parts.count == 2 && !kind)) &&
        take_namespace(word, parts.start[0], parts.length[0], err) < 0)
        return -1;
    if (take_name(word, parts.start[parts.count - 1], err) < 0)
        return -1;
    return *word->namespace && word->kind->id == TARGET_NODE ? node_in_namespace(word, err) : 0;
}

/* Names behind a type of their own: "deploy web api". */
static int parse_names(const struct target_kind *kind, const char *const *texts, size_t count,
                       struct target_word *words, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        words[i].kind = kind;
        if (strchr(texts[i], '/')) {
            error_set(err, ERROR_USAGE, "\"%s\" stands behind the type \"%s\"", texts[i],
                      kind->name);
            return error_remedy(err, "either a type before all names, or TYPE/NAME for each");
        }
        if (take_name(&words[i], texts[i], err) < 0)
            return -1;
    }
    return 0;
}

static int only_pods_are_selected(const struct target_kind *kind, struct error *err)
{
    error_set(err, ERROR_USAGE, "labels and fields choose pods, not a %s", kind->name);
    return error_remedy(err, "leave out \"%s\", or name one: %s/NAME", kind->name, kind->name);
}

int target_words_parse(const char *const *texts, size_t count, bool selecting,
                       struct target_word **ret_words, size_t *ret_count, struct error *err)
{
    const struct target_kind *kind =
        count > 0 ? target_kind_find(texts[0], strlen(texts[0])) : NULL;
    bool alone = count == 1 && kind && selecting;
    bool before = count > 1 && kind && !strchr(texts[1], '/');
    size_t skipped = alone || before ? 1 : 0;
    cleanup_free struct target_word *words = calloc(count + 1, sizeof(*words));
    int result = 0;

    if (!words)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (alone && kind->id != TARGET_POD)
        return only_pods_are_selected(kind, err);
    if (before)
        result = parse_names(kind, texts + 1, count - 1, words, err);
    for (size_t i = skipped; !before && i < count && result == 0; i++)
        result = parse_word(texts[i], &words[i], err);
    if (result < 0)
        return -1;
    *ret_count = count - skipped;
    *ret_words = *ret_count > 0 ? steal_pointer(words) : NULL;
    return 0;
}

bool target_word_is_one_pod(const struct target_word *word)
{
    return word->kind->id == TARGET_POD && !word->is_pattern;
}
