/* SPDX-License-Identifier: Apache-2.0 */
/* --check: which methods could capture the targets? */
#ifndef KSNIFF_CAPTURE_CHECK_H
#define KSNIFF_CAPTURE_CHECK_H

#include <stdbool.h>

struct error;
struct kube_client;
struct settings;

/*
 * capture_check - print on standard output which methods could capture each target, and what stands
 * in the way of the others; nothing is changed
 * @json: for programs (method/report.h)
 *
 * Return: 0 when some method can capture each, or may; 1 when one cannot be captured; -1 with the
 * error.
 */
int capture_check(struct kube_client *client, const struct settings *settings, bool json,
                  struct error *err);

#endif
