/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recordings that there are: as a table for a person, and as JSON for programs:
 *
 *   [{"name": "shop", "namespace": "shop", "by": "jane", "started": "2026-11-29T03:35:00Z",
 *     "ends": "2026-11-30T03:35:01Z", "keep": {"bytes": 1073741824, "seconds": 0, "in": "disk"},
 *     "filter": null, "stopWhen": null, "after": 0, "state": "recording",
 *     "oldest": "2026-11-29T03:40:00.123456789Z", "newest": "...", "packets": 42, "bytes": 9000,
 *     "dropped": 0,
 *     "pods": [{"node": "node1", "pod": "ksniff-0123456789", "state": "recording", "reason": null,
 *               "complaint": null, "ends": "...",
 *               "trigger": {"time": "...", "namespace": "shop", "name": "web"},
 *               "targets": [{"namespace": "shop", "name": "web", "container": "app",
 *                            "state": "recording", "oldest": "...", "newest": "...",
 *                            "segments": 3, "packets": 42, "bytes": 9000, "dropped": 0}]}]}]
 *
 * What is not known, or not there, is null. A "state" is "starting", "waiting" (a target is not
 * running), "recording", "triggered", "frozen", "ended", or "unknown" (it could not be asked,
 * "reason" says why); that of a recording is the one that all its pods have, else "mixed".
 */
#ifndef KSNIFF_RECORDING_LISTING_H
#define KSNIFF_RECORDING_LISTING_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct error;
struct kube_client;
struct recordings;

/*
 * listing_run - find them, ask them, and print them on standard output
 * @namespace: NULL: all
 *
 * Return: 0, or -1 with the error.
 */
int listing_run(struct kube_client *client, const char *namespace, bool json, struct error *err);

/*
 * listing_print - the table; below it what a person should know of single nodes
 * @now: seconds since 1970
 * @namespaces: with a column for them
 */
void listing_print(FILE *file, const struct recordings *recordings, int64_t now, bool namespaces);

/* listing_json - Return: owned by the caller; NULL when out of memory. */
json_t *listing_json(const struct recordings *recordings);

#endif
