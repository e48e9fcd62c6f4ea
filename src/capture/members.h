/* SPDX-License-Identifier: Apache-2.0 */
/* Who takes part in a run: from the targets to members, those that come and go, and the names of
 * their addresses. */
#ifndef KSNIFF_CAPTURE_MEMBERS_H
#define KSNIFF_CAPTURE_MEMBERS_H

#include <stdbool.h>

struct error;
struct member;
struct run;

/* members_find - everything that was asked for becomes a member; where targets are followed, more
 * come later, as events of the loop. Return: 0; -1 with the error. */
int members_find(struct run *run, struct error *err);

/* members_failed - one of several has ended with an error: the user is told; where targets are
 * followed, and it had not begun to capture, it is tried again. */
void members_failed(const struct run *run, const struct member *member);

/* members_ask_names - of their addresses. Nothing waits for them; without memory for them there are
 * none. */
void members_ask_names(struct run *run);

/* members_single - is it one target, and will it be? */
bool members_single(const struct run *run);

/* members_ended - have all, and comes no other? */
bool members_ended(const struct run *run);

/* members_forget_gone - those whose pods were deleted. */
void members_forget_gone(struct run *run);

void members_free(struct run *run);

#endif
