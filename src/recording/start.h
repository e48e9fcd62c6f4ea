/* SPDX-License-Identifier: Apache-2.0 */
/* --record: from what the user has named to pods that record it, and that stay. */
#ifndef KSNIFF_RECORDING_START_H
#define KSNIFF_RECORDING_START_H

struct error;
struct kube_client;
struct settings;

/*
 * recording_start - have everything recorded that is named, and wait until it is
 * @settings: recording says how; where a recording of that name is there, what it records already
 * is left to it
 *
 * It is told on standard output how to list, fetch and end it. Where it fails, or is interrupted,
 * nothing that it has made is left. Return: 0, or -1 with the error.
 */
int recording_start(struct kube_client *client, const struct settings *settings, struct error *err);

#endif
