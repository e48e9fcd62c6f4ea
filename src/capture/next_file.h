/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file of a capture ends, the next begins: between two packets, so that each is in one of them.
 * The old one ends with statistics of what stands in it; the new one begins with a section, and
 * with the interfaces that have not ended.
 */
#ifndef KSNIFF_CAPTURE_NEXT_FILE_H
#define KSNIFF_CAPTURE_NEXT_FILE_H

struct capture_packet;
struct error;
struct outlet;
struct recorder;
struct share;

/* next_file_make_way - begin the next file, if @packet is not to stand in the one that is open. */
int next_file_make_way(struct recorder *recorder, struct share *share,
                       const struct capture_packet *packet, struct error *err);

/* next_file_last - no other follows: the last one of @outlet gets those statistics that its agents
 * have given before it began. */
int next_file_last(struct recorder *recorder, struct outlet *outlet, struct error *err);

#endif
