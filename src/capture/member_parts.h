/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of one member (member.h) have from each other: member.c has the steps, which the
 * others are called by. */
#ifndef KSNIFF_CAPTURE_MEMBER_PARTS_H
#define KSNIFF_CAPTURE_MEMBER_PARTS_H

#include <stdbool.h>

#include "capture/member.h"
#include "pcapng/item.h"

#define BACKOFF_FIRST_MS 500

/* What stands before a message where there are several targets. */
#define WHO(member) (member)->several ? (member)->target->label : "", (member)->several ? ": " : ""

/* ---- member_end.c ---- */

/* It has ended, with @err; NULL: as asked. */
void member_end(struct member *member, const struct error *err);
/* It was told to end: what it still has is waited for. */
void member_await_end(struct member *member);

/* ---- member_items.c ---- */

/* For session_start(): @data is the member. */
bool member_take_item(void *data, enum capture_item_kind kind, const struct capture_item *item);
/* Its first agent captures. */
void member_has_begun(struct member *member);
/* The first of a new agent after a cut. */
void member_has_resumed(struct member *member);

/* ---- member_choosing.c ---- */

/* Return: has something changed? */
bool member_step_choosing(struct member *member);
/* The method has ended before it captured: another, or the end. Return: as above. */
bool member_step_failed(struct member *member);

/* ---- member_resume.c: after a cut ---- */

bool member_may_resume(struct member *member);
/* When it is tried again, and a word about it. Return: as above. */
bool member_plan_retry(struct member *member);
/* Of the timer @member->retry: now. */
void member_on_retry(void *data);
/* Is the target still there? */
bool member_ask_for_target(struct member *member);
/* It is known by now. */
bool member_try_again(struct member *member);

#endif
