/* SPDX-License-Identifier: Apache-2.0 */
/* One capture from start to end: targets, their members, one output, and what the user sees. */
#ifndef KSNIFF_CAPTURE_RUN_H
#define KSNIFF_CAPTURE_RUN_H

#include <stdbool.h>

struct capture_remote;
struct error;
struct kube_client;
struct settings;
struct sink;

/*
 * capture_run - capture until the user, a limit, the reader of the output or the targets' end ends
 * it
 * @client: the API server
 * @settings: what and how
 * @sink: prepared; it is begun here when packets can come, and finished
 * @status: draw a live status line
 * @remote: who else follows it; NULL: nobody
 *
 * A cut is taken up again, unless the settings say otherwise. Return: 0, also when an interrupt
 * ended a capture that had begun; -1 with the error. Whatever was received is in the sink in both
 * cases.
 */
int capture_run(struct kube_client *client, const struct settings *settings, struct sink *sink,
                bool status, struct capture_remote *remote, struct error *err);

#endif
