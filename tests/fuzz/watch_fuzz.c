/* SPDX-License-Identifier: Apache-2.0 */
/* The events of a watch: what they are read as does not depend on where they are cut. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "base/error.h"
#include "kube/watch_events.h"

#define EVENTS_MAX 4096 /* bytes */

/* Takes all that is there. Return: how many events, until one that ends the watch. */
static size_t take(struct kube_events *events, bool *failed)
{
    size_t count = 0;

    while (!*failed) {
        json_t *object = NULL;
        struct error err;
        enum kube_event event = kube_events_next(events, &object, &err);

        if (event == KUBE_EVENT_MORE)
            break;
        *failed = event == KUBE_EVENT_FAILED;
        if (!*failed && !kube_version(object))
            abort();
        kube_uid(object);
        json_decref(object);
        count++;
    }
    return count;
}

static size_t read_in_pieces(const uint8_t *data, size_t size, size_t piece)
{
    struct kube_events events;
    bool failed = false;
    size_t count = 0;

    kube_events_init(&events, EVENTS_MAX);
    for (size_t at = 0; at < size && !failed; at += piece) {
        if (!buf_append(&events.bytes, data + at, size - at < piece ? size - at : piece))
            break;
        count += take(&events, &failed);
    }
    kube_events_free(&events);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && size <= EVENTS_MAX &&
        read_in_pieces(data, size, size) != read_in_pieces(data, size, 1))
        abort();
    return 0;
}
