/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON as API servers write it. A NUL in a text is allowed: annotations may hold one, and so may
 * what a container has written before its end (/dev/termination-log). For us the text ends there.
 */
#ifndef KSNIFF_KUBE_JSON_H
#define KSNIFF_KUBE_JSON_H

#include <jansson.h>

/* kube_json_read - @text: NULL: nothing. Return: owned by the caller; NULL when it is no JSON. */
static inline json_t *kube_json_read(const void *text, size_t length)
{
    return text ? json_loadb(text, length, JSON_ALLOW_NUL, NULL) : NULL;
}

#endif
