/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two that begin to record the same under one name at the same moment do not see each other when
 * they look for what is recorded already. So each looks once more when its pods have been made: of
 * two pods that record one target the younger goes, with all that was begun with it.
 *
 * Times of creation are whole seconds. Of two of one second the one is younger whose run has the
 * greater name: so that of two runs, which have made a pod on each of many nodes in that second,
 * not both go. Who looks too early does not see whom the other takes for the younger one: so it
 * counts only when that second is over.
 */
#ifndef KSNIFF_RECORDING_RIVALS_H
#define KSNIFF_RECORDING_RIVALS_H

#include <stdint.h>

struct recording_pod;
struct recordings;

/*
 * rival_find - does an older pod record a target of ours?
 * @there: all pods of the name, ours among them
 * @run: what the annotations of ours say (annotation.h)
 * @ret_newest: seconds since 1970 of the creation of our last pod; 0: none is there
 *
 * Return: borrowed from @there; NULL: none does.
 */
const struct recording_pod *rival_find(const struct recordings *there, const char *run,
                                       int64_t *ret_newest);

#endif
