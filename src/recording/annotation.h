/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pod that records says of itself, for whoever lists and fetches: a label, and an annotation
 * of JSON:
 *
 *   {"by": "jane@example.com",       who started it; "" where nobody knows
 *    "started": "2026-11-29T03:35:00Z",
 *    "run": "9f86d081884c7d65",      the same of all pods that one command has made, and no others
 *    "keep": {"bytes": 1073741824, "seconds": 3600, "in": "disk"},    seconds 0: no limit
 *    "filter": "tcp port 80",        null: none
 *    "asked": "tcp port 80",         as the user gave it: with names, and with our own traffic
 *    "snaplen": 262144, "headersOnly": false, "interfaces": ["eth0"],
 *    "stopWhen": "tcp[tcpflags] & tcp-rst != 0",                      null: nothing does
 *    "after": 30000,                 milliseconds
 *    "targets": [{"namespace": "shop", "name": "web-1", "uid": "...", "container": "app",
 *                 "node": "node1", "hostNetwork": false, "ips": ["10.244.0.7"],
 *                 "labels": {"app": "web"}}, ...]}                    by their numbers
 *
 * Where all of it would be more than a pod may have, the labels are left out.
 * Of a node that is recorded itself namespace, uid and container are "".
 */
#ifndef KSNIFF_RECORDING_ANNOTATION_H
#define KSNIFF_RECORDING_ANNOTATION_H

#include <jansson.h>
#include <stddef.h>

#include "method/helper.h"

struct settings;
struct target;

#define RECORDING_LABEL      HELPER_RECORDING_LABEL
#define RECORDING_ANNOTATION "kubectl-sniff/recorded"

/*
 * annotation_text - Return: the annotation's JSON, owned by the caller (free()); NULL when out of
 * memory.
 * @targets: @count of them, by their numbers
 * @who, @when, @run: as above
 */
char *annotation_text(const struct settings *settings, const struct target *const *targets,
                      size_t count, const char *who, const char *when, const char *run);

#endif
