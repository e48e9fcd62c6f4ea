/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer to a request for an upgrade, read by hand: Debian's libcurl 7.88 upgrades nothing that
 * it does not know. No I/O.
 *
 * Source: RFC 9112.
 */
#ifndef KSNIFF_KUBE_UPGRADE_H
#define KSNIFF_KUBE_UPGRADE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define KUBE_UPGRADE_MAX (128u << 10) /* bytes of an answer, body included */

enum kube_upgrade_state {
    KUBE_UPGRADE_COMING, /* not all is there */
    KUBE_UPGRADE_WHOLE,
    KUBE_UPGRADE_MALFORMED, /* it is not HTTP/1.1 */
};

struct kube_upgrade {
    long code;
    char *head;      /* up to the empty line, NUL-terminated */
    struct buf body; /* of a refusal, as much of it as a message needs */
    size_t rest;     /* bytes behind the head: of a 101, what the server said since */
};

/*
 * kube_upgrade_read - read an answer as far as it has come
 * @ended: nothing more comes
 * @ret_upgrade: filled in when it is whole; release with kube_upgrade_free()
 */
enum kube_upgrade_state kube_upgrade_read(const struct buf *answer, bool ended,
                                          struct kube_upgrade *ret_upgrade);
void kube_upgrade_free(struct kube_upgrade *upgrade);

/* kube_upgrade_header - the value of the first header of this name. Return: false, and "" in @out,
 * when it is not there. */
bool kube_upgrade_header(const char *head, const char *name, char *out, size_t size);

#endif
