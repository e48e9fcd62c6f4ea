/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user's words for what is to be captured.
 *
 *   NAME                   a pod
 *   'PATTERN'              pods, by a shell pattern (*, ?, [...])
 *   TYPE/NAME              one of target/kinds.h
 *   NAMESPACE/NAME         a pod that lives in another namespace
 *   NAMESPACE/TYPE/NAME    and one of a type
 *   TYPE NAME...           as kubectl takes it: the type stands alone, before names without one
 *
 * Where a word could be a type or something else, it is the type: "svc/web" is the Service web. A
 * pod "web" of a namespace that is called svc is "svc/pod/web". A pod that is called as a type is,
 * stands alone ("kubectl sniff svc") or behind its own type ("pod/svc").
 */
#ifndef KSNIFF_TARGET_WORDS_H
#define KSNIFF_TARGET_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "kube/name.h"
#include "target/kinds.h"

struct error;

struct target_word {
    const struct target_kind *kind;
    char namespace[KUBE_NAMESPACE_MAX + 1]; /* "": the one of -n */
    char name[KUBE_NAME_MAX + 1];           /* or a pattern */
    bool is_pattern;                        /* of a pod */
};

/*
 * target_words_parse - what the words mean
 * @texts: @count of them
 * @selecting: pods are chosen by labels or fields as well: then a type alone ("pods") names nothing
 * @ret_words: at most @count; owned by the caller (free()); NULL where there are none
 *
 * Return: 0; -1 with ERROR_USAGE.
 */
int target_words_parse(const char *const *texts, size_t count, bool selecting,
                       struct target_word **ret_words, size_t *ret_count, struct error *err);

/* target_word_is_one_pod - does it name a single pod? */
bool target_word_is_one_pod(const struct target_word *word);

#endif
