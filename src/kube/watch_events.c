/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/watch_events.h"

#include <string.h>

#include "base/error.h"
#include "kube/json.h"

#define UID_MAX 256 /* bytes; they are UUIDs in fact */

void kube_events_init(struct kube_events *events, size_t maximum)
{
    *events = (struct kube_events){.looked = 0};
    buf_init(&events->bytes, maximum);
}

void kube_events_free(struct kube_events *events)
{
    buf_free(&events->bytes);
    events->looked = 0;
}

void kube_events_clear(struct kube_events *events)
{
    buf_take(&events->bytes, events->bytes.length);
    events->looked = 0;
}

static const char *metadata_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(json_object_get(object, "metadata"), key));
}

const char *kube_version(const json_t *object)
{
    return metadata_of(object, "resourceVersion");
}

const char *kube_uid(const json_t *object)
{
    const char *uid = metadata_of(object, "uid");

    return uid && strlen(uid) <= UID_MAX ? uid : NULL;
}

/* Return: bytes of the line at the front, its end included; 0: it is not whole. */
static size_t line_length(struct kube_events *events)
{
    const unsigned char *bytes = buf_bytes(&events->bytes);
    size_t left = events->bytes.length - events->looked;
    const unsigned char *end = left ? memchr(bytes + events->looked, '\n', left) : NULL;

    events->looked = end ? 0 : events->bytes.length;
    return end ? (size_t)(end - bytes) + 1 : 0;
}

/* The server's own words for the end of a watch. */
static enum kube_event failed(const json_t *status, struct error *err)
{
    const char *message = json_string_value(json_object_get(status, "message"));
    bool expired = json_integer_value(json_object_get(status, "code")) == 410;

    error_set(err, expired ? ERROR_EXPIRED : ERROR_SERVER, "the watch has failed: %s",
              message ? message : "the server does not say why");
    return KUBE_EVENT_FAILED;
}

static enum kube_event judge(const json_t *event, json_t **ret_object, struct error *err)
{
    static const struct {
        const char *name;
        enum kube_event event;
    } kinds[] = {
        {"ADDED", KUBE_EVENT_OBJECT},
        {"MODIFIED", KUBE_EVENT_OBJECT},
        {"DELETED", KUBE_EVENT_GONE},
        {"BOOKMARK", KUBE_EVENT_BOOKMARK},
    };
    const char *type = json_string_value(json_object_get(event, "type"));
    json_t *object = json_object_get(event, "object");

    if (type && strcmp(type, "ERROR") == 0)
        return failed(object, err);
    if (!type || !kube_version(object)) {
        error_set(err, ERROR_PROTOCOL, "the watch has an event without type or version");
        return KUBE_EVENT_FAILED;
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(type, kinds[i].name) != 0)
            continue;
        *ret_object = json_incref(object);
        return kinds[i].event;
    }
    return KUBE_EVENT_MORE;
}

static bool is_blank(const char *line, size_t length)
{
    size_t blanks = 0;

    while (blanks < length && strchr(" \t\r\n", line[blanks]) && line[blanks])
        blanks++;
    return blanks == length;
}

enum kube_event kube_events_next(struct kube_events *events, json_t **ret_object, struct error *err)
{
    enum kube_event result = KUBE_EVENT_MORE;
    size_t length;

    while (result == KUBE_EVENT_MORE && (length = line_length(events)) > 0) {
        const char *line = (const char *)buf_bytes(&events->bytes);

        if (!is_blank(line, length)) {
            json_t *event = kube_json_read(line, length);

            if (json_is_object(event)) {
                result = judge(event, ret_object, err);
            } else {
                error_set(err, ERROR_PROTOCOL,
                          "the watch is answered with something else than "
                          "events");
                result = KUBE_EVENT_FAILED;
            }
            json_decref(event);
        }
        buf_take(&events->bytes, length);
    }
    return result;
}
