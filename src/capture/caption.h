/* SPDX-License-Identifier: Apache-2.0 */
/* What a capture is called: the comment of a section, the title of Wireshark's window. */
#ifndef KSNIFF_CAPTURE_CAPTION_H
#define KSNIFF_CAPTURE_CAPTION_H

#include <stddef.h>

struct kube_config;
struct member;
struct share;

/*
 * caption_comment - everything that somebody needs who finds the file years later
 * @members: @count of them, at least one
 * @share: the one that alone stands in the section; NULL: those of several do
 *
 * Return: lines, owned by the caller; NULL when out of memory.
 */
char *caption_comment(struct member *const *members, size_t count, const struct share *share,
                      const struct kube_config *config);

/* caption_title - Return: owned by the caller; NULL when out of memory. */
char *caption_title(struct member *const *members, size_t count);

#endif
