/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for the addresses of a capture, asked of the API server while the capture begins, which
 * waits for none of it: what is there goes into the file, the rest follows.
 *
 * They come from the lists of all pods, Services and nodes; where those may not be listed, from
 * those of the targets' namespaces, and from the targets themselves. One line says what is missing.
 */
#ifndef KSNIFF_CAPTURE_NAMES_H
#define KSNIFF_CAPTURE_NAMES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pcapng/item.h"

struct facts;
struct names;

/*
 * names_start - ask for them; the answers are events of the loop
 * @facts: must outlive them
 * @namespaces: of the targets, @count of them, each once; borrowed for the call
 * @follow: go on with what appears later
 * @news: called from the loop when names_next() has more; at most ten times a second
 *
 * Return: owned by the caller; NULL when out of memory.
 */
struct names *names_start(struct facts *facts, const char *const *namespaces, size_t count,
                          bool follow, void (*news)(void *data), void *data);
/* names_free - NULL is allowed. */
void names_free(struct names *names);

/* names_pod - a pod that has been read anyway: a target. @names: NULL is allowed. */
void names_pod(struct names *names, const json_t *pod);

/*
 * names_next - those that a file does not have yet
 * @cursor: the file's: 0 when it begins; kept here
 * @ret_addresses: room for @most; what it points to is good until the loop is stepped
 *
 * Return: how many; less than @most when there is no more.
 */
size_t names_next(const struct names *names, uint64_t *cursor,
                  struct capture_address *ret_addresses, size_t most);

#endif
