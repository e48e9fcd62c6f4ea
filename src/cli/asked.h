/* SPDX-License-Identifier: Apache-2.0 */
/* From the options to what the run is asked for: src/settings/settings.h. */
#ifndef KSNIFF_CLI_ASKED_H
#define KSNIFF_CLI_ASKED_H

#include <stddef.h>

struct options;
struct settings;
struct target_word;

/*
 * asked_take - all that the options say, but for the filters (cli/asked_filters.h)
 * @words: @count of them, which the user's targets mean; the settings borrow them, as they do what
 * the options hold
 */
void asked_take(const struct options *options, const struct target_word *words, size_t count,
                struct settings *settings);

/* asked_settle - leave out what has no effect beside the rest, and tell the user. */
void asked_settle(const struct options *options, struct settings *settings);

#endif
