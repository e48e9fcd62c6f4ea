/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a ring as text (common/recording.h), which a recorder that is started again goes on
 * from. No I/O here. */
#ifndef KSNIFF_AGENT_STATE_H
#define KSNIFF_AGENT_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "common/recording.h"

#define STATE_COMPLAINT 256
#define STATE_TEXT      (RECORDING_TARGETS_MAX * 200 + STATE_COMPLAINT + 256) /* bytes at most */

enum state { STATE_RECORDING, STATE_TRIGGERED, STATE_FROZEN, STATE_WAITING };

struct state_target {
    enum state state; /* none is triggered */
    uint64_t oldest, newest, segments, packets, bytes, dropped;
};

struct ring_state {
    enum state state; /* is not waiting */
    uint64_t since;
    uint64_t trigger, trigger_target; /* trigger 0: there was none */
    size_t count;
    struct state_target targets[RECORDING_TARGETS_MAX];
    char complaint[STATE_COMPLAINT]; /* printable; "": there was none */
};

/* state_write - Return: bytes of @out. */
size_t state_write(const struct ring_state *state, char out[static STATE_TEXT]);

/* state_read - what a recorder needs of it: all of the ring, and of each target what has been
 * dropped and the newest packet. @ret_state: what the text does not say is left alone */
void state_read(const char *text, size_t length, struct ring_state *ret_state);

#endif
