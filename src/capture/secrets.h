/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS secrets into the sections of a recorder: what has come stands, as a block, before the next
 * packet that is written; each section gets all of its targets' secrets, also those that earlier
 * files have. For the recorder and next_file.c; who brings secrets calls secrets_add() only.
 */
#ifndef KSNIFF_CAPTURE_SECRETS_H
#define KSNIFF_CAPTURE_SECRETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct outlet;
struct recorder;
struct share;

/* secrets_add - a line of @length bytes, without its end, as common/keylog.h judges it. Return: is
 * it a new one? */
bool secrets_add(struct recorder *recorder, const struct share *share, const char *line,
                 size_t length);

/* secrets_room - bytes that those take, at most, which the section of @share does not have yet. */
uint64_t secrets_room(const struct recorder *recorder, const struct share *share);

/* secrets_write_some - write of them until few are left, so that these and a packet fit into the
 * output. Return: 0; 1 when the sink takes no more now; -1 with the error. */
int secrets_write_some(struct recorder *recorder, const struct share *share, struct error *err);

/* secrets_write - write them: the next packet follows. Return: 0, -1 with the error. */
int secrets_write(struct recorder *recorder, const struct share *share, struct error *err);

/* secrets_write_last - those that came behind the last packet of a section: of use to who puts them
 * in front of it. Return: 0, -1 with the error. */
int secrets_write_last(struct recorder *recorder, const struct outlet *outlet, struct error *err);

#endif
