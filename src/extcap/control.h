/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages on the pipes between Wireshark's toolbar and an extcap program: bytes in, messages out,
 * and back. No I/O.
 *
 *   1 byte   'T'; others are of no toolbar, and are left out
 *   3 bytes  how many follow, the highest first
 *   1 byte   the number of the control
 *   1 byte   a command
 *   the rest
 *
 * Source: "Control Protocol" in the Wireshark Developer's Guide, chapter Packet Capture. Wireshark
 * 4.6 and later sends an 'Q' besides, when the capture is to end.
 */
#ifndef KSNIFF_EXTCAP_CONTROL_H
#define KSNIFF_EXTCAP_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define CONTROL_HEAD        4     /* bytes before those that are counted */
#define CONTROL_PAYLOAD_MAX 65535 /* bytes */

enum control_command {
    CONTROL_INITIALIZED = 0, /* Wireshark: what the user has set has been sent */
    CONTROL_SET = 1,
    CONTROL_ADD = 2,
    CONTROL_STATUS_BAR = 6,
    CONTROL_INFORMATION = 7, /* this and the following open a window */
    CONTROL_WARNING = 8,
    CONTROL_ERROR = 9,
};

struct control_message {
    bool quit; /* the capture is to end; nothing else is said */
    uint8_t control, command;
    const unsigned char *payload; /* in the buffer, until it is changed */
    size_t length;
};

/*
 * control_read - the next message of those in @bytes
 * @ret_size: bytes that it takes: the caller takes them from the buffer, and asks again
 *
 * Return: 1 with a message, 0 when it has not come whole, -1 when there will be none.
 */
int control_read(const struct buf *bytes, struct control_message *ret_message, size_t *ret_size);

/* control_write - put a message behind @out, cut to what one may hold. Return: false: no room. */
bool control_write(struct buf *out, uint8_t control, enum control_command command,
                   const void *payload, size_t length);

#endif
