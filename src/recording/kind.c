/* SPDX-License-Identifier: Apache-2.0 */
#include "recording/kind.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "recording/recordings.h"
#include "settings/filter.h"
#include "settings/filter_names.h"
#include "settings/keep.h"
#include "common/agent.h"
#include "common/recording.h"

#define KEEP_MOST (1ull << 44) /* bytes; who has written the annotation may be anybody */
#define TEXT_SIZE 400          /* bytes of a flag and its value */

/* ---- what the annotation says ---- */

/* Return: NULL: there is none. */
static const char *text_at(const json_t *described, const char *key)
{
    const char *text = json_string_value(json_object_get(described, key));

    return text && *text ? text : NULL;
}

/* As the user gave it: what names stand for changes, and what keeps our own traffic out differs. */
static const char *filter_of(const json_t *described)
{
    return text_at(described, json_object_get(described, "asked") ? "asked" : "filter");
}

/* Return: @otherwise where it is no number, or out of bounds. */
static uint64_t number_at(const json_t *described, const char *key, uint64_t least, uint64_t most,
                          uint64_t otherwise)
{
    const json_t *number = json_object_get(described, key);
    json_int_t value = json_integer_value(number);

    return json_is_integer(number) && value >= 0 && (uint64_t)value >= least &&
                   (uint64_t)value <= most
               ? (uint64_t)value
               : otherwise;
}

static bool same_text(const char *one, const char *other)
{
    return strcmp(one ? one : "", other ? other : "") == 0;
}

/* ---- the flags ---- */

static void take_filter(struct kind *kind, const json_t *described)
{
    kind->settings.recording.asked_filter = filter_of(described);
}

static bool same_filter(const struct settings *settings, const json_t *described)
{
    return same_text(settings->recording.asked_filter, filter_of(described));
}

static void say_filter(const json_t *described, char *out)
{
    if (filter_of(described))
        snprintf(out, TEXT_SIZE, "-f '%s'", filter_of(described));
}

static void take_interfaces(struct kind *kind, const json_t *described)
{
    const json_t *list = json_object_get(described, "interfaces");
    struct settings *settings = &kind->settings;
    size_t i;
    json_t *each;

    kind->interfaces = calloc(json_array_size(list) + 1, sizeof(*kind->interfaces));
    settings->interface_count = 0;
    settings->interfaces = kind->interfaces;
    json_array_foreach(list, i, each)
    {
        if (kind->interfaces && json_is_string(each))
            kind->interfaces[settings->interface_count++] = json_string_value(each);
    }
}

static bool same_interfaces(const struct settings *settings, const json_t *described)
{
    const json_t *list = json_object_get(described, "interfaces");

    if (json_array_size(list) != settings->interface_count)
        return false;
    for (size_t i = 0; i < settings->interface_count; i++)
        if (!same_text(json_string_value(json_array_get(list, i)), settings->interfaces[i]))
            return false;
    return true;
}

static void say_interfaces(const json_t *described, char *out)
{
    const json_t *list = json_object_get(described, "interfaces");
    size_t i, used = 0;
    json_t *each;

    json_array_foreach(list, i, each)
    {
        const char *name = json_string_value(each);

        if (name && used < TEXT_SIZE)
            used +=
                (size_t)snprintf(out + used, TEXT_SIZE - used, "%s-i %s", used ? " " : "", name);
    }
}

static uint64_t snaplen_of(const json_t *described)
{
    return number_at(described, "snaplen", 1, AGENT_SNAPLEN_MAX, AGENT_SNAPLEN_MAX);
}

static void take_snaplen(struct kind *kind, const json_t *described)
{
    kind->settings.snaplen = (uint32_t)snaplen_of(described);
}

static bool same_snaplen(const struct settings *settings, const json_t *described)
{
    return settings->snaplen == snaplen_of(described);
}

static void say_snaplen(const json_t *described, char *out)
{
    if (snaplen_of(described) != AGENT_SNAPLEN_MAX)
        snprintf(out, TEXT_SIZE, "--snaplen %" PRIu64, snaplen_of(described));
}

static bool headers_only_of(const json_t *described)
{
    return json_is_true(json_object_get(described, "headersOnly"));
}

static void take_headers_only(struct kind *kind, const json_t *described)
{
    kind->settings.headers_only = headers_only_of(described);
}

static bool same_headers_only(const struct settings *settings, const json_t *described)
{
    return settings->headers_only == headers_only_of(described);
}

static void say_headers_only(const json_t *described, char *out)
{
    if (headers_only_of(described))
        snprintf(out, TEXT_SIZE, "--headers-only");
}

static uint64_t bytes_of(const json_t *described)
{
    return number_at(json_object_get(described, "keep"), "bytes", RECORDING_KEEP_MIN, KEEP_MOST,
                     KEEP_BYTES_DEFAULT);
}

static uint64_t seconds_of(const json_t *described)
{
    return number_at(json_object_get(described, "keep"), "seconds", 0, UINT32_MAX, 0);
}

static void take_keep(struct kind *kind, const json_t *described)
{
    kind->settings.recording.keep_bytes = bytes_of(described);
    kind->settings.recording.keep_seconds = seconds_of(described);
}

static bool same_keep(const struct settings *settings, const json_t *described)
{
    return settings->recording.keep_bytes == bytes_of(described) &&
           settings->recording.keep_seconds == seconds_of(described);
}

static void say_keep(const json_t *described, char *out)
{
    uint64_t bytes = bytes_of(described), seconds = seconds_of(described);
    char size[KEEP_TEXT_SIZE], time[32] = "";

    if (seconds)
        snprintf(time, sizeof(time), ",%" PRIu64 "s", seconds);
    snprintf(out, TEXT_SIZE, "--keep %s%s", keep_format(size, bytes), time);
}

static bool in_memory_of(const json_t *described)
{
    return same_text(text_at(json_object_get(described, "keep"), "in"), "memory");
}

static void take_place(struct kind *kind, const json_t *described)
{
    kind->settings.recording.in_memory = in_memory_of(described);
}

static bool same_place(const struct settings *settings, const json_t *described)
{
    return settings->recording.in_memory == in_memory_of(described);
}

static void say_place(const json_t *described, char *out)
{
    snprintf(out, TEXT_SIZE, "--keep-in %s", in_memory_of(described) ? "memory" : "disk");
}

static void take_stop_when(struct kind *kind, const json_t *described)
{
    kind->settings.recording.stop_when_text = text_at(described, "stopWhen");
}

static bool same_stop_when(const struct settings *settings, const json_t *described)
{
    return same_text(settings->recording.stop_when_text, text_at(described, "stopWhen"));
}

static void say_stop_when(const json_t *described, char *out)
{
    if (text_at(described, "stopWhen"))
        snprintf(out, TEXT_SIZE, "--stop-when '%s'", text_at(described, "stopWhen"));
}

static uint64_t after_of(const json_t *described)
{
    return number_at(described, "after", 0, RECORD_FOR_MAX * 1000ull, 0);
}

static void take_after(struct kind *kind, const json_t *described)
{
    kind->settings.recording.after = after_of(described);
}

static bool same_after(const struct settings *settings, const json_t *described)
{
    return settings->recording.after == after_of(described);
}

static void say_after(const json_t *described, char *out)
{
    if (after_of(described))
        snprintf(out, TEXT_SIZE, "--after %" PRIu64 "ms", after_of(described));
}

/* @say: writes the flag with its value, at most TEXT_SIZE bytes, where it is not as without it */
static const struct {
    const char *flag;
    enum recording_flag given;
    void (*take)(struct kind *kind, const json_t *described);
    bool (*same)(const struct settings *settings, const json_t *described);
    void (*say)(const json_t *described, char *out);
} flags[] = {
    {"-f", RECORDING_FILTER, take_filter, same_filter, say_filter},
    {"-i", RECORDING_INTERFACES, take_interfaces, same_interfaces, say_interfaces},
    {"--snaplen", RECORDING_SNAPLEN, take_snaplen, same_snaplen, say_snaplen},
    {"--headers-only", RECORDING_HEADERS_ONLY, take_headers_only, same_headers_only,
     say_headers_only},
    {"--keep", RECORDING_KEEP, take_keep, same_keep, say_keep},
    {"--keep-in", RECORDING_KEEP_IN, take_place, same_place, say_place},
    {"--stop-when", RECORDING_STOP_WHEN, take_stop_when, same_stop_when, say_stop_when},
    {"--after", RECORDING_AFTER, take_after, same_after, say_after},
};

#define FLAG_COUNT (sizeof(flags) / sizeof(flags[0]))

/* ---- its filters ---- */

/* @ret_text, @ret_program: owned by the kind */
static int compile(struct kube_client *client, const struct settings *settings, const char *text,
                   char **ret_text, struct filter *ret_program, struct error *err)
{
    if (!text)
        return 0;
    if (filter_names_resolve(client, settings->namespace, text, ret_text, err) < 0)
        return -1;
    return filter_compile(*ret_text, settings->snaplen, ret_program, err);
}

/* With the snaplen as it is now. */
static int compile_both(struct kind *kind, struct kube_client *client, struct error *err)
{
    struct settings *settings = &kind->settings;
    struct recording_settings *recording = &settings->recording;

    if (compile(client, settings, recording->asked_filter, &kind->filter, &kind->programs[0], err) <
            0 ||
        compile(client, settings, recording->stop_when_text, &kind->stop_when, &kind->programs[1],
                err) < 0)
        return -1;
    settings->filter_text = kind->filter;
    settings->filter = kind->programs[0];
    recording->stop_when = kind->programs[1];
    return 0;
}

/* ---- all together ---- */

void kind_begin(struct kind *kind, const struct settings *settings)
{
    *kind = (struct kind){.settings = *settings};
}

void kind_free(struct kind *kind)
{
    filter_free(&kind->programs[0]);
    filter_free(&kind->programs[1]);
    json_decref(kind->described);
    free(kind->interfaces);
    free(kind->filter);
    free(kind->stop_when);
    *kind = (struct kind){.taken = false};
}

/* What the user has not said is as it is there. */
static int adopt(struct kind *kind, struct kube_client *client, const struct recording_pod *pod,
                 const char *name, struct error *err)
{
    char told[4 * TEXT_SIZE] = "", each[TEXT_SIZE];
    size_t used = 0;

    kind->taken = true;
    kind->described = json_incref(pod->described);
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (kind->settings.recording.given & flags[i].given ||
            flags[i].same(&kind->settings, kind->described))
            continue;
        flags[i].take(kind, kind->described);
        *each = '\0';
        flags[i].say(kind->described, each);
        if (used < sizeof(told))
            used += (size_t)snprintf(told + used, sizeof(told) - used, "%s%s%s", used ? ", " : "",
                                     *each ? each : "without ", *each ? "" : flags[i].flag);
    }
    if (!used)
        return 0;
    log_info("as the recording '%s' records already: %s", name, told);
    return compile_both(kind, client, err);
}

static int check(const struct kind *kind, const struct recording_pod *pod, const char *name,
                 struct error *err)
{
    char there[TEXT_SIZE] = "";

    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (flags[i].same(&kind->settings, pod->described))
            continue;
        flags[i].say(pod->described, there);
        error_set(err, ERROR_USAGE, "the recording \"%s\" is there already, %s %s", name,
                  *there ? "with" : "without", *there ? there : flags[i].flag);
        return error_remedy(err, "leave out %s, or record under another name", flags[i].flag);
    }
    return 0;
}

int kind_take(struct kind *kind, struct kube_client *client, const struct recordings *there,
              const char *name, struct error *err)
{
    for (size_t i = 0; i < there->count; i++) {
        const struct recording_pod *pod = &there->pods[i];

        if (pod->ended || !json_is_object(pod->described))
            continue;
        if ((!kind->taken && adopt(kind, client, pod, name, err) < 0) ||
            check(kind, pod, name, err) < 0)
            return -1;
    }
    return 0;
}
