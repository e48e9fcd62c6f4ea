/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the capture feed on itself in a way that carries no mark (own.h), such as an encrypted
 * tunnel or one inside other packets?
 *
 * One conversation with most of what is captured is no proof: so looks any large download. So when
 * there is one, and much is sent, the agent holds its breath: for a moment it neither takes packets
 * nor writes. The ring keeps what comes meanwhile, with its times. What carries the own stream
 * falls silent then, each time; anything else goes on.
 */
#ifndef KSNIFF_AGENT_FEEDBACK_H
#define KSNIFF_AGENT_FEEDBACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/flow.h"

#define FEEDBACK_FLOWS 64
#define FEEDBACK_MS    100 /* between two looks */

struct feedback {
    bool over; /* it has been said, or there is nothing to be watched */

    /* Of the present look: the conversations with most bytes. */
    struct feedback_flow {
        struct flow flow;
        uint64_t bytes;
    } flows[FEEDBACK_FLOWS];
    uint64_t sent;  /* bytes written until its beginning */
    uint64_t begun; /* clock_ms() */

    /* Of the present hold. */
    bool holding;                     /* nothing is taken and written */
    bool judging;                     /* what came meanwhile is being taken */
    struct feedback_flow suspect;     /* bytes: in FEEDBACK_MS before it */
    uint64_t hold_end;                /* clock_ms() */
    uint64_t quiet_from, quiet_until; /* nanoseconds since 1970: it should be silent */
    uint64_t heard;                   /* its bytes meanwhile */

    unsigned silences; /* holds in a row in which the suspect was silent */
    unsigned patience; /* milliseconds until the next hold, after one in which it was not */
    uint64_t rest;     /* clock_ms() before which there is none */
};

/* feedback_see - a packet that is captured; @time: nanoseconds since 1970, @length: on the wire. */
void feedback_see(struct feedback *feedback, const struct flow *flow, uint64_t time,
                  uint32_t length);

/*
 * feedback_check - go on to what is due, at least every FEEDBACK_MS
 * @sent: bytes written so far
 * @drained: the source has given all that it has
 * @crowded: the source must be emptied soon
 */
void feedback_check(struct feedback *feedback, uint64_t now, uint64_t sent, bool drained,
                    bool crowded);

#endif
