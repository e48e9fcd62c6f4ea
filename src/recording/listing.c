/* SPDX-License-Identifier: Apache-2.0 */
#include "recording/listing.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/json_print.h"
#include "base/text.h"
#include "kube/client.h"
#include "recording/recordings.h"

#define SECOND 1000000000ull

/* The pods of one recording stand beside one another. */
struct group {
    const struct recording_pod *pods;
    size_t count;
};

/* Return: false when there is none left. @at: which pod is next; is moved on */
static bool next_group(const struct recordings *recordings, size_t *at, struct group *ret_group)
{
    const struct recording_pod *first = &recordings->pods[*at];
    size_t begin = *at;

    if (begin == recordings->count)
        return false;
    while (*at < recordings->count &&
           strcmp(recordings->pods[*at].recording, first->recording) == 0 &&
           strcmp(recordings->pods[*at].namespace, first->namespace) == 0)
        ++*at;
    *ret_group = (struct group){first, *at - begin};
    return true;
}

/* ---- what the pods say together ---- */

static bool waits(const struct recording_pod *pod)
{
    for (size_t i = 0; i < pod->target_count; i++)
        if (pod->state.targets[i].condition == RECORDING_WAITING)
            return true;
    return false;
}

static const char *state_of(const struct recording_pod *pod)
{
    if (pod->ended)
        return "ended";
    if (!pod->runs)
        return "starting";
    if (pod->state.condition == RECORDING_RUNS && waits(pod))
        return recording_condition_name(RECORDING_WAITING);
    return recording_condition_name(pod->state.condition);
}

/* Why it does not record; raw text. Return: NULL: it does. */
static const char *reason_of(const struct recording_pod *pod)
{
    if (!pod->runs)
        return *pod->why ? pod->why : NULL;
    return pod->error.kind != ERROR_NONE ? pod->error.text : NULL;
}

static const char *state_of_all(const struct group *group)
{
    const char *state = state_of(&group->pods[0]);

    for (size_t i = 1; i < group->count; i++)
        if (strcmp(state_of(&group->pods[i]), state) != 0)
            return "mixed";
    return state;
}

struct sums {
    bool known; /* some of the pods have told */
    uint64_t oldest, newest, packets, bytes, dropped;
    size_t targets;
    int64_t started, ends;
};

static void add_target(struct sums *sums, const struct recording_target_state *target)
{
    if (target->oldest && (!sums->oldest || target->oldest < sums->oldest))
        sums->oldest = target->oldest;
    if (target->newest > sums->newest)
        sums->newest = target->newest;
    sums->packets += target->packets;
    sums->bytes += target->bytes;
    sums->dropped += target->dropped;
}

static struct sums sum(const struct group *group)
{
    struct sums sums = {.known = false};

    for (size_t i = 0; i < group->count; i++) {
        const struct recording_pod *pod = &group->pods[i];

        sums.targets += pod->target_count;
        if (pod->started && (!sums.started || pod->started < sums.started))
            sums.started = pod->started;
        if (pod->ends > sums.ends)
            sums.ends = pod->ends;
        sums.known |= pod->state.condition != RECORDING_UNKNOWN;
        for (size_t k = 0; k < pod->target_count; k++)
            add_target(&sums, &pod->state.targets[k]);
    }
    return sums;
}

/* ---- for a person ---- */

#define COLUMNS   11
#define CELL_SIZE 80 /* bytes; what is longer is cut */
#define NAMES_MAX 48 /* bytes of the names of targets, or of nodes */

struct row {
    char cells[COLUMNS][CELL_SIZE];
};

enum column { NAMESPACE, NAME, TARGETS, NODES, SINCE, OLDEST, SIZE, PACKETS, DROPPED, STATE, ENDS };

static const struct row heading = {{"NAMESPACE", "NAME", "TARGETS", "NODES", "SINCE", "OLDEST",
                                    "SIZE", "PACKETS", "DROPPED", "STATE", "ENDS IN"}};

/* "a, b and 3 more" */
struct names {
    char text[CELL_SIZE];
    size_t used, more;
};

static void add_name(struct names *names, const char *name)
{
    char escaped[300];
    size_t length = text_escape(escaped, sizeof(escaped), name, strlen(name));

    if (names->more || (names->used && names->used + length + 2 > NAMES_MAX)) {
        names->more++;
        return;
    }
    names->used += (size_t)snprintf(names->text + names->used, NAMES_MAX + 1 - names->used, "%s%s",
                                    names->used ? ", " : "", escaped);
    names->used = strlen(names->text);
}

/* @cell: of CELL_SIZE bytes */
static void put_names(const struct names *names, char *cell)
{
    if (names->more)
        snprintf(cell, CELL_SIZE, "%.*s and %zu more", NAMES_MAX, names->text, names->more);
    else
        snprintf(cell, CELL_SIZE, "%s", *names->text ? names->text : "-");
}

static void add_target_name(struct names *names, const struct recorded_target *target)
{
    char name[300];

    snprintf(name, sizeof(name), "%s%s", *target->uid ? "" : "node/", target->name);
    add_name(names, name);
}

static void put_targets(const struct group *group, char *cell)
{
    struct names names = {.used = 0};

    for (size_t i = 0; i < group->count; i++)
        for (size_t k = 0; k < group->pods[i].target_count; k++)
            add_target_name(&names, &group->pods[i].targets[k]);
    put_names(&names, cell);
}

static void put_nodes(const struct group *group, char *cell)
{
    struct names names = {.used = 0};
    const char *before = "";

    for (size_t i = 0; i < group->count; i++) { /* ordered by them */
        if (strcmp(group->pods[i].node, before) != 0)
            add_name(&names, group->pods[i].node);
        before = group->pods[i].node;
    }
    put_names(&names, cell);
}

/* "45s", "12m", "3h20m", "2d4h"; what is not known, or over, is a dash. */
static void put_span(char *cell, bool known, int64_t seconds)
{
    int64_t minutes = seconds / 60, hours = minutes / 60;

    if (!known || seconds < 0)
        snprintf(cell, CELL_SIZE, "-");
    else if (seconds < 60)
        snprintf(cell, CELL_SIZE, "%" PRId64 "s", seconds);
    else if (hours == 0)
        snprintf(cell, CELL_SIZE, "%" PRId64 "m", minutes);
    else if (hours < 24)
        snprintf(cell, CELL_SIZE, "%" PRId64 "h%" PRId64 "m", hours, minutes % 60);
    else
        snprintf(cell, CELL_SIZE, "%" PRId64 "d%" PRId64 "h", hours / 24, hours % 24);
}

static void put_number(char *cell, bool known, uint64_t number)
{
    if (known)
        snprintf(cell, CELL_SIZE, "%" PRIu64, number);
    else
        snprintf(cell, CELL_SIZE, "-");
}

static void fill_row(struct row *row, const struct group *group, int64_t now)
{
    const struct recording_pod *first = &group->pods[0];
    const struct sums sums = sum(group);
    const char *state = state_of_all(group);

    text_escape(row->cells[NAMESPACE], CELL_SIZE, first->namespace, strlen(first->namespace));
    text_escape(row->cells[NAME], CELL_SIZE, first->recording, strlen(first->recording));
    put_targets(group, row->cells[TARGETS]);
    put_nodes(group, row->cells[NODES]);
    put_span(row->cells[SINCE], sums.started != 0, now - sums.started);
    put_span(row->cells[OLDEST], sums.oldest != 0, now - (int64_t)(sums.oldest / SECOND));
    if (sums.known)
        text_format_bytes(row->cells[SIZE], CELL_SIZE, sums.bytes);
    else
        snprintf(row->cells[SIZE], CELL_SIZE, "-");
    put_number(row->cells[PACKETS], sums.known, sums.packets);
    put_number(row->cells[DROPPED], sums.known, sums.dropped);
    snprintf(row->cells[STATE], CELL_SIZE, "%s", state);
    put_span(row->cells[ENDS], sums.ends != 0 && strcmp(state, "ended") != 0, sums.ends - now);
}

static void widen(size_t widths[COLUMNS], const struct row *row)
{
    for (size_t i = 0; i < COLUMNS; i++)
        if (strlen(row->cells[i]) > widths[i])
            widths[i] = strlen(row->cells[i]);
}

static void print_row(FILE *file, const size_t widths[COLUMNS], const struct row *row, size_t first)
{
    for (size_t i = first; i + 1 < COLUMNS; i++)
        fprintf(file, "%-*s   ", (int)widths[i], row->cells[i]);
    fprintf(file, "%s\n", row->cells[COLUMNS - 1]);
}

/* What its trigger has seen, and when. @size: bytes of @out. Return: whether it has fired. */
static bool say_trigger(const struct recording_pod *pod, char *out, size_t size)
{
    unsigned number = pod->state.trigger_target;
    char time[32];

    if (!pod->state.trigger || !pod->runs || number >= pod->target_count)
        return false;
    const struct recorded_target *target = &pod->targets[number];
    snprintf(out, size, "by a packet of %s%s at %s", *target->uid ? "" : "node/", target->name,
             text_format_time(time, sizeof(time), (int64_t)(pod->state.trigger / SECOND)));
    return true;
}

/* Whose network is not there. Return: whether there is one. */
static bool say_waiting(const struct recording_pod *pod, char *out, size_t size)
{
    struct names names = {.used = 0};
    char text[CELL_SIZE];

    if (strcmp(state_of(pod), recording_condition_name(RECORDING_WAITING)) != 0)
        return false;
    for (size_t i = 0; i < pod->target_count; i++)
        if (pod->state.targets[i].condition == RECORDING_WAITING)
            add_target_name(&names, &pod->targets[i]);
    put_names(&names, text);
    snprintf(out, size, "no network at the moment, or gone: %s", text);
    return true;
}

static void print_note(FILE *file, const struct recording_pod *pod, const char *note)
{
    char name[80], node[260], text[400];

    text_escape(name, sizeof(name), pod->recording, strlen(pod->recording));
    text_escape(node, sizeof(node), pod->node, strlen(pod->node));
    text_escape(text, sizeof(text), note, strlen(note));
    fprintf(file, "%s on %s: %s: %s\n", name, node, state_of(pod), text);
}

/* What stands behind the words of a state, of pods that do not just record. */
static void print_notes(FILE *file, const struct group *group)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct recording_pod *pod = &group->pods[i];
        const char *why = reason_of(pod) ? reason_of(pod) : pod->state.complaint;
        char note[400];

        if (say_trigger(pod, note, sizeof(note)) || say_waiting(pod, note, sizeof(note)))
            print_note(file, pod, note);
        if (*why)
            print_note(file, pod, why);
    }
}

void listing_print(FILE *file, const struct recordings *recordings, int64_t now, bool namespaces)
{
    size_t widths[COLUMNS] = {0}, at;
    struct group group;
    struct row row;

    widen(widths, &heading);
    for (at = 0; next_group(recordings, &at, &group);) {
        fill_row(&row, &group, now);
        widen(widths, &row);
    }
    print_row(file, widths, &heading, namespaces ? NAMESPACE : NAME);
    for (at = 0; next_group(recordings, &at, &group);) {
        fill_row(&row, &group, now);
        print_row(file, widths, &row, namespaces ? NAMESPACE : NAME);
    }
    for (at = 0; next_group(recordings, &at, &group);)
        print_notes(file, &group);
}

/* ---- for programs ---- */

static json_t *time_json(int64_t seconds)
{
    char text[32];

    return seconds ? json_string(text_format_time(text, sizeof(text), seconds)) : json_null();
}

static json_t *nanoseconds_json(uint64_t time)
{
    char seconds[32], text[48];

    if (time == 0)
        return json_null();
    text_format_time(seconds, sizeof(seconds), (int64_t)(time / SECOND));
    if (*seconds)
        seconds[strlen(seconds) - 1] = '\0';
    snprintf(text, sizeof(text), "%s.%09uZ", seconds, (unsigned)(time % SECOND));
    return json_string(text);
}

/* Raw text of anywhere: JSON wants UTF-8. */
static json_t *text_json(const char *text)
{
    char escaped[1024];

    if (!text || !*text)
        return json_null();
    text_escape(escaped, sizeof(escaped), text, strlen(text));
    return json_string(escaped);
}

static json_t *target_json(const struct recording_pod *pod, size_t number)
{
    const struct recorded_target *target = &pod->targets[number];
    const struct recording_target_state *state = &pod->state.targets[number];

    return json_pack("{s:o, s:o, s:o, s:s, s:o, s:o, s:I, s:I, s:I, s:I}", "namespace",
                     text_json(target->namespace), "name", text_json(target->name), "container",
                     text_json(target->container), "state",
                     recording_condition_name(state->condition), "oldest",
                     nanoseconds_json(state->oldest), "newest", nanoseconds_json(state->newest),
                     "segments", (json_int_t)state->segments, "packets", (json_int_t)state->packets,
                     "bytes", (json_int_t)state->bytes, "dropped", (json_int_t)state->dropped);
}

static json_t *trigger_json(const struct recording_pod *pod)
{
    unsigned number = pod->state.trigger_target;
    const struct recorded_target *target =
        number < pod->target_count ? &pod->targets[number] : NULL;

    if (!pod->state.trigger)
        return json_null();
    return json_pack("{s:o, s:o, s:o}", "time", nanoseconds_json(pod->state.trigger), "namespace",
                     text_json(target ? target->namespace : NULL), "name",
                     text_json(target ? target->name : NULL));
}

static json_t *pod_json(const struct recording_pod *pod)
{
    json_t *targets = json_array();

    for (size_t i = 0; i < pod->target_count; i++)
        json_array_append_new(targets, target_json(pod, i));
    return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "node", text_json(pod->node),
                     "pod", text_json(pod->name), "state", state_of(pod), "reason",
                     text_json(reason_of(pod)), "complaint", text_json(pod->state.complaint),
                     "ends", time_json(pod->ends), "trigger", trigger_json(pod), "targets",
                     targets);
}

static json_t *described(const struct recording_pod *pod, const char *key)
{
    json_t *value = json_object_get(pod->described, key);

    return value ? json_deep_copy(value) : json_null();
}

static json_t *number_json(bool known, uint64_t number)
{
    return known ? json_integer((json_int_t)number) : json_null();
}

static json_t *group_json(const struct group *group)
{
    const struct recording_pod *first = &group->pods[0];
    const struct sums sums = sum(group);
    json_t *pods = json_array();

    for (size_t i = 0; i < group->count; i++)
        json_array_append_new(pods, pod_json(&group->pods[i]));
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
        text_json(first->recording), "namespace", text_json(first->namespace), "by",
        described(first, "by"), "started", time_json(sums.started), "ends", time_json(sums.ends),
        "keep", described(first, "keep"), "filter", described(first, "filter"), "stopWhen",
        described(first, "stopWhen"), "after", described(first, "after"), "state",
        state_of_all(group), "oldest", nanoseconds_json(sums.oldest), "newest",
        nanoseconds_json(sums.newest), "packets", number_json(sums.known, sums.packets), "bytes",
        number_json(sums.known, sums.bytes), "dropped", number_json(sums.known, sums.dropped),
        "pods", pods);
}

json_t *listing_json(const struct recordings *recordings)
{
    json_t *list = json_array();
    struct group group;

    for (size_t at = 0; next_group(recordings, &at, &group);)
        json_array_append_new(list, group_json(&group));
    return list;
}

/* ---- all together ---- */

static int print_json(const struct recordings *recordings, struct error *err)
{
    json_t *json = listing_json(recordings);

    if (!json)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    json_print(stdout, json);
    json_decref(json);
    return 0;
}

static void print_none(const char *namespace)
{
    if (namespace)
        printf("there is no recording in namespace \"%s\": -A looks in all\n", namespace);
    else
        printf("there is no recording in any namespace\n");
}

int listing_run(struct kube_client *client, const char *namespace, bool json, struct error *err)
{
    struct recordings recordings = {0};
    int result = recordings_find(client, namespace, NULL, &recordings, err);

    if (result == 0)
        result = recordings_ask(client, &recordings, "status", err);
    if (result == 0 && json)
        result = print_json(&recordings, err);
    else if (result == 0 && recordings.count == 0)
        print_none(namespace);
    else if (result == 0)
        listing_print(stdout, &recordings, kube_client_time(client), !namespace);
    recordings_free(&recordings);
    return result;
}
