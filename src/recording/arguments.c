/* SPDX-License-Identifier: Apache-2.0 */
#include "recording/arguments.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "method/command.h"
#include "recording/groups.h"
#include "settings/settings.h"
#include "target/target.h"
#include "common/recording.h"

#define RING_SHARE 4 /* command_build() takes a quarter of what it is told */

static void add(json_t *list, const char *word)
{
    json_array_append_new(list, json_string(word));
}

static void add_number(json_t *list, const char *option, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, number);
    add(list, option);
    add(list, text);
}

/* What it shares with the agent that captures: the words behind "capture". */
static int add_capture(json_t *list, const struct settings *settings, uint64_t ring,
                       struct error *err)
{
    struct command command;

    if (command_build(&command, settings, RING_SHARE * ring, err) < 0)
        return -1;
    for (size_t i = 1; i < command.count; i++)
        add(list, command.words[i]);
    command_free(&command);
    return 0;
}

static int add_trigger(json_t *list, const struct recording_settings *recording, struct error *err)
{
    const struct filter *filter = &recording->stop_when;
    char flags[3] = "";

    if (!filter->program)
        return 0;
    cleanup_free char *program = filter_encode(filter);
    if (!program)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    add(list, "-T");
    add(list, program);
    snprintf(flags, sizeof(flags), "%s%s", filter->vlan ? "V" : "",
             filter->ethernet_only ? "E" : "");
    if (*flags) {
        add(list, "-X");
        add(list, flags);
    }
    if (recording->after)
        add_number(list, "-A", recording->after);
    return 0;
}

static void add_target(json_t *list, const struct target *target)
{
    const char *words[COMMAND_TARGET_MAX];
    size_t count = target->host_network ? 0 : command_target(target, false, words);

    add(list, "-t");
    for (size_t i = 0; i < count; i++)
        add(list, words[i]);
}

json_t *arguments_make(const struct settings *settings, const struct recording_group *group,
                       uint64_t ring, bool despite_shell, struct error *err)
{
    const struct recording_settings *recording = &settings->recording;
    json_t *list = json_pack("[s, s, s]", "record", "-d", RECORDING_DIRECTORY);

    add_number(list, "-k", recording->keep_bytes);
    if (recording->keep_seconds)
        add_number(list, "-K", recording->keep_seconds);
    if (!despite_shell)
        add(list, "-N");
    if (add_capture(list, settings, ring, err) < 0 || add_trigger(list, recording, err) < 0) {
        json_decref(list);
        return NULL;
    }
    for (size_t i = 0; i < group->count; i++)
        add_target(list, group->targets[i]);
    return list;
}

/* ---- its name ---- */

void recording_name_make(const struct settings *settings, const struct tm *when,
                         char out[static RECORDING_NAME_SIZE])
{
    const char *word = settings->word_count ? settings->words[0]
                       : settings->selector ? settings->selector
                                            : "";
    const char *slash = strrchr(word, '/'), *from = slash ? slash + 1 : word;
    size_t used = 0;
    char time[24];

    strftime(time, sizeof(time), "-%Y%m%d-%H%M%S", when);
    for (; *from && used < RECORDING_NAME_SIZE - sizeof(time); from++) {
        bool plain = isalnum((unsigned char)*from);

        if (plain || (used > 0 && out[used - 1] != '-'))
            out[used++] = plain ? *from : '-';
    }
    while (used > 0 && out[used - 1] == '-')
        used--;
    if (used == 0)
        used = (size_t)snprintf(out, RECORDING_NAME_SIZE, "recording");
    snprintf(out + used, RECORDING_NAME_SIZE - used, "%s", time);
}
