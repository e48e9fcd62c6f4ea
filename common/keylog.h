/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of a TLS key log, as programs write them where SSLKEYLOGFILE tells them to: a label, the
 * client's random, a secret. The agent lets nothing else out of the file that it follows, and the
 * client puts nothing else into a capture.
 *
 * Source: RFC 9850, "The SSLKEYLOGFILE Format for TLS"; for QUIC, what its drafts had before.
 */
#ifndef KSNIFF_COMMON_KEYLOG_H
#define KSNIFF_COMMON_KEYLOG_H

#include <stddef.h>

#define KEYLOG_LINE_MAX 1024 /* bytes of a line without its end; longer ones are no secrets */

enum keylog_line {
    KEYLOG_SECRET,
    KEYLOG_REMARK, /* a comment, or nothing: no secret, and nothing to wonder at */
    KEYLOG_OTHER,
};

/* keylog_line - what is it? @line: @length bytes, without the newline and a '\r' before that */
enum keylog_line keylog_line(const char *line, size_t length);

#endif
