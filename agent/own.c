/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/own.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>

#include "agent/clock.h"
#include "agent/message.h"
#include "agent/source.h"

#define SEARCH_MS 10000 /* at most */
#define MORE_MS   3000  /* after the first connection: it may pass several */

void own_open(struct own *own)
{
    uint8_t bytes[AGENT_MARK_LENGTH / 2];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
        message_errno("cannot look for its own stream: no random numbers", NULL);
        return;
    }
    for (size_t i = 0; i < sizeof(bytes); i++) {
        own->mark[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        own->mark[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    /* Twice: one of them is whole, wherever a segment of TCP may end. */
    strcpy(stpcpy(stpcpy(stpcpy(own->comment, AGENT_MARK_PREFIX), own->mark), " "), own->mark);
}

void own_start(struct own *own, uint64_t now)
{
    own->searching = own->mark[0] != '\0';
    own->until = now + SEARCH_MS;
}

static bool is_found(const struct own *own, const struct flow *flow)
{
    for (size_t i = 0; i < own->count; i++)
        if (flow_is(&own->found[i], flow))
            return true;
    return false;
}

static void found(struct own *own, const struct flow *flow)
{
    uint64_t now = clock_ms();
    char text[FLOW_TEXT];

    if (own->count == 0 && own->until > now + MORE_MS)
        own->until = now + MORE_MS;
    own->found[own->count++] = *flow;
    own->changed = true;
    message(AGENT_NOTE "this capture's own stream is left out:", flow_text(text, flow), NULL);
}

bool own_is(struct own *own, const struct packet *packet, const struct flow *flow, uint32_t payload)
{
    if (flow->protocol != IPPROTO_TCP || flow->source.port == 0)
        return false;
    if (is_found(own, flow))
        return true;
    if (!own->searching || own->count == KERNEL_FILTER_LEFT_OUT ||
        !memmem(packet->data + payload, packet->captured - payload, own->mark, AGENT_MARK_LENGTH))
        return false;
    found(own, flow);
    return true;
}

bool own_wants_mark(const struct own *own)
{
    return own->searching && own->count == 0;
}

bool own_check(struct own *own, uint64_t now)
{
    if (!own->searching || now < own->until)
        return false;
    own->searching = false;
    return true;
}
