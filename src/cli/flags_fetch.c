/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/flags_fetch.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "cli/options.h"
#include "kube/name.h"
#include "settings/moment.h"

static int expected(struct error *err, const char *as, const char *value, const char *what)
{
    return error_set(err, ERROR_USAGE, "%s takes %s, not \"%s\"", as, what, value);
}

static int take_name(const char **field, const char *value, const char *as, struct error *err)
{
    if (!kube_name_is_value(value)) {
        expected(err, as, value, "a recording's name");
        return error_remedy(err, "see: kubectl sniff --recordings");
    }
    *field = value;
    return 0;
}

/* Behind --end NAME it needs no name. */
int set_fetch(struct options *options, const char *value, const char *as, struct error *err)
{
    options->fetches = strcmp(value, "false") != 0;
    if (!options->fetches || strcmp(value, "true") == 0)
        return 0;
    return take_name(&options->fetch, value, as, err);
}

int set_wait_for(struct options *options, const char *value, const char *as, struct error *err)
{
    options->fetches = true;
    return take_name(&options->wait_for, value, as, err);
}

/* What it is back from is known later: here it is looked at from now. */
static int take_moment(const char **text, uint64_t *field, const char *value, const char *as,
                       struct error *err)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (moment_parse(value, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, field) < 0)
        return expected(err, as, value,
                        "a time back from now, such as 10m, or one such as 2026-11-29T03:15:00Z");
    *text = value;
    return 0;
}

int set_since(struct options *options, const char *value, const char *as, struct error *err)
{
    return take_moment(&options->since_text, &options->since, value, as, err);
}

int set_until(struct options *options, const char *value, const char *as, struct error *err)
{
    return take_moment(&options->until_text, &options->until, value, as, err);
}

int set_live(struct options *options, const char *value, const char *as, struct error *err)
{
    options->live = strcmp(value, "true") == 0;
    return options->live || strcmp(value, "false") == 0 ? 0
                                                        : expected(err, as, value, "true or false");
}
