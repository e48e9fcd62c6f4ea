/* SPDX-License-Identifier: Apache-2.0 */
/* What the flags of fetching set; for the table of flags.c. */
#ifndef KSNIFF_CLI_FLAGS_FETCH_H
#define KSNIFF_CLI_FLAGS_FETCH_H

#include "cli/flags_recording.h"

flag_setter set_fetch, set_wait_for, set_since, set_until, set_live;

#endif
