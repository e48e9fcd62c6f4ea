/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was recorded as the targets of a capture, whose packets a recorder gives: one `fetch` for
 * each target, by an exec in the pod that has recorded it.
 */
#ifndef KSNIFF_RECORDING_FETCH_H
#define KSNIFF_RECORDING_FETCH_H

#include <stddef.h>

#include "method/method.h"

struct error;
struct settings;
struct target_set;

extern const struct method method_recording;

/*
 * fetch_targets - all that the pods record, or have recorded; those that have ended have nothing
 * any more, and are named
 * @settings: recordings are the pods
 * @ret_set: release with target_set_free(); the targets have keepers (target/target.h)
 *
 * Return: 0; -1 with the error, also when there is none.
 */
int fetch_targets(const struct settings *settings, struct target_set *ret_set, struct error *err);

/* fetch_gone - Return: how many of the pods have ended, and had what is wanted, as far as is known.
 * @settings: as above, and which time is wanted */
size_t fetch_gone(const struct settings *settings);

#endif
