/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of a recorder (common/recording.h), and the name that a recording gets. */
#ifndef KSNIFF_RECORDING_ARGUMENTS_H
#define KSNIFF_RECORDING_ARGUMENTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct error;
struct recording_group;
struct settings;

/*
 * arguments_make - the words behind the recorder's name
 * @ring: bytes of the packet ring of each target, where the user has not chosen
 * @despite_shell: it is to record even where its container has a shell
 *
 * Return: an array, owned by the caller; NULL with the error.
 */
json_t *arguments_make(const struct settings *settings, const struct recording_group *group,
                       uint64_t ring, bool despite_shell, struct error *err);

#define RECORDING_NAME_SIZE 64

/*
 * recording_name_make - a name for who has given none: "shop-20261129-033512", of the first target
 * and the time
 * @when: in this machine's time
 */
void recording_name_make(const struct settings *settings, const struct tm *when,
                         char out[static RECORDING_NAME_SIZE]);

#endif
