/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A private directory for as long as somebody needs it: removed with all that is in it when this
 * program and those it was shared with have ended, also when they were killed.
 */
#ifndef KSNIFF_BASE_SCRATCH_H
#define KSNIFF_BASE_SCRATCH_H

#include <stdbool.h>
#include <sys/types.h>

struct error;

struct scratch {
    char *path;   /* owned; NULL: none */
    int lifeline; /* who inherits this descriptor keeps the directory; reading gives nothing */
    pid_t keeper; /* the process that will remove it; its parent is this program */
};

/*
 * scratch_make - make it below $TMPDIR, else /tmp, for this user alone
 * @ret_scratch: release with scratch_leave()
 *
 * Errors: ERROR_OUTPUT, with the place.
 */
int scratch_make(struct scratch *ret_scratch, struct error *err);

/*
 * scratch_leave - this program is done with it; what was never made is allowed
 * @last: nobody else should have it any more: wait a moment until it is removed
 */
void scratch_leave(struct scratch *scratch, bool last);

#endif
