/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/member_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "capture/choice.h"
#include "capture/timeline.h"
#include "method/method.h"
#include "method/session.h"

void member_has_begun(struct member *member)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    member->until = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    member->begun = member->works = true;
    member->state = MEMBER_RUNNING;
    /* It is large, and not needed any more. */
    choice_free(member->choice);
    member->choice = NULL;
    if (member->again)
        log_info("%sit is captured now", member->who);
    member->again = false;
}

/* The new agent's first item after a cut. */
void member_has_resumed(struct member *member)
{
    member->state = MEMBER_RUNNING;
    member->resumed = loop_now();
    if (member->target->keeper) {
        log_info("%s%sfetching again, where it was cut", WHO(member));
        return;
    }
    member->gap_open = true;
    track_follow(&member->track);
}

/* A segment of what was recorded begins. Why one before it is missing is not known: it may be
 * overwritten, or its recorder was killed before it had written anything. */
static void on_segment(struct member *member)
{
    struct session *session = member->session;
    const struct segments *segments = &session->segments;

    track_segment(&member->track, segments->repeated);
    if (segments->missed == 0)
        return;
    if (session->account.latest)
        member->until = session->account.latest;
    member->gap_open = true;
    snprintf(member->why, sizeof(member->why),
             "%" PRIu64 " segment%s of the recording %s not in its ring any more", segments->missed,
             segments->missed == 1 ? "" : "s", segments->missed == 1 ? "is" : "are");
    if (session_may_tell(session))
        log_warning("%s%smissing: %s", WHO(member), member->why);
    else
        log_debug("%s%smissing: %s", WHO(member), member->why);
}

/* Its first one with a time. By the clock of the packets: ours may have stood still meanwhile. */
static void on_gap(struct member *member, uint64_t timestamp)
{
    uint64_t gap = timestamp > member->until ? (timestamp - member->until) / 1000000 : 0;

    member->gap_open = false;
    member->gap_length += gap;
    if (!member->target->keeper)
        log_info("%s%scapturing again, after %" PRIu64 ".%" PRIu64 " s", WHO(member), gap / 1000,
                 gap % 1000 / 100);
    track_gap(&member->track, gap, member->why);
}

/* ", addresses: 10.0.0.1 fd00::1", as far as they fit. Return: @out. */
static const char *addresses_of(const struct target *target, char *out, size_t size)
{
    const json_t *addresses =
        target->pod ? json_object_get(json_object_get(target->pod->json, "status"), "podIPs")
                    : NULL;
    size_t i, used = 0;
    json_t *each;

    *out = '\0';
    json_array_foreach(addresses, i, each)
    {
        const char *address = json_string_value(json_object_get(each, "ip"));

        if (address && used < size)
            used += (size_t)snprintf(out + used, size - used, "%s%s",
                                     used ? " " : ", addresses: ", address);
    }
    return out;
}

/* Of its interfaces, as they are written. */
static void describe(struct member *member)
{
    const struct target *target = member->target;
    const char *container = target->pod ? target->container->name : NULL;
    char clock[100], addresses[160];

    timeline_clock_text(member->timeline, member->source, clock, sizeof(clock));
    free(member->description);
    member->description = text_format(
        "node: %s%s%s, method: %s%s%s%s", target->node_name, container ? ", container: " : "",
        container ? container : "", member->method->name,
        addresses_of(target, addresses, sizeof(addresses)), *clock ? ", clock: " : "", clock);
    member->track.share.description = member->description;
}

bool member_take_item(void *data, enum capture_item_kind kind, const struct capture_item *item)
{
    struct member *member = data;

    if (member->state == MEMBER_CUT)
        member_has_resumed(member);
    else if (!member->begun)
        member_has_begun(member);
    if (kind == CAPTURE_SEGMENT) {
        on_segment(member);
        return true;
    }
    if (kind == CAPTURE_INTERFACE)
        describe(member);
    if (member->gap_open && kind == CAPTURE_PACKET)
        on_gap(member, item->packet.timestamp);
    else if (member->gap_open && kind == CAPTURE_STATISTICS)
        on_gap(member, item->statistics.timestamp);
    return track_item(&member->track, kind, item);
}
