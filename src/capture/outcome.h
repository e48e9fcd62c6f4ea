/* SPDX-License-Identifier: Apache-2.0 */
/* What came of a run: whether it was a success, and what the user is told of it. */
#ifndef KSNIFF_CAPTURE_OUTCOME_H
#define KSNIFF_CAPTURE_OUTCOME_H

struct error;
struct run;

/* outcome_judge - Return: 0 when what was asked for has come about; -1 with the error. */
int outcome_judge(struct run *run, struct error *err);

/* outcome_tell - its numbers, for the user. */
void outcome_tell(const struct run *run);

/*
 * outcome_write - what --summary asks for
 * @result, @err: how the capture has ended
 *
 * Return: @result; -1 with the error when only this has failed.
 */
int outcome_write(const struct run *run, int result, struct error *err);

#endif
