/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/feedback.h"

#include <string.h>

#include "agent/clock.h"
#include "agent/message.h"
#include "common/agent.h"

#define LEAST_BYTES 16384u /* of one look: less does no harm */
#define HOLD_MS     140
#define SETTLE_MS   40 /* until what was on the way has come */
#define JUDGE_MS    60 /* after the hold, until the kernel has handed over what came in it */
#define SILENCES    3  /* are proof */
#define REST_MS     1000
#define REST_MOST   64000

/* A flow has one place; a larger one takes it from a smaller one in time. */
static size_t place_of(const struct flow *flow)
{
    const uint8_t *bytes = (const uint8_t *)flow;
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < sizeof(*flow); i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return (hash ^ hash >> 16) % FEEDBACK_FLOWS;
}

static void count(struct feedback *feedback, const struct flow *flow, uint32_t length)
{
    struct feedback_flow *place = &feedback->flows[place_of(flow)];

    if (place->bytes == 0)
        place->flow = *flow;
    if (memcmp(&place->flow, flow, sizeof(*flow)) == 0)
        place->bytes += length;
    else
        place->bytes -= place->bytes < length ? place->bytes : length;
}

void feedback_see(struct feedback *feedback, const struct flow *flow, uint64_t time,
                  uint32_t length)
{
    if (feedback->over)
        return;
    count(feedback, flow, length);
    if (feedback->judging && time >= feedback->quiet_from && time < feedback->quiet_until &&
        memcmp(flow, &feedback->suspect.flow, sizeof(*flow)) == 0)
        feedback->heard += length;
}

static const struct feedback_flow *largest(const struct feedback *feedback)
{
    const struct feedback_flow *best = feedback->flows;

    for (size_t i = 1; i < FEEDBACK_FLOWS; i++)
        if (feedback->flows[i].bytes > best->bytes)
            best = &feedback->flows[i];
    return best;
}

static void begin_look(struct feedback *feedback, uint64_t now, uint64_t sent)
{
    memset(feedback->flows, 0, sizeof(feedback->flows));
    feedback->sent = sent;
    feedback->begun = now;
}

static void hold(struct feedback *feedback, const struct feedback_flow *suspect, uint64_t now)
{
    if (memcmp(&suspect->flow, &feedback->suspect.flow, sizeof(suspect->flow)) != 0)
        feedback->silences = 0;
    feedback->suspect = *suspect;
    uint64_t time = clock_real();
    feedback->quiet_from = time + SETTLE_MS * 1000000u;
    feedback->quiet_until = time + HOLD_MS * 1000000u;
    feedback->hold_end = now + HOLD_MS;
    feedback->heard = 0;
    feedback->holding = true;
}

/* @may_hold: nothing stands in the way of what is sent */
static void look(struct feedback *feedback, uint64_t now, uint64_t sent, bool may_hold)
{
    struct feedback_flow best = *largest(feedback);
    uint64_t took = now - feedback->begun;
    uint64_t written = (sent - feedback->sent) * FEEDBACK_MS / took;

    best.bytes = best.bytes * FEEDBACK_MS / took;
    if (may_hold && now >= feedback->rest && written >= LEAST_BYTES && best.bytes >= written / 2)
        hold(feedback, &best, now);
    begin_look(feedback, now, sent);
}

static void rest(struct feedback *feedback, uint64_t now)
{
    feedback->silences = 0;
    feedback->patience = feedback->patience == 0 ? REST_MS : 2 * feedback->patience;
    if (feedback->patience > REST_MOST)
        feedback->patience = REST_MOST;
    feedback->rest = now + feedback->patience;
}

static void judge(struct feedback *feedback, uint64_t now)
{
    const uint64_t expected = feedback->suspect.bytes * (HOLD_MS - SETTLE_MS) / FEEDBACK_MS;
    char text[FLOW_TEXT];

    feedback->judging = false;
    if (feedback->heard > expected / 8) {
        rest(feedback, now);
        return;
    }
    feedback->patience = 0;
    if (++feedback->silences < SILENCES)
        return;
    feedback->over = true;
    message(AGENT_CARRIED, flow_text(text, &feedback->suspect.flow), NULL);
}

void feedback_check(struct feedback *feedback, uint64_t now, uint64_t sent, bool drained,
                    bool crowded)
{
    if (feedback->over)
        return;
    if (feedback->holding && crowded) {
        feedback->holding = false; /* it proves nothing */
        rest(feedback, now);
    } else if (feedback->holding && now >= feedback->hold_end) {
        feedback->holding = false;
        feedback->judging = true;
    } else if (feedback->judging && drained && now >= feedback->hold_end + JUDGE_MS) {
        judge(feedback, now);
        begin_look(feedback, now, sent);
    } else if (!feedback->holding && !feedback->judging && now >= feedback->begun + FEEDBACK_MS) {
        look(feedback, now, sent, drained && !crowded);
    }
}
