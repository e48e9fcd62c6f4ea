/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a helper that was made: it runs, or another is made, or its users are told why
 * there is none. */
#ifndef KSNIFF_METHOD_HELPER_FATE_H
#define KSNIFF_METHOD_HELPER_FATE_H

#include "method/helper_pod.h"

/* The data is its group. */
extern const struct helper_pod_events helper_fate;

#endif
