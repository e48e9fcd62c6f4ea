/* SPDX-License-Identifier: Apache-2.0 */
/* What the flags of recordings set; for the table of flags.c. */
#ifndef KSNIFF_CLI_FLAGS_RECORDING_H
#define KSNIFF_CLI_FLAGS_RECORDING_H

struct error;
struct options;

/* As flag.set (flags.h). */
typedef int flag_setter(struct options *options, const char *value, const char *as,
                        struct error *err);

flag_setter set_record, set_keep, set_for, set_keep_in, set_stop_when, set_after, set_recordings,
    set_end;

#endif
