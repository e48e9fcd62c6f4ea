/* SPDX-License-Identifier: Apache-2.0 */
/* What a recorder says of its ring: the text of common/recording.h, read. */
#ifndef KSNIFF_RECORDING_STATE_H
#define KSNIFF_RECORDING_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/recording.h"

enum recording_condition {
    RECORDING_UNKNOWN, /* it was not asked, or did not answer */
    RECORDING_WAITING, /* of a target: its network namespace is not found yet, or was lost */
    RECORDING_RUNS,
    RECORDING_TRIGGERED, /* freezes soon */
    RECORDING_FROZEN,
};

/* Times are nanoseconds since 1970; 0: there is none. */
struct recording_target_state {
    enum recording_condition condition;
    uint64_t oldest, newest;           /* packets in the ring */
    uint64_t segments, packets, bytes; /* in the ring */
    uint64_t dropped;                  /* since it was begun */
};

struct recording_state {
    enum recording_condition condition; /* RECORDING_UNKNOWN: nothing of this holds */
    uint64_t since;
    uint64_t trigger;        /* when the packet that has triggered was seen */
    unsigned trigger_target; /* whose it was */
    struct recording_target_state targets[RECORDING_TARGETS_MAX]; /* by number */
    char complaint[300]; /* raw text of the recorder: escape before printing */
};

/*
 * recording_state_read - read what `status` has printed
 * @text: @length bytes of any content
 *
 * Lines and words that are not known are skipped. Return: 0, or -1 when it is no state, or one of
 * another format, or a number in it is none.
 */
int recording_state_read(const char *text, size_t length, struct recording_state *ret_state);

/* recording_state_is_whole - is it all of a state, as far as that can be told? */
bool recording_state_is_whole(const char *text, size_t length);

/* recording_condition_name - "waiting", "recording", "triggered", "frozen", "unknown" */
const char *recording_condition_name(enum recording_condition condition);

#endif
