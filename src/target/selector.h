/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Label selectors: what -l takes, and what workloads and Services have. Source:
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
 */
#ifndef KSNIFF_TARGET_SELECTOR_H
#define KSNIFF_TARGET_SELECTOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define SELECTOR_MAX (1u << 16) /* bytes of a selector that is made here */

/*
 * selector_fault - what is wrong with a selector, as far as can be told without the server
 * @ret_length: bytes of the requirement that is meant
 *
 * Return: where that begins in @text; NULL when it is well-formed.
 */
const char *selector_fault(const char *text, size_t *ret_length);

/* selector_is_bare_key - is it a single key and nothing more ("bin/tcpdump")? */
bool selector_is_bare_key(const char *text);

/*
 * selector_of_object - the text for a workload's selector
 * @selector: {matchLabels, matchExpressions}, or the plain labels of a Service
 *
 * Return: owned by the caller; NULL when there is none, or it is not understood: an empty one would
 * choose every pod.
 */
char *selector_of_object(const json_t *selector);

/*
 * selector_label - one "key=value" of a selector, for a look at what is near
 * @at: 0 at first; moved behind what was read
 * @ret_key, @ret_value: point into @text
 *
 * Return: false when there is no more.
 */
bool selector_label(const char *text, size_t *at, const char **ret_key, size_t *ret_key_length,
                    const char **ret_value, size_t *ret_value_length);

#endif
