/* SPDX-License-Identifier: Apache-2.0 */
/* Is there room for what is to be kept? Asked before anything is made. */
#ifndef KSNIFF_RECORDING_ROOM_H
#define KSNIFF_RECORDING_ROOM_H

struct error;
struct recording_groups;
struct settings;

/*
 * room_check - in --keep for each target, as the recorder would refuse it; and on the nodes, as far
 * as their objects are known, for all their recorders
 *
 * What other pods have asked of a node is not known here: its kubelet may refuse still. Return: 0,
 * or -1 with the error.
 */
int room_check(const struct settings *settings, const struct recording_groups *groups,
               struct error *err);

#endif
