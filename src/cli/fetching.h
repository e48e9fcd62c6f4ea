/* SPDX-License-Identifier: Apache-2.0 */
/* The command --fetch, with what may stand around it: --wait-for before, --end behind it. */
#ifndef KSNIFF_CLI_FETCHING_H
#define KSNIFF_CLI_FETCHING_H

#include <stdbool.h>

struct error;
struct kube_client;
struct options;
struct settings;
struct sink;

/* fetching_prepare - what the options mean to a capture of what was recorded; of what is for other
 * captures, by the environment or the user's file, nothing is left. */
void fetching_prepare(const struct options *options, struct settings *settings);

/*
 * fetching_run - wait, fetch, end, as far as it is asked for
 * @status: as for capture_run()
 *
 * Nothing is removed unless all that is wanted and that is left has been fetched. Return: 0; -1
 * with the error: ERROR_GONE where some of it has ended before, and is removed, too.
 */
int fetching_run(struct kube_client *client, const struct options *options,
                 const struct settings *settings, struct sink *sink, bool status,
                 struct error *err);

#endif
