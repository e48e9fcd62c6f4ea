/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/stall.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/system.h"
#include "sink/sink.h"

#define LOOK_MS  1000
#define STALL_MS 5000

/* Return: bytes that have reached the reader; @ret_waiting: are there others? The section's head
 * is there before anybody opens the pipe. */
static uint64_t look(const struct sink *sink, bool *ret_waiting)
{
    size_t unread = sink->fd >= 0 ? system_unread(sink->fd) : 0;

    *ret_waiting = sink->fd < 0 || unread > 0;
    return sink->written - unread;
}

static void tell(const struct sink *sink)
{
    if (sink->fd < 0)
        log_warning("%s has not begun to read for %d s, and packets wait: look at its window, "
                    "where it may ask something or name an error (-o FILE does without it)",
                    sink->kind->name, STALL_MS / 1000);
    else
        log_warning("%s has read nothing for %d s, and packets wait: is its dumpcap stopped, or "
                    "its disk full? (-o FILE does without it)",
                    sink->kind->name, STALL_MS / 1000);
}

static void on_timer(void *data)
{
    struct sink *sink = data;
    struct stall *stall = &sink->stall;
    bool waiting;
    uint64_t taken = look(sink, &waiting);

    loop_set_timer(stall->timer, LOOK_MS);
    if (!waiting || taken != stall->taken) {
        if (stall->told)
            log_info("%s reads again", sink->kind->name);
        stall->told = false;
        stall->taken = taken;
        stall->since = loop_now();
    } else if (!stall->told && loop_now() - stall->since >= STALL_MS) {
        stall->told = true;
        tell(sink);
    }
}

void stall_begin(struct sink *sink)
{
    if (!sink->stall.timer)
        sink->stall.timer = loop_add_timer(sink->loop, LOOK_MS, on_timer, sink);
    sink->stall.taken = 0;
    sink->stall.since = loop_now();
}

void stall_end(struct sink *sink)
{
    loop_remove_timer(sink->stall.timer);
    sink->stall = (struct stall){0};
}
