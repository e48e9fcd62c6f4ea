/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/flags_recording.h"

#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/options.h"
#include "kube/name.h"
#include "settings/keep.h"
#include "common/recording.h"

static int expected(struct error *err, const char *as, const char *value, const char *what)
{
    return error_set(err, ERROR_USAGE, "%s takes %s, not \"%s\"", as, what, value);
}

/* A switch that stands with another thing, too. Return: 0 where @value is true or false. */
static int take_switch(struct options *options, enum options_action action, const char *value)
{
    if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
        return -1;
    options->action = strcmp(value, "true") == 0 ? action : OPTIONS_SNIFF;
    return 0;
}

/* A name is the value of a label. */
static int take_name(const char **field, const char *value, const char *as, struct error *err)
{
    if (!kube_name_is_value(value)) {
        expected(err, as, value, "a recording's name");
        return error_remedy(err,
                            "at most %d letters, digits, \"-\", \"_\" and \".\", the first "
                            "and the last a letter or a digit: shop-503",
                            KUBE_VALUE_MAX);
    }
    *field = value;
    return 0;
}

int set_record(struct options *options, const char *value, const char *as, struct error *err)
{
    if (take_switch(options, OPTIONS_RECORD, value) == 0)
        return 0;
    if (take_name(&options->record_name, value, as, err) < 0)
        return -1;
    options->action = OPTIONS_RECORD;
    return 0;
}

int set_keep(struct options *options, const char *value, const char *as, struct error *err)
{
    if (keep_parse(value, &options->keep_bytes, &options->keep_seconds) < 0)
        return expected(err, as, value, "a size, a time or both: 2G, 1h or 2G,1h");
    if (options->keep_bytes < RECORDING_KEEP_MIN)
        return expected(err, as, value, "at least 8M");
    return 0;
}

int set_for(struct options *options, const char *value, const char *as, struct error *err)
{
    uint64_t seconds;

    if (keep_parse_time(value, &seconds) < 0)
        return expected(err, as, value, "a time such as 30m, 24h or 7d");
    if (seconds > RECORD_FOR_MAX)
        return expected(err, as, value, "at most seven days (7d)");
    options->record_for = seconds;
    return 0;
}

int set_keep_in(struct options *options, const char *value, const char *as, struct error *err)
{
    options->keep_in_memory = strcmp(value, "memory") == 0;
    return options->keep_in_memory || strcmp(value, "disk") == 0
               ? 0
               : expected(err, as, value, "disk or memory");
}

int set_stop_when(struct options *options, const char *value, const char *as, struct error *err)
{
    if (!*value) {
        expected(err, as, value, "a filter");
        return error_remedy(err, "such as 'tcp[tcpflags] & tcp-rst != 0', or leave it out");
    }
    options->stop_when = value;
    return 0;
}

int set_after(struct options *options, const char *value, const char *as, struct error *err)
{
    return text_parse_duration(value, &options->after) < 0
               ? expected(err, as, value, "a duration such as 30s, 5m or 1h30m")
               : 0;
}

int set_recordings(struct options *options, const char *value, const char *as, struct error *err)
{
    options->recordings_json = strcmp(value, "json") == 0;
    if (options->recordings_json)
        options->action = OPTIONS_RECORDINGS;
    else if (take_switch(options, OPTIONS_RECORDINGS, value) < 0)
        return expected(err, as, value, "json, or nothing");
    return 0;
}

int set_end(struct options *options, const char *value, const char *as, struct error *err)
{
    if (take_name(&options->recording, value, as, err) < 0)
        return -1;
    options->action = OPTIONS_END;
    return 0;
}
