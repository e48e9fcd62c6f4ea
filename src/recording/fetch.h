/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was recorded as the targets of a capture, whose packets a recorder gives: one `fetch` for
 * each target, by an exec in the pod that has recorded it.
 */
#ifndef KSNIFF_RECORDING_FETCH_H
#define KSNIFF_RECORDING_FETCH_H

#include "method/method.h"

struct error;
struct recordings;
struct target_set;

extern const struct method method_recording;

/*
 * fetch_targets - all that the pods record, or have recorded
 * @ret_set: release with target_set_free(); the targets have keepers (target/target.h)
 *
 * Return: 0; -1 with the error, also when there is none.
 */
int fetch_targets(const struct recordings *recordings, struct target_set *ret_set,
                  struct error *err);

#endif
